"""What one revision's autoscaler did lately: its changes of mind and its cold starts.

Bounded, and kept in the PodAutoscaler's status, so that a restart, kubectl and `tidegate explain` read
the same (docs/decisions/0012). Times on the wire are wall times to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.pods import Pod
from tidegate.model.serving import ColdStart, PodAutoscalerStatus, ScaleDecision

DECISIONS = (
    60  # two minutes of a load that changes the count at every evaluation; days of a calm one
)
COLD_STARTS = 20
_STAGES = {
    "seen": "seen_s",
    "spawned": "spawned_s",
    "listening": "listening_s",
    "ready": "ready_s",
}


class History:
    """Owned by the autoscaler. `was` is the status that an earlier control plane left."""

    def __init__(self, clock: Clock, was: PodAutoscalerStatus | None) -> None:
        self._clock = clock
        self.decisions: tuple[ScaleDecision, ...] = was.decisions if was else ()
        self.cold_starts: tuple[ColdStart, ...] = was.cold_starts if was else ()
        self._given_up = False  # what the newest cold start waited for will not come

    # --- decisions

    def note(self, decision: ScaleDecision) -> bool:
        """Remember a decision unless it says what the last one said. Returns whether it was news;
        `time` is filled in here."""
        last = self.decisions[-1] if self.decisions else None
        if not decision.message:
            return (
                False  # just restarted, and nothing evaluated yet: what was said last still holds
            )
        if last is not None and _gist(last) == _gist(decision):
            return False
        stamped = msgspec.structs.replace(decision, time=micro(self._clock.now()))
        self.decisions = (*self.decisions[1 - DECISIONS :], stamped)
        self._given_up = decision.replicas == 0
        return True

    # --- cold starts

    @property
    def starting(self) -> bool:
        """The answer to the newest cold start has yet to begin."""
        return bool(self.cold_starts) and self.cold_starts[-1].first_byte_s is None

    def asked(self, at_s: float) -> None:
        """A request found no replica at that (monotonic) time."""
        last = self.cold_starts[-1] if self.cold_starts else None
        if last is not None and last.ready_s is None and not self._given_up:
            return  # the same start goes on
        self._given_up = False
        row = ColdStart(time=micro(self._wall(at_s)))
        self.cold_starts = (*self.cold_starts[1 - COLD_STARTS :], row)

    def reached(self, at_s: float, stage: str) -> None:
        """The newest cold start reached a stage (a field of `ColdStart`) at that time."""
        if not self.cold_starts or getattr(self.cold_starts[-1], stage) is not None:
            return
        self._amend({stage: self._since_asked(at_s)})

    def follow(self, pods: Iterable[Pod]) -> None:
        """Take the stages of the first pod that became ready."""
        if not self.cold_starts or self.cold_starts[-1].ready_s is not None:
            return
        ready = [
            pod
            for pod in pods
            if (at_s := _ready_s(pod)) is not None and self._since_asked(at_s) >= 0
        ]
        if not ready:
            return
        first = min(ready, key=lambda pod: _ready_s(pod) or 0.0)
        woken_s = _stages(first).get("woken")
        if woken_s is not None:
            at_s = self._since_asked(woken_s)
            self._amend({"pod": first.metadata.name, "woken_s": at_s, "ready_s": at_s})
            return
        times = {
            field: self._since_asked(at_s)
            for stage, field in _STAGES.items()
            if (at_s := _stages(first).get(stage)) is not None
        }
        self._amend({"pod": first.metadata.name, **times})

    def _amend(self, fields: Mapping[str, object]) -> None:
        row = msgspec.structs.replace(self.cold_starts[-1], **fields)
        self.cold_starts = (*self.cold_starts[:-1], row)

    def _since_asked(self, at_s: float) -> float:
        asked_s = datetime.fromisoformat(self.cold_starts[-1].time).timestamp()
        return round(self._wall(at_s) - asked_s, 4)

    def _wall(self, at_s: float) -> float:
        return self._clock.now() - (self._clock.monotonic() - at_s)


def micro(now_s: float) -> str:
    """RFC 3339 to the microsecond, as Kubernetes' MicroTime."""
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def cold_start_words(start: ColdStart) -> str:
    """One sentence: how long the request waited, and for what. Each stage counts from the one before."""
    stages = (
        ("decided", start.decided_s),
        ("scheduled", start.seen_s),
        ("process started", start.spawned_s),
        ("listening", start.listening_s),
        ("woken from standby", start.woken_s),
        ("probe passed", start.ready_s if start.woken_s is None else None),
        ("first byte", start.first_byte_s),
    )
    parts, last_s = [], 0.0
    for name, at_s in stages:
        if at_s is not None:
            parts.append(f"{name} +{max(0.0, at_s - last_s):.3f}")
            last_s = max(last_s, at_s)
    if not parts:
        return "A request waits for a replica."
    what = "answered" if start.first_byte_s is not None else "a replica was ready"
    if start.ready_s is None:
        what = "not ready yet"
    return f"A request found no replica; {what} after {last_s:.3f} s ({', '.join(parts)})."


def _ready_s(pod: Pod) -> float | None:
    """Since when it serves: it became ready, or was woken from standby. None: it doesn't yet."""
    if names.STANDBY in pod.metadata.labels:
        return None
    stages = _stages(pod)
    return stages.get("woken", stages.get("ready"))


def _gist(decision: ScaleDecision) -> tuple[object, ...]:
    return decision.replicas, decision.wanted, decision.rule


def _stages(pod: Pod) -> Mapping[str, float]:
    status = pod.status
    return status.tidegate.stages if status is not None and status.tidegate is not None else {}
