"""What a visit sees: the target's scale, its pods, and one reading for each metric.

Amounts are whole thousandths, rounded up (memory too: bytes times 1000). Times are seconds since the
epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_NONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale subresource. `selector` is its status' text. `failed`: it could not be read, and why;
    `unparsable`: why the selector is none."""

    replicas: int = 0
    observed: int = 0
    selector: str = ""
    failed: str | None = None
    unparsable: str | None = None


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    """`always`: an init container that is started again whenever it ends (a sidecar)."""

    name: str
    milli: Mapping[str, int]
    always: bool = False


@dataclass(frozen=True, slots=True)
class PodRequests:
    """`pod`: requests of the pod as a whole, empty for none."""

    containers: tuple[ContainerRequest, ...] = ()
    init: tuple[ContainerRequest, ...] = ()
    pod: Mapping[str, int] = field(default_factory=lambda: _NONE)
    overhead: Mapping[str, int] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class Readiness:
    """The Ready condition: True, False or Unknown, since when."""

    status: str
    since_s: float


@dataclass(frozen=True, slots=True)
class PodSeen:
    """`started_at_s` None: no node has taken it yet. `ready` None: no such condition."""

    name: str
    phase: str
    deleted: bool
    started_at_s: float | None
    ready: Readiness | None
    requests: PodRequests


@dataclass(frozen=True, slots=True)
class PodUsage:
    """A pod's entry in metrics.k8s.io: resource -> thousandths for each container it lists."""

    pod: str
    at_s: float
    window_s: float
    containers: tuple[tuple[str, Mapping[str, int]], ...]


@dataclass(frozen=True, slots=True)
class PodValue:
    """A pod's value of a Pods metric."""

    pod: str
    milli: int
    at_s: float
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ResourceReading:
    items: tuple[PodUsage, ...]


@dataclass(frozen=True, slots=True)
class PodsReading:
    items: tuple[PodValue, ...]


@dataclass(frozen=True, slots=True)
class ObjectReading:
    milli: int


@dataclass(frozen=True, slots=True)
class ExternalReading:
    milli: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """The metrics' API answered with this error."""

    why: str


Reading = ResourceReading | PodsReading | ObjectReading | ExternalReading | ReadFailed


@dataclass(frozen=True, slots=True)
class Seen:
    """`pods`: those that the scale's selector chooses. `rivals`: every autoscaler that chooses one of
    them, this one too, when there is more than one. `readings`: one for each metric of the spec;
    empty where `reads_metrics` says that none is needed."""

    now_s: float
    scale: Scale
    pods: tuple[PodSeen, ...] = ()
    rivals: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
