"""The cells of a pod's row, which take some working out.

Source: kubernetes pkg/printers/internalversion/printers.go (`printPod`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tidegate.model.ages import age_of
from tidegate.model.conditions import find, is_true, seconds_of
from tidegate.model.pods import (
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodStatus,
)
from tidegate.model.serving_names import RESTING

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class PodRow:
    """`restarted_at`: when a container last came back, None if none did."""

    ready: int
    containers: int
    status: str
    restarts: int
    restarted_at: str | None

    @property
    def ready_text(self) -> str:
        return f"{self.ready}/{self.containers}"

    def restarts_text(self, now_s: float) -> str:
        if not self.restarts or self.restarted_at is None:
            return str(self.restarts)
        return f"{self.restarts} ({age_of(self.restarted_at, now_s)} ago)"


def pod_row(pod: Pod) -> PodRow:
    status = pod.status or PodStatus()
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    first = status.init_container_statuses
    initialising = _initialising(first, len(pod.spec.init_containers), sidecars)
    beside = tuple(s for s in first if s.name in sidecars)
    gated = find(status.conditions, "PodScheduled")
    reason = status.reason or status.phase or "Unknown"
    if gated is not None and gated.reason == "SchedulingGated":
        reason = "SchedulingGated"
    counted, ready = first, sum(bool(s.started and s.ready) for s in beside)
    if initialising and not is_true(status.conditions, "Initialized"):
        reason = initialising
    else:
        counted = (*beside, *status.container_statuses)
        reason, more = _running(status, reason)
        ready += more
        rests = find(status.conditions, "Ready")
        if reason == "Running" and rests is not None and rests.reason == RESTING:
            reason = RESTING
    if pod.metadata.deletion_timestamp and status.phase not in _ENDED:
        reason = "Unknown" if status.reason == "NodeLost" else "Terminating"
    return PodRow(
        ready,
        len(pod.spec.containers) + len(sidecars),
        reason,
        sum(c.restart_count or 0 for c in counted),
        _last_restart(counted),
    )


def _initialising(
    statuses: tuple[ContainerStatus, ...], count: int, sidecars: Collection[str]
) -> str | None:
    """What the first init container that is not done is at; None when all are. A sidecar is done
    once it has started."""
    for i, status in enumerate(statuses):
        state = status.state
        ended = state.terminated if state else None
        waiting = state.waiting if state else None
        if ended is not None and ended.exit_code == 0:
            continue
        if status.name in sidecars and status.started:
            continue
        if ended is not None:
            return f"Init:{ended.reason or _how_it_ended(ended)}"
        if waiting is not None and waiting.reason and waiting.reason != "PodInitializing":
            return f"Init:{waiting.reason}"
        return f"Init:{i}/{count}"
    return None


def _running(status: PodStatus, reason: str) -> tuple[str, int]:
    """The reason of the first container that has one, and how many are ready."""
    ready, runs = 0, False
    for container in reversed(status.container_statuses):
        state = container.state
        waiting = state.waiting if state else None
        ended = state.terminated if state else None
        if waiting is not None and waiting.reason:
            reason = waiting.reason
        elif ended is not None:
            reason = ended.reason or _how_it_ended(ended)
        elif container.ready and state is not None and state.running is not None:
            ready, runs = ready + 1, True
    if reason == "Completed" and runs:
        reason = "Running" if is_true(status.conditions, "Ready") else "NotReady"
    return reason, ready


def _how_it_ended(ended: ContainerStateTerminated) -> str:
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"


def _last_restart(statuses: tuple[ContainerStatus, ...]) -> str | None:
    ends = [
        last.terminated.finished_at
        for last in (status.last_state for status in statuses)
        if last is not None and last.terminated is not None and last.terminated.finished_at
    ]
    return max(ends, key=seconds_of, default=None)
