"""A Deployment's status: counts, and whether its rollout gets on. Pure.

Source: kubernetes pkg/controller/deployment/progress.go, sync.go (`calculateStatus`,
`checkPausedConditions`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.controllers.deployment.history import wanted, wish_of
from tidegate.model.apps import Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus
from tidegate.model.conditions import find, seconds_of, timestamp
from tidegate.model.meta import Condition

PROGRESSING = "Progressing"
_AVAILABLE = "NewReplicaSetAvailable"
_TIMED_OUT = "ProgressDeadlineExceeded"
_PAUSED = "DeploymentPaused"
_NO_DEADLINE_S = 2**31 - 1
_LATE_S = 1.0  # a deadline is looked at when it is over, and times are written in whole seconds

Conditions = tuple[Condition, ...]


def counted(
    deployment: Deployment, new: ReplicaSet | None, sets: Sequence[ReplicaSet], *, now_s: float
) -> DeploymentStatus:
    """The status with its counts and Available; the other conditions are as they were."""
    was = deployment.status or DeploymentStatus()
    seen = [rs.status or ReplicaSetStatus() for rs in sets]
    total = sum(s.replicas or 0 for s in seen)
    available = sum(s.available_replicas or 0 for s in seen)
    enough = available >= wanted(deployment) - wish_of(deployment).unavailable
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=total,
        updated_replicas=(new.status.replicas or 0) if new and new.status else 0,
        ready_replicas=sum(s.ready_replicas or 0 for s in seen),
        available_replicas=available,
        unavailable_replicas=max(0, total - available) or None,
        collision_count=was.collision_count,
        conditions=with_condition(was.conditions, _availability(enough=enough), now_s=now_s),
    )


def _availability(*, enough: bool) -> Condition:
    if enough:
        return Condition(
            type="Available",
            status="True",
            reason="MinimumReplicasAvailable",
            message="Deployment has minimum availability.",
        )
    return Condition(
        type="Available",
        status="False",
        reason="MinimumReplicasUnavailable",
        message="Deployment does not have minimum availability.",
    )


def with_condition(
    conditions: Conditions, fresh: Condition, *, now_s: float, renew: bool = False
) -> Conditions:
    """The conditions with this one. Same status and reason: it stays as it was, unless `renew`, which
    is for something that happened again. The transition time moves with the status only."""
    old = find(conditions, fresh.type)
    if old is not None and not renew and (old.status, old.reason) == (fresh.status, fresh.reason):
        return conditions
    now = timestamp(now_s)
    same = old is not None and old.status == fresh.status
    made = msgspec.structs.replace(
        fresh,
        last_update_time=now,
        last_transition_time=old.last_transition_time if same and old is not None else now,
    )
    others = [c for c in conditions if c.type != fresh.type]
    return tuple(sorted([*others, made], key=lambda c: c.type))


def without(conditions: Conditions, type_: str) -> Conditions:
    return tuple(c for c in conditions if c.type != type_)


def has_deadline(deployment: Deployment) -> bool:
    """Whether somebody wants to know of a rollout that stands still."""
    limit = deployment.spec.progress_deadline_seconds
    return limit is not None and limit != _NO_DEADLINE_S


def noting_pause(deployment: Deployment, conditions: Conditions, *, now_s: float) -> Conditions:
    """Being paused, and going on after it, are said so that the deadline doesn't count meanwhile."""
    known = find(conditions, PROGRESSING)
    if not has_deadline(deployment) or (known is not None and known.reason == _TIMED_OUT):
        return conditions
    was_paused = known is not None and known.reason == _PAUSED
    if deployment.spec.paused and not was_paused:
        said = _progress("Unknown", _PAUSED, "Deployment is paused")
    elif not deployment.spec.paused and was_paused:
        said = _progress("Unknown", "DeploymentResumed", "Deployment is resumed")
    else:
        return conditions
    return with_condition(conditions, said, now_s=now_s)


def _progress(status: str, reason: str, message: str) -> Condition:
    return Condition(type=PROGRESSING, status=status, reason=reason, message=message)


def made(name: str) -> Condition:
    """The rollout has begun with a new ReplicaSet."""
    return _progress("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')


def found(name: str) -> Condition:
    """The rollout has begun with a ReplicaSet that was there."""
    return _progress("True", "FoundNewReplicaSet", f'Found new replica set "{name}"')


def not_made(name: str, why: str) -> Condition:
    """The API doesn't take the new ReplicaSet."""
    message = f'Failed to create new replica set "{name}": {why}'
    return _progress("False", "ReplicaSetCreateError", message)


def with_progress(
    deployment: Deployment,
    status: DeploymentStatus,
    new: ReplicaSet | None,
    sets: Sequence[ReplicaSet],
    *,
    now_s: float,
) -> DeploymentStatus:
    """The status with how the rollout gets on. A rollout that is complete stays so while pods come and
    go, until there is another template."""
    conditions = status.conditions
    known = find(conditions, PROGRESSING)
    settled = (
        status.replicas == status.updated_replicas
        and known is not None
        and known.reason == _AVAILABLE
    )
    if not has_deadline(deployment):
        conditions = without(conditions, PROGRESSING)
    elif not settled:
        who = (
            f'ReplicaSet "{new.metadata.name}"'
            if new
            else (f'Deployment "{deployment.metadata.name}"')
        )
        if is_complete(deployment, status):
            said = _progress("True", _AVAILABLE, f"{who} has successfully progressed.")
            conditions = with_condition(conditions, said, now_s=now_s)
        elif _moved(deployment.status or DeploymentStatus(), status):
            said = _progress("True", "ReplicaSetUpdated", f"{who} is progressing.")
            conditions = with_condition(conditions, said, now_s=now_s, renew=True)
        elif _is_late(deployment, conditions, now_s=now_s):
            said = _progress("False", _TIMED_OUT, f"{who} has timed out progressing.")
            conditions = with_condition(conditions, said, now_s=now_s)
    failure = _failure(new, sets)
    if failure is None:
        conditions = without(conditions, "ReplicaFailure")
    else:
        conditions = with_condition(conditions, failure, now_s=now_s)
    return msgspec.structs.replace(status, conditions=conditions)


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """All pods are of the current template, and available."""
    counts = (status.updated_replicas, status.replicas, status.available_replicas)
    return all(count == wanted(deployment) for count in counts)


def _moved(was: DeploymentStatus, now: DeploymentStatus) -> bool:
    def grew(field: str) -> bool:
        return (getattr(now, field) or 0) > (getattr(was, field) or 0)

    def old(status: DeploymentStatus) -> int:
        return (status.replicas or 0) - (status.updated_replicas or 0)

    counts = ("updated_replicas", "ready_replicas", "available_replicas")
    return any(map(grew, counts)) or old(now) < old(was)


def _is_late(deployment: Deployment, conditions: Conditions, *, now_s: float) -> bool:
    known = find(conditions, PROGRESSING)
    if known is not None and known.reason == _TIMED_OUT:
        return True
    left_s = deadline_in_s(deployment, conditions, now_s=now_s)
    return left_s is not None and left_s <= 0


def deadline_in_s(deployment: Deployment, conditions: Conditions, *, now_s: float) -> float | None:
    """How long the rollout may still stand still; None: it is over, or nobody wants to know."""
    known = find(conditions, PROGRESSING)
    if not has_deadline(deployment) or known is None or known.last_update_time is None:
        return None
    if known.reason in (_AVAILABLE, _TIMED_OUT) or deployment.spec.paused:
        return None
    limit_s = float(deployment.spec.progress_deadline_seconds or 0)
    return seconds_of(known.last_update_time) + limit_s + _LATE_S - now_s


def _failure(new: ReplicaSet | None, sets: Sequence[ReplicaSet]) -> Condition | None:
    """What keeps pods from being made: the new set's word counts, then the others'."""
    for rs in (*([new] if new else []), *sets):
        said = find(rs.status.conditions, "ReplicaFailure") if rs.status else None
        if said is not None and said.status == "True":
            return Condition(
                type="ReplicaFailure", status="True", reason=said.reason, message=said.message
            )
    return None
