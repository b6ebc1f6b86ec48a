"""Which ReplicaSet is which revision of a Deployment. Pure.

Source: kubernetes pkg/controller/deployment/util/deployment_util.go, sync.go (`getNewReplicaSet`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import msgspec

from tidegate.controllers.deployment.rollout import Sized, Wish
from tidegate.model.apps import Deployment, ReplicaSet, ReplicaSetSpec
from tidegate.model.meta import LabelSelector, ObjectMeta, owner_reference
from tidegate.model.pods import PodTemplateSpec
from tidegate.model.wire import IntOrString, to_raw

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_FORMER = "deployment.kubernetes.io/revision-history"
_WANTED = "deployment.kubernetes.io/desired-replicas"
_MOST = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {
        REVISION,
        _FORMER,
        _WANTED,
        _MOST,
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
    }
)
_HISTORY = 10


def wanted(deployment: Deployment) -> int:
    """How many replicas it asks for."""
    return deployment.spec.replicas if deployment.spec.replicas is not None else 1


def replicas(rs: ReplicaSet) -> int:
    """How many replicas a set is asked for."""
    return rs.spec.replicas if rs.spec.replicas is not None else 1


def wish_of(deployment: Deployment) -> Wish:
    """The Deployment in pods. Surge is rounded up, unavailable down; both 0 would stand still, so one
    may be missing then."""
    strategy, count = deployment.spec.strategy, wanted(deployment)
    seen = (deployment.status.replicas or 0) if deployment.status else 0
    if strategy is not None and strategy.type == "Recreate":
        return Wish(count, recreate=True, replicas_seen=seen)
    rolling = strategy.rolling_update if strategy else None
    surge = _share(rolling.max_surge if rolling else None, count, up=True)
    missing = _share(rolling.max_unavailable if rolling else None, count, up=False)
    if surge == 0 and missing == 0:
        missing = 1
    return Wish(count, surge=surge, unavailable=min(missing, count), replicas_seen=seen)


def _share(value: IntOrString | None, whole: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    percent = int((value or "25%").rstrip("%"))
    return ceil(whole * percent / 100) if up else floor(whole * percent / 100)


def sized(rs: ReplicaSet) -> Sized:
    """A ReplicaSet as sizes are planned."""
    meta = rs.metadata
    return Sized(
        name=meta.name,
        replicas=replicas(rs),
        available=(rs.status.available_replicas or 0) if rs.status else 0,
        created=(meta.creation_timestamp or "", meta.name),
        noted_wanted=_int(meta.annotations.get(_WANTED)),
        noted_most=_int(meta.annotations.get(_MOST)),
    )


def number(rs: ReplicaSet) -> int:
    """The revision that a set is; 0: it has none."""
    return _int(rs.metadata.annotations.get(REVISION)) or 0


def _int(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def find_new(deployment: Deployment, sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The set of the Deployment's current template: the oldest, should there be several."""
    wanted_one = deployment.spec.template
    same = [rs for rs in sets if template_of(rs) == wanted_one]
    if not same:
        text = _text(wanted_one)
        same = [rs for rs in sets if _text(template_of(rs)) == text]
    return min(same, key=_age, default=None)


def _text(template: PodTemplateSpec) -> bytes:
    """A template with what is empty left out: clients write `resources: {}` and the like back, where
    nothing was."""
    return msgspec.json.encode(_without_empty(to_raw(template)), order="deterministic")


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in ({}, [], (), None)}
    if isinstance(value, list | tuple):
        return [_without_empty(inner) for inner in value]
    return value


def _age(rs: ReplicaSet) -> tuple[str, str]:
    return rs.metadata.creation_timestamp or "", rs.metadata.name


def template_of(rs: ReplicaSet) -> PodTemplateSpec:
    """The template as the Deployment gave it, without our hash label."""
    template = rs.spec.template
    given = template.metadata or ObjectMeta()
    labels = {k: v for k, v in given.labels.items() if k != HASH}
    return msgspec.structs.replace(template, metadata=msgspec.structs.replace(given, labels=labels))


def desired_set(deployment: Deployment, size: int, revision: int, collisions: int) -> ReplicaSet:
    """The set of the current template; its name carries the template's hash, and another one for each
    of `collisions`, names that were somebody else's."""
    meta, spec = deployment.metadata, deployment.spec
    mark = _hash(spec.template, collisions)
    given = spec.template.metadata or ObjectMeta()
    labels = {**given.labels, HASH: mark}
    wish = wish_of(deployment)
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{meta.name}-{mark}",
            namespace=meta.namespace,
            labels=labels,
            annotations={
                **_copied(deployment),
                REVISION: str(revision),
                _WANTED: str(wish.replicas),
                _MOST: str(wish.most),
            },
            owner_references=(owner_reference("Deployment", "apps/v1", meta),),
        ),
        spec=ReplicaSetSpec(
            replicas=size,
            min_ready_seconds=spec.min_ready_seconds,
            selector=LabelSelector(
                match_labels={**spec.selector.match_labels, HASH: mark},
                match_expressions=spec.selector.match_expressions,
            ),
            template=msgspec.structs.replace(
                spec.template, metadata=msgspec.structs.replace(given, labels=labels)
            ),
        ),
    )


def _hash(template: PodTemplateSpec, collisions: int) -> str:
    more = str(collisions).encode() if collisions else b""
    return hashlib.sha256(_text(template) + more).hexdigest()[:10]


def _copied(deployment: Deployment) -> dict[str, str]:
    """A Deployment's annotations, such as the cause of a change, belong to the revision as well."""
    given = deployment.metadata.annotations
    return {key: value for key, value in given.items() if key not in _NOT_COPIED}


def brought_in_line(deployment: Deployment, rs: ReplicaSet, revision: int) -> ReplicaSet:
    """The current set with the newest revision number; the ones that it had are kept beside."""
    annotations = {**rs.metadata.annotations, **_copied(deployment)}
    was = number(rs)
    if was < revision:
        annotations[REVISION] = str(revision)
        if was:
            former = annotations.get(_FORMER)
            annotations[_FORMER] = f"{former},{was}" if former else str(was)
    return msgspec.structs.replace(
        rs,
        metadata=msgspec.structs.replace(rs.metadata, annotations=annotations),
        spec=msgspec.structs.replace(rs.spec, min_ready_seconds=deployment.spec.min_ready_seconds),
    )


def resized(rs: ReplicaSet, size: int, wish: Wish) -> ReplicaSet:
    """The set with another size, and what the Deployment wished then."""
    noted = {_WANTED: str(wish.replicas), _MOST: str(wish.most)}
    return msgspec.structs.replace(
        rs,
        metadata=msgspec.structs.replace(
            rs.metadata, annotations={**rs.metadata.annotations, **noted}
        ),
        spec=msgspec.structs.replace(rs.spec, replicas=size),
    )


def obsolete(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Old, empty sets beyond the history limit, the oldest revisions first."""
    limit = deployment.spec.revision_history_limit
    empty = [rs for rs in sorted(old, key=number) if _is_empty(rs)]
    return empty[: max(0, len(empty) - (_HISTORY if limit is None else limit))]


def _is_empty(rs: ReplicaSet) -> bool:
    status = rs.status
    observed = (status.observed_generation or 0) if status else 0
    return (
        replicas(rs) == 0
        and not (status and status.replicas)
        and observed >= (rs.metadata.generation or 0)
        and rs.metadata.deletion_timestamp is None
    )
