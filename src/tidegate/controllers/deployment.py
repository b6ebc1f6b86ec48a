"""Deployment: moves pods from one ReplicaSet to the next without dropping below what it promised.

Source: kubernetes pkg/controller/deployment (rolling.go, recreate.go, sync.go), reference sheet
kubernetes-api.md. Left out for now: proportional scaling of a paused or half-done rollout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import msgspec

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.apps import (
    Deployment,
    DeploymentStatus,
    ReplicaSet,
    ReplicaSetSpec,
    ReplicaSetStatus,
)
from tidegate.model.conditions import find, merged, seconds_of, timestamp
from tidegate.model.core import Pod, PodTemplateSpec
from tidegate.model.kinds import encode_stored
from tidegate.model.meta import Condition, Key, LabelSelector, ObjectMeta, owner_reference
from tidegate.model.wire import IntOrString
from tidegate.reconcile import Again, Done, Next, Watch, watch_owned, watch_self
from tidegate.reconcile.adopt import adopt
from tidegate.reconcile.apply import write_status

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True)
class Scale:
    """Set a ReplicaSet (by name) to so many replicas."""

    name: str
    replicas: int


class DeploymentController:
    """Owns its ReplicaSets and their replica counts."""

    name = "deployment"
    watches: Sequence[Watch] = (watch_self(Deployment), watch_owned(ReplicaSet, "Deployment"))

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._events = EventRecorder(api, clock, "deployment-controller")

    async def reconcile(self, key: Key) -> Next:
        deployment = self._api.get(Deployment, *key)
        if deployment is None or deployment.metadata.deletion_timestamp:
            return Done()
        if deployment.status is None:
            await adopt(self._api, deployment, ReplicaSet, deployment.spec.selector)
        newest = await self._newest(deployment)
        owned = self._owned(deployment)
        pods_left = self._pods_of_old(deployment, owned, newest)
        for step in plan_scales(deployment, newest.metadata.name, owned, pods_left=pods_left):
            await self._scale(deployment, owned, step)
        for name in plan_cleanup(deployment, newest.metadata.name, owned):
            await self._api.delete(ReplicaSet, key.namespace, name)
        owned = self._owned(deployment)
        status, wait_s = plan_status(
            deployment, newest.metadata.name, owned, now_s=self._clock.now()
        )
        await write_status(self._api, deployment, status)
        return Again(wait_s) if wait_s is not None else Done()

    def _owned(self, deployment: Deployment) -> list[ReplicaSet]:
        meta = deployment.metadata
        return list(self._api.list(ReplicaSet, meta.namespace, owner_uid=meta.uid))

    def _pods_of_old(
        self, deployment: Deployment, owned: Sequence[ReplicaSet], newest: ReplicaSet
    ) -> bool:
        """Whether pods of older ReplicaSets still exist, also those that are going (Recreate)."""
        return any(
            self._api.list(Pod, deployment.metadata.namespace, owner_uid=rs.metadata.uid)
            for rs in owned
            if rs.metadata.name != newest.metadata.name
        )

    async def _newest(self, deployment: Deployment) -> ReplicaSet:
        owned = self._owned(deployment)
        number = 1 + max((_number(rs) for rs in owned), default=0)
        for rs in owned:
            if _template_of(rs) == deployment.spec.template:
                if _number(rs) == number - 1:
                    return rs
                again = {**rs.metadata.annotations, REVISION: str(number)}
                meta = msgspec.structs.replace(rs.metadata, annotations=again)
                return await self._api.update(msgspec.structs.replace(rs, metadata=meta))
        replicas = _wanted(deployment) if not owned else 0
        return await self._api.create(desired_replica_set(deployment, number, replicas))

    async def _scale(
        self, deployment: Deployment, owned: Sequence[ReplicaSet], step: Scale
    ) -> None:
        current = next(rs for rs in owned if rs.metadata.name == step.name)
        was = _replicas(current)
        if was == step.replicas:
            return
        spec = msgspec.structs.replace(current.spec, replicas=step.replicas)
        await self._api.update(msgspec.structs.replace(current, spec=spec))
        verb = "up" if step.replicas > was else "down"
        await self._events.emit(
            deployment,
            NORMAL,
            "ScalingReplicaSet",
            f"Scaled {verb} replica set {step.name} from {was} to {step.replicas}",
        )


def desired_replica_set(deployment: Deployment, number: int, replicas: int) -> ReplicaSet:
    """The ReplicaSet of the Deployment's current template. Its name carries the template's hash."""
    meta = deployment.metadata
    template = deployment.spec.template
    mark = hashlib.sha256(encode_template(template)).hexdigest()[:10]
    given = template.metadata or ObjectMeta()
    labels = {**given.labels, HASH: mark}
    selector = deployment.spec.selector
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{meta.name}-{mark}",
            namespace=meta.namespace,
            labels=labels,
            annotations={REVISION: str(number)},
            owner_references=(owner_reference("Deployment", "apps/v1", meta),),
        ),
        spec=ReplicaSetSpec(
            replicas=replicas,
            min_ready_seconds=deployment.spec.min_ready_seconds,
            selector=LabelSelector(
                match_labels={**selector.match_labels, HASH: mark},
                match_expressions=selector.match_expressions,
            ),
            template=msgspec.structs.replace(
                template, metadata=msgspec.structs.replace(given, labels=labels)
            ),
        ),
    )


def encode_template(template: PodTemplateSpec) -> bytes:
    """Stable bytes of a template."""
    return encode_stored(Pod(metadata=template.metadata or ObjectMeta(), spec=template.spec))


def _template_of(rs: ReplicaSet) -> PodTemplateSpec:
    """The template as the Deployment gave it, without our hash label."""
    template = rs.spec.template
    given = template.metadata or ObjectMeta()
    labels = {k: v for k, v in given.labels.items() if k != HASH}
    return msgspec.structs.replace(template, metadata=msgspec.structs.replace(given, labels=labels))


def _number(rs: ReplicaSet) -> int:
    text = rs.metadata.annotations.get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def _replicas(rs: ReplicaSet) -> int:
    return rs.spec.replicas if rs.spec.replicas is not None else 1


def _available(rs: ReplicaSet) -> int:
    return (rs.status.available_replicas or 0) if rs.status else 0


def _wanted(deployment: Deployment) -> int:
    return deployment.spec.replicas if deployment.spec.replicas is not None else 1


def bounds(deployment: Deployment) -> tuple[int, int]:
    """(max surge, max unavailable) in pods. Both 0 would stand still, so the latter becomes 1."""
    rolling = deployment.spec.strategy.rolling_update if deployment.spec.strategy else None
    wanted = _wanted(deployment)
    surge = _share(rolling.max_surge if rolling else None, wanted, up=True)
    unavailable = _share(rolling.max_unavailable if rolling else None, wanted, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, wanted)


def _share(value: IntOrString | None, whole: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    percent = float((value or "25%").rstrip("%"))
    part = whole * percent / 100
    return ceil(part) if up else floor(part)


def plan_scales(
    deployment: Deployment, newest: str, owned: Sequence[ReplicaSet], *, pods_left: bool
) -> list[Scale]:
    """What each ReplicaSet is set to now.

    1. one that is already all: just the count; 2. paused: nothing moves; 3. Recreate: old to zero,
    then, when their pods are gone, the new one; 4. rolling: the new one grows into the surge, old
    ones lose what isn't available, then as many as the available ones allow.
    """
    wanted = _wanted(deployment)
    new = next(rs for rs in owned if rs.metadata.name == newest)
    old = [rs for rs in owned if rs.metadata.name != newest and _replicas(rs) > 0]
    if not old and not (_is_recreate(deployment) and pods_left):
        return [Scale(newest, wanted)]
    if deployment.spec.paused:
        return []
    if _is_recreate(deployment):
        return [Scale(rs.metadata.name, 0) for rs in old]
    surge, unavailable = bounds(deployment)
    total = sum(_replicas(rs) for rs in owned)
    room = max(0, wanted + surge - total)
    grown = min(wanted, _replicas(new) + room) if _replicas(new) < wanted else wanted
    steps = [Scale(newest, grown)]
    new_unavailable = grown - _available(new)
    budget = (total - _replicas(new) + grown) - (wanted - unavailable) - max(0, new_unavailable)
    return steps + _shrink(sorted(old, key=_number), budget)


def _shrink(old: Sequence[ReplicaSet], budget: int) -> list[Scale]:
    left = {rs.metadata.name: _replicas(rs) for rs in old}
    for only_broken in (True, False):
        for rs in old:
            name = rs.metadata.name
            spare = left[name] - _available(rs) if only_broken else left[name]
            cut = max(0, min(spare, budget))
            left[name] -= cut
            budget -= cut
    return [Scale(name, count) for name, count in left.items()]


def _is_recreate(deployment: Deployment) -> bool:
    strategy = deployment.spec.strategy
    return strategy is not None and strategy.type == "Recreate"


def plan_cleanup(deployment: Deployment, newest: str, owned: Sequence[ReplicaSet]) -> list[str]:
    """Old, empty ReplicaSets beyond the history limit, oldest first."""
    limit = deployment.spec.revision_history_limit
    old = [
        rs
        for rs in sorted(owned, key=_number)
        if rs.metadata.name != newest
        and _replicas(rs) == 0
        and not (rs.status and rs.status.replicas)
        and not rs.metadata.deletion_timestamp
    ]
    keep = 10 if limit is None else limit
    return [rs.metadata.name for rs in old[: max(0, len(old) - keep)]]


def plan_status(
    deployment: Deployment, newest: str, owned: Sequence[ReplicaSet], *, now_s: float
) -> tuple[DeploymentStatus, float | None]:
    """The whole status, and when the progress deadline has to be looked at again."""
    was = deployment.status or DeploymentStatus()
    wanted = _wanted(deployment)
    new = next((rs for rs in owned if rs.metadata.name == newest), None)
    seen = [rs.status or ReplicaSetStatus() for rs in owned]
    updated = (new.status.replicas or 0) if new and new.status else 0
    total = sum(s.replicas or 0 for s in seen)
    ready = sum(s.ready_replicas or 0 for s in seen)
    available = sum(s.available_replicas or 0 for s in seen)
    _, unavailable = bounds(deployment)
    enough = available >= wanted - unavailable
    complete = updated == wanted == total == available
    moved = (updated, ready, available) != (
        was.updated_replicas or 0,
        was.ready_replicas or 0,
        was.available_replicas or 0,
    )
    progressing, wait_s = _progressing(
        deployment, newest, complete=complete, moved=moved, now_s=now_s
    )
    failures = [
        c for s in seen for c in s.conditions if c.type == "ReplicaFailure" and c.status == "True"
    ]
    conditions = (_availability(was, enough=enough, now_s=now_s), progressing, *failures[:1])
    status = DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=total,
        updated_replicas=updated,
        ready_replicas=ready,
        available_replicas=available,
        unavailable_replicas=max(0, wanted - available) or None,
        conditions=merged(was.conditions, conditions, now_s=now_s),
    )
    return status, wait_s


def _availability(was: DeploymentStatus, *, enough: bool, now_s: float) -> Condition:
    if enough:
        fresh = Condition(
            type="Available",
            status="True",
            reason="MinimumReplicasAvailable",
            message="Deployment has minimum availability.",
        )
    else:
        fresh = Condition(
            type="Available",
            status="False",
            reason="MinimumReplicasUnavailable",
            message="Deployment does not have minimum availability.",
        )
    old = find(was.conditions, "Available")
    same = old is not None and old.status == fresh.status
    when = old.last_update_time if same and old is not None else timestamp(now_s)
    return msgspec.structs.replace(fresh, last_update_time=when)


def _progressing(
    deployment: Deployment, newest: str, *, complete: bool, moved: bool, now_s: float
) -> tuple[Condition, float | None]:
    """The Progressing condition; `lastUpdateTime` is when something last moved, and the deadline
    counts from there."""
    was = find((deployment.status or DeploymentStatus()).conditions, "Progressing")
    if complete:
        message = f'ReplicaSet "{newest}" has successfully progressed.'
        fresh = Condition(
            type="Progressing", status="True", reason="NewReplicaSetAvailable", message=message
        )
        same = was is not None and (was.reason, was.message) == (fresh.reason, fresh.message)
        when = was.last_update_time if same and was is not None else timestamp(now_s)
        return msgspec.structs.replace(fresh, last_update_time=when), None
    finished = was is not None and was.reason == "NewReplicaSetAvailable"
    if (
        was is None
        or was.last_update_time is None
        or moved
        or (finished and newest not in (was.message or ""))
    ):
        message = f'ReplicaSet "{newest}" is progressing.'
        return (
            Condition(
                type="Progressing",
                status="True",
                reason="ReplicaSetUpdated",
                message=message,
                last_update_time=timestamp(now_s),
            ),
            float(deployment.spec.progress_deadline_seconds or 600),
        )
    if finished:
        return was, None  # scaled since: a finished rollout doesn't fail its deadline
    deadline_s = float(deployment.spec.progress_deadline_seconds or 600)
    left_s = seconds_of(was.last_update_time) + deadline_s - now_s
    if left_s > 0:
        return was, left_s
    return (
        Condition(
            type="Progressing",
            status="False",
            reason="ProgressDeadlineExceeded",
            message=f'ReplicaSet "{newest}" has timed out progressing.',
            last_update_time=was.last_update_time,
        ),
        None,
    )
