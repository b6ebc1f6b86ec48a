"""What admission of Knative's kinds depends on besides the documents themselves.

The values come from the config maps in `knative-serving`; reading them is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.model.field_errors import FieldError

STATES = ENABLED, ALLOWED, DISABLED = "enabled", "allowed", "disabled"
_PODSPEC = "kubernetes.podspec-"

#: On by default. The first two as Knative ships them, the others as the managed clusters do that
#: our documents were written for.
ON_BY_DEFAULT = frozenset(
    {
        "multi-container",
        f"{_PODSPEC}volumes-emptydir",
        f"{_PODSPEC}persistent-volume-claim",
        f"{_PODSPEC}persistent-volume-write",
        f"{_PODSPEC}volumes-hostpath",
        f"{_PODSPEC}volumes-csi",
        f"{_PODSPEC}nodeselector",
        f"{_PODSPEC}tolerations",
        f"{_PODSPEC}affinity",
        f"{_PODSPEC}init-containers",
    }
)


@dataclass(frozen=True, slots=True)
class Features:
    """config-features. Any value but Enabled, Allowed and Disabled leaves the default alone."""

    flags: Mapping[str, str] = field(default_factory=dict)

    def state(self, name: str) -> str:
        flag = self.flags.get(name, "").lower()
        if flag in STATES:
            return flag
        return ENABLED if name in ON_BY_DEFAULT else DISABLED

    def allows(self, name: str) -> bool:
        """Enabled or Allowed."""
        return self.state(name) != DISABLED

    def enables(self, name: str) -> bool:
        """Enabled, and not merely Allowed."""
        return self.state(name) == ENABLED


@dataclass(frozen=True, slots=True)
class RevisionDefaults:
    """What a revision gets that doesn't say, and its bounds. Defaults are Knative's.

    Concurrency 0: no limit. `enable_service_links` None: leave unset. `requests` and `limits` are
    quantities by resource, for those that a container doesn't name. The names of containers are
    made from the parent's name and namespace.
    """

    timeout_s: int = 300
    max_timeout_s: int = 600
    response_start_timeout_s: int = 300
    idle_timeout_s: int = 0
    concurrency: int = 0
    max_concurrency: int = 1000
    allow_zero_concurrency: bool = True
    enable_service_links: bool | None = False
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    container_name: Callable[[str, str], str] = lambda name, namespace: "user-container"
    init_container_name: Callable[[str, str], str] = lambda name, namespace: "init-container"


CheckAnnotations = Callable[[Mapping[str, str]], Sequence[FieldError]]


def _nothing_wrong(annotations: Mapping[str, str]) -> Sequence[FieldError]:
    return ()


@dataclass(frozen=True, slots=True)
class AnnotationChecks:
    """What scaling demands of annotations; the room that reads them judges them (`policy`).

    Paths are bare keys, except those of `no_autoscaling`, which are complete.
    """

    autoscaling: CheckAnnotations = _nothing_wrong
    no_autoscaling: CheckAnnotations = _nothing_wrong
    rollout_duration: CheckAnnotations = _nothing_wrong
    progress_deadline: CheckAnnotations = _nothing_wrong
    routing: CheckAnnotations = _nothing_wrong  # ours: sticky, shadow, promote


@dataclass(frozen=True, slots=True)
class Settings:
    defaults: RevisionDefaults = RevisionDefaults()
    features: Features = Features()
    checks: AnnotationChecks = AnnotationChecks()
    autoscaler_class: str = "kpa.autoscaling.knative.dev"
