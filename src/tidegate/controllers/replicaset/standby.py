"""Pods at rest beside a ReplicaSet's replicas: which to wake, to make, to end. Pure.

A pod at rest carries the label `tidegate.dev/standby` and is no replica: it isn't ready, nothing is
routed to it, no status counts it. Waking takes the label off, and it is a replica.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.controllers.replicaset.ranking import is_ready
from tidegate.model import serving_names as names
from tidegate.model.conditions import find
from tidegate.model.pods import Pod
from tidegate.policy.standby import Standby


@dataclass(frozen=True, slots=True)
class Moves:
    """`wake` become replicas; `rest` are replicas too many that are loaded and go to rest; `make` are new
    pods at rest; `end` are those at rest too many."""

    wake: tuple[Pod, ...] = ()
    rest: tuple[Pod, ...] = ()
    make: int = 0
    end: tuple[Pod, ...] = ()


def is_standby(pod: Pod) -> bool:
    return names.STANDBY in pod.metadata.labels


def plan_standby(
    standby: Standby, *, wanted: int, replicas: Sequence[Pod], resting: Sequence[Pod]
) -> Moves:
    """`replicas` in the order in which they would go, `resting` are the pods with the label.

    Those that have loaded wake first. A pod of another level than is asked for by now is replaced. A
    replica that isn't wanted any more goes to rest rather than away, if one is to be kept: what it
    has loaded need not be loaded again."""
    level = standby.level.value
    order = sorted(resting, key=lambda p: (not has_loaded(p), p.metadata.labels[names.STANDBY]))
    wake = order[: max(0, wanted - len(replicas))]
    left = order[len(wake) :]
    same = [pod for pod in left if pod.metadata.labels[names.STANDBY] == level]
    kept = standby.kept(wanted)
    surplus = [pod for pod in replicas[: max(0, len(replicas) - wanted)] if is_ready(pod)]
    keep = same[:kept]
    rest = surplus[: kept - len(keep)]
    end = [pod for pod in left if pod not in keep]
    return Moves(tuple(wake), tuple(rest), kept - len(keep) - len(rest), tuple(end))


def has_loaded(pod: Pod) -> bool:
    """At rest, or ready already."""
    ready = find(pod.status.conditions, "Ready") if pod.status else None
    return is_ready(pod) or (ready is not None and ready.reason == names.RESTING)
