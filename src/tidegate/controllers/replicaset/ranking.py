"""Which pods of a ReplicaSet go first. Pure.

Source: kubernetes pkg/controller/controller_utils.go (`ActivePodsWithRanks`), with logarithmic
scale-down as it is on by default.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cmp_to_key
from math import floor, log2

from tidegate.model.conditions import find, is_true, seconds_of
from tidegate.model.pods import Pod

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_COST = re.compile(r"0|-?[1-9]\d*")
_COST_MOST = 2**31 - 1
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_NANOSECONDS = 1e9  # upstream compares ages by the logarithm of these


def victims(
    pods: Sequence[Pod], count: int, *, related: Sequence[Pod] = (), now_s: float
) -> list[Pod]:
    """The pods to delete, at most `count`.

    1. without a node; 2. pending; 3. not ready; 4. cheaper by annotation; 5. on nodes with more of the
    `related` pods (those of all ReplicaSets of one owner); 6. ready for a shorter time; 7. restarted
    more often; 8. younger. Times of one order of magnitude count as equal, so that it isn't always
    the youngest that goes; then the uid decides.
    """
    if count <= 0:
        return []
    on_node = Counter(pod.spec.node_name for pod in related or pods)

    def compare(a: Pod, b: Pod) -> int:
        plain_a, plain_b = _plain(a, on_node), _plain(b, on_node)
        if plain_a != plain_b:
            return -1 if plain_a < plain_b else 1
        if is_ready(a) and is_ready(b):
            by_ready = _by_age(_ready_since(a), _ready_since(b), a, b, now_s)
            if by_ready:
                return by_ready
        if _restarts(a) != _restarts(b):
            return -1 if _restarts(a) > _restarts(b) else 1
        return _by_age(_created(a), _created(b), a, b, now_s)

    return sorted(pods, key=cmp_to_key(compare))[:count]


def is_ready(pod: Pod) -> bool:
    return pod.status is not None and is_true(pod.status.conditions, "Ready")


def _plain(pod: Pod, on_node: Counter[str | None]) -> tuple[bool, int, bool, int, int]:
    """What is compared by value, in order; smaller goes first."""
    phase = (pod.status.phase if pod.status else None) or "Pending"
    return (
        bool(pod.spec.node_name),
        _PHASES.get(phase, 0),
        is_ready(pod),
        deletion_cost(pod),
        -on_node[pod.spec.node_name],
    )


def deletion_cost(pod: Pod) -> int:
    """What the pod says that its end costs; 0 where it says nothing, or no whole number."""
    text = pod.metadata.annotations.get(DELETION_COST, "0")
    if not _COST.fullmatch(text):
        return 0
    cost = int(text)
    return cost if -_COST_MOST - 1 <= cost <= _COST_MOST else 0


def _by_age(a_s: float | None, b_s: float | None, a: Pod, b: Pod, now_s: float) -> int:
    """-1: `a` goes first. A time that isn't known goes before all others."""
    if a_s == b_s:
        return 0
    if a_s is None or b_s is None:
        return -1 if a_s is None else 1
    difference = _magnitude(now_s - a_s) - _magnitude(now_s - b_s)
    if difference == 0:
        return -1 if (a.metadata.uid or "") < (b.metadata.uid or "") else 1
    return -1 if difference < 0 else 1


def _magnitude(age_s: float) -> int:
    return floor(log2(age_s * _NANOSECONDS)) if age_s > 0 else -1


def _ready_since(pod: Pod) -> float | None:
    ready = find(pod.status.conditions, "Ready") if pod.status else None
    when = ready.last_transition_time if ready is not None else None
    return seconds_of(when) if when else None


def _created(pod: Pod) -> float | None:
    when = pod.metadata.creation_timestamp
    return seconds_of(when) if when else None


def _restarts(pod: Pod) -> int:
    status = pod.status
    return (
        max((c.restart_count or 0 for c in status.container_statuses), default=0) if status else 0
    )
