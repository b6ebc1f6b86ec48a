"""What the API server itself does to an object on its way in: identity, times, generations,
finalizers and graceful deletion. Pure; admission does defaults and validation.

Source: apiserver pkg/registry/rest/{create,update,delete}.go and the strategies of each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from tidegate.model.apps import Deployment
from tidegate.model.conditions import seconds_of, timestamp
from tidegate.model.core import Namespace, NamespaceSpec, NamespaceStatus
from tidegate.model.errors import BadRequest, Cause, Conflict, Forbidden, Invalid
from tidegate.model.kinds import kind_of
from tidegate.model.meta import Object, touched
from tidegate.model.pods import Pod, PodStatus

T = TypeVar("T", bound=Object)

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
#: What keeps a deleted namespace until it is empty.
NAMESPACE_FINALIZER = "kubernetes"
#: As Kubernetes: these can't be deleted.
LASTING_NAMESPACES = ("default", "kube-system", "kube-public")
DEFAULT_GRACE_S = 30


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a caller asks for. None: not said. `propagation` None means Background."""

    uid: str | None = None
    version: str | None = None
    grace_s: int | None = None
    propagation: str | None = None

    def __post_init__(self) -> None:
        if self.propagation not in (None, "Background", "Foreground", "Orphan"):
            raise BadRequest(
                f'invalid propagationPolicy "{self.propagation}": '
                "it must be one of Background, Foreground, Orphan"
            )
        if self.grace_s is not None and self.grace_s < 0:
            raise BadRequest(f"gracePeriodSeconds is {self.grace_s}: it must not be negative")


def newborn(obj: T, *, uid: str, now_s: float) -> T:
    """An object as it enters: its own identity, no status yet, generation 1."""
    kind = kind_of(obj)
    meta = touched(
        obj.metadata,
        uid=uid,
        resource_version=None,
        self_link=None,
        creation_timestamp=timestamp(now_s),
        deletion_timestamp=None,
        deletion_grace_period_seconds=None,
        generation=1 if kind.has_spec else None,
    )
    changes: dict[str, Any] = {"metadata": meta}
    if kind.has_status:
        changes["status"] = None
    if isinstance(obj, Pod):
        changes["status"] = PodStatus(phase="Pending")
    if isinstance(obj, Namespace):
        changes["status"] = NamespaceStatus(phase="Active")
        changes["spec"] = NamespaceSpec(finalizers=(NAMESPACE_FINALIZER,))
    return msgspec.structs.replace(obj, **changes)


def revised(obj: T, old: T) -> T:
    """An object as it is after an update of metadata and spec: what only the server may change
    is as it was. Raises Invalid for a finalizer that comes after the deletion."""
    was = old.metadata
    if was.deletion_timestamp and set(obj.metadata.finalizers) - set(was.finalizers):
        why = "no new finalizers can be added if the object is being deleted"
        cause = Cause("FieldValueForbidden", f"Forbidden: {why}", "metadata.finalizers")
        raise Invalid(kind_of(obj).qualified, was.name, [cause])
    meta = touched(
        obj.metadata,
        uid=was.uid,
        resource_version=was.resource_version,
        self_link=None,
        generate_name=was.generate_name,
        creation_timestamp=was.creation_timestamp,
        deletion_timestamp=was.deletion_timestamp,
        deletion_grace_period_seconds=was.deletion_grace_period_seconds,
        generation=was.generation,
    )
    changes: dict[str, Any] = {"metadata": meta}
    if kind_of(obj).has_status:
        changes["status"] = getattr(old, "status", None)
    if isinstance(old, Namespace):  # only the garbage collector finalizes
        changes["spec"] = old.spec
    return msgspec.structs.replace(obj, **changes)


def with_status(obj: T, old: T) -> T:
    """The stored object with the status of another."""
    return msgspec.structs.replace(old, status=getattr(obj, "status", None))


def with_generation(obj: T, old: T) -> T:
    """One generation up exactly when the spec changed (a Deployment: its annotations as well)."""
    if not kind_of(obj).has_spec:
        return obj
    same = getattr(obj, "spec", None) == getattr(old, "spec", None)
    if isinstance(obj, Deployment):
        same = same and obj.metadata.annotations == old.metadata.annotations
    generation = (old.metadata.generation or 0) + (0 if same else 1)
    meta = touched(obj.metadata, generation=generation or None)
    return msgspec.structs.replace(obj, metadata=meta)


def check_same(obj: Object, old: Object) -> None:
    """Raises Conflict when the caller meant another object, or another state of it."""
    kind, said, has = kind_of(old), obj.metadata, old.metadata
    if said.uid and said.uid != has.uid:
        raise Conflict(kind.resource, has.name, _uid_differs(said.uid, has.uid))
    if said.resource_version and said.resource_version != has.resource_version:
        raise Conflict(kind.resource, has.name)


def check_preconditions(old: Object, asked: Deletion) -> None:
    """Raises Conflict when a delete was meant for another object or state."""
    kind, has = kind_of(old), old.metadata
    if asked.uid and asked.uid != has.uid:
        raise Conflict(kind.resource, has.name, _uid_differs(asked.uid, has.uid))
    if asked.version and asked.version != has.resource_version:
        raise Conflict(
            kind.resource,
            has.name,
            f"Precondition failed: ResourceVersion in precondition: {asked.version}, "
            f"ResourceVersion in object meta: {has.resource_version}",
        )


def marked(old: T, asked: Deletion, *, now_s: float) -> T | None:
    """The object as deletion leaves it, or None when it goes at once. Raises Forbidden."""
    meta = old.metadata
    if isinstance(old, Namespace) and meta.name in LASTING_NAMESPACES:
        raise Forbidden(
            f'namespaces "{meta.name}" is forbidden: this namespace may not be deleted',
            details={"name": meta.name, "kind": "namespaces"},
        )
    finalizers = _finalizers(meta.finalizers, asked.propagation)
    grace_s = _grace_s(old, asked)
    if meta.deletion_timestamp is None:
        until_s = now_s + grace_s
    else:  # asked again: the deadline may only come nearer
        was_s = meta.deletion_grace_period_seconds or 0
        grace_s = min(grace_s, was_s) if asked.grace_s is not None else was_s
        until_s = seconds_of(meta.deletion_timestamp) - was_s + grace_s
    if not finalizers and grace_s == 0 and not is_held(old):
        return None
    marked_meta = touched(
        meta,
        finalizers=finalizers,
        deletion_timestamp=timestamp(until_s),
        deletion_grace_period_seconds=grace_s,
    )
    changes: dict[str, Any] = {"metadata": marked_meta}
    if isinstance(old, Namespace):
        status = old.status or NamespaceStatus()
        changes["status"] = msgspec.structs.replace(status, phase="Terminating")
    return msgspec.structs.replace(old, **changes)


def is_over(obj: Object) -> bool:
    """Whether nothing keeps a deleted object any more."""
    meta = obj.metadata
    return (
        meta.deletion_timestamp is not None
        and not meta.finalizers
        and not meta.deletion_grace_period_seconds
        and not is_held(obj)
    )


def is_held(obj: Object) -> bool:
    """A namespace that may still have something in it."""
    return isinstance(obj, Namespace) and obj.spec is not None and bool(obj.spec.finalizers)


def _finalizers(has: tuple[str, ...], propagation: str | None) -> tuple[str, ...]:
    if propagation is None:
        return has
    kept = tuple(f for f in has if f not in (FOREGROUND, ORPHAN))
    extra = {"Foreground": (FOREGROUND,), "Orphan": (ORPHAN,)}.get(propagation, ())
    return kept + extra


def _grace_s(old: Object, asked: Deletion) -> int:
    """Only pods that were given to a node, and have not ended, end gracefully."""
    if not isinstance(old, Pod) or not old.spec.node_name:
        return 0
    if old.status is not None and old.status.phase in ("Succeeded", "Failed"):
        return 0
    if asked.grace_s is not None:
        return asked.grace_s
    own = old.spec.termination_grace_period_seconds
    return DEFAULT_GRACE_S if own is None else own


def _uid_differs(asked: str, has: str | None) -> str:
    return f"Precondition failed: UID in precondition: {asked}, UID in object meta: {has}"
