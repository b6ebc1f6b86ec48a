"""Why a revision has no replica that can serve, read off its pods. Pure.

Source: knative/serving pkg/reconciler/revision (reconcile_resources.go looks at the first pod).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tidegate.model import serving_names as names
from tidegate.model.conditions import find
from tidegate.model.pods import (
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodStatus,
)

#: A cluster gives these time, because a pull may yet succeed; here nothing changes by itself.
_STUCK = frozenset(
    {
        "ImageNotRunnable",
        "RunContainerError",
        "CreateContainerConfigError",
        "ErrImageNeverPull",
        "InvalidImageName",
    }
)


class Stage(Enum):
    """How far the pod came."""

    NO_ROOM = auto()  # no node takes it
    FAILED = auto()  # a container can't start, or ended
    ON_ITS_WAY = auto()  # it may still come: a volume is missing, nothing listens yet


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong; `reason` is one word for machines, `message` a sentence for people."""

    stage: Stage
    reason: str
    message: str


def trouble_of(pods: Iterable[Pod]) -> Trouble | None:
    """What the first pod that isn't going says; None: nothing, as far as one can see."""
    pod = next((p for p in pods if _is_replica(p)), None)
    if pod is None or pod.status is None:
        return None
    status = pod.status
    scheduled = find(status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return Trouble(
            Stage.NO_ROOM, scheduled.reason or "Unschedulable", scheduled.message or "no node"
        )
    containers = (*status.init_container_statuses, *status.container_statuses)
    for container in containers:
        failed = _failed(container)
        if failed is not None:
            return failed
    return _on_its_way(status, containers)


def _is_replica(pod: Pod) -> bool:
    """Not going, and not at rest."""
    meta = pod.metadata
    return meta.deletion_timestamp is None and names.STANDBY not in meta.labels


def _failed(container: ContainerStatus) -> Trouble | None:
    waiting = container.state.waiting if container.state else None
    if waiting is not None and waiting.reason in _STUCK:
        return Trouble(Stage.FAILED, waiting.reason or "", waiting.message or "")
    if container.ready:  # also an init container that is through
        return None
    for state in (container.state, container.last_state):
        ended = state.terminated if state is not None else None
        if ended is not None and not (state is container.last_state and _unseen(ended)):
            told = (ended.message or "").strip() or _quiet(container.name, ended.exit_code)
            return Trouble(
                Stage.FAILED, f"ExitCode{ended.exit_code}", f"Container failed with: {told}"
            )
    return None


def _unseen(ended: ContainerStateTerminated) -> bool:
    """The engine was down when it went, mostly because it was told to: no failure of its own."""
    return ended.exit_code == -1 and ended.reason == "Unknown"


def _quiet(container: str, exit_code: int) -> str:
    """What there is to say of a container that ended without a word."""
    if exit_code == 0:
        return "container exited with no error"
    return f"{container} ended with exit code {exit_code} and without a word"


def _on_its_way(status: PodStatus, containers: Sequence[ContainerStatus]) -> Trouble | None:
    for container in containers:
        waiting = container.state.waiting if container.state else None
        if waiting is not None and waiting.message:
            return Trouble(Stage.ON_ITS_WAY, waiting.reason or "", waiting.message)
    found = status.tidegate.trouble if status.tidegate else ()
    return Trouble(Stage.ON_ITS_WAY, "ContainersNotReady", found[0]) if found else None
