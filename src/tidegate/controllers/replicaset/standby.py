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
from tidegate.model.core import Pod
from tidegate.policy.standby import Level, Standby


@dataclass(frozen=True, slots=True)
class Moves:
    """`wake` become replicas; `make` are new pods at rest; `end` are those at rest too many."""

    wake: tuple[Pod, ...] = ()
    make: int = 0
    end: tuple[Pod, ...] = ()


def is_standby(pod: Pod) -> bool:
    return names.STANDBY in pod.metadata.labels


def plan_standby(standby: Standby, *, wanted: int, replicas: int, resting: Sequence[Pod]) -> Moves:
    """`resting` are the pods with the label. The ones that have loaded wake first. A pod of another
    level than is asked for by now is replaced."""
    level = standby.level.value
    order = sorted(resting, key=lambda p: (not has_loaded(p), p.metadata.labels[names.STANDBY]))
    wake = order[: max(0, wanted - replicas)]
    rest = order[len(wake) :]
    same = [pod for pod in rest if pod.metadata.labels[names.STANDBY] == level]
    kept = standby.kept(wanted) if standby.level is not Level.NONE else 0
    keep = same[:kept]
    end = [pod for pod in rest if pod not in keep]
    return Moves(tuple(wake), max(0, kept - len(keep)), tuple(end))


def has_loaded(pod: Pod) -> bool:
    """At rest, or ready already."""
    ready = find(pod.status.conditions, "Ready") if pod.status else None
    return is_ready(pod) or (ready is not None and ready.reason == names.RESTING)
