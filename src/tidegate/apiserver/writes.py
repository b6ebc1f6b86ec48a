"""Every write, whoever it comes from: checked against the latest state, admitted, stored.

The HTTP server and the in-process `LocalApi` are two faces of this. Each method decides without
an `await` between looking and submitting, so that no two writes can pass each other.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from tidegate.apiserver import lifecycle
from tidegate.apiserver.lifecycle import Deletion
from tidegate.kit.clock import Clock
from tidegate.model.core import Namespace
from tidegate.model.errors import AlreadyExists, BadRequest, Cause, Forbidden, Invalid, NotFound
from tidegate.model.kinds import kind_of
from tidegate.model.meta import Object, touched
from tidegate.store import Store

T = TypeVar("T", bound=Object)
O_co = TypeVar("O_co", bound=Object, covariant=True)
#: `metadata.managedFields` of an object about to be stored, from it and the one before (None: it is
#: new). Writes of controllers come without one: they leave the managers as they are.
Manage = Callable[[Object, Object | None], Any]

#: No vowels and no look-alikes: no words, no misreadings. As Kubernetes' `rand.String`.
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH, _LONGEST_PREFIX, _NAME_TRIES = 5, 58, 8


class AdmittedObject(Protocol):
    @property
    def object(self) -> Object: ...
    @property
    def warnings(self) -> Sequence[str]: ...


class Admits(Protocol):
    """Defaults and validation: `apiserver.admission`."""

    def admit(
        self, obj: Object, old: Object | None, *, user: str, status: bool = False
    ) -> AdmittedObject:
        """The object as it may be stored, and what its author should know. Raises ApiError."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """`durable`: this caller's writes survive a power cut once acknowledged. People's do; what
    controllers write can be worked out again."""

    user: str
    durable: bool


@dataclass(frozen=True, slots=True)
class Written(Generic[O_co]):
    """`changed` False: what was written was there already. `gone`: the write removed the object."""

    object: O_co
    warnings: Sequence[str] = ()
    changed: bool = True
    gone: bool = False


class Writes:
    """Create, update, delete. All raise `model.errors.ApiError`s."""

    def __init__(
        self,
        store: Store,
        admission: Admits,
        clock: Clock,
        *,
        new_uid: Callable[[], str] = lambda: str(uuid.uuid4()),
        suffixes: random.Random | None = None,
    ) -> None:
        self.store = store
        self._admission, self._clock, self._new_uid = admission, clock, new_uid
        self._suffixes = suffixes or random.Random()

    async def create(
        self, obj: T, caller: Caller, *, dry_run: bool = False, manage: Manage | None = None
    ) -> Written[T]:
        """A new object. With `dry_run` everything is done but the storing."""
        if obj.metadata.resource_version:
            raise BadRequest("resourceVersion should not be set on objects to be created")
        self._check_namespace(obj)
        named = self._named(obj)
        new = lifecycle.newborn(named, uid=self._new_uid(), now_s=self._clock.now())
        admitted = self._admission.admit(new, None, user=caller.user)
        new = _same_type(admitted.object, new)
        if self._latest(new) is not None:
            raise AlreadyExists(kind_of(new).resource, new.metadata.name)
        new = _managed(new, None, manage)
        if not dry_run:
            new = await self.store.put(new, durable=caller.durable)
        return Written(new, admitted.warnings)

    async def update(
        self,
        obj: T,
        caller: Caller,
        *,
        status: bool = False,
        dry_run: bool = False,
        manage: Manage | None = None,
    ) -> Written[T]:
        """Metadata and spec, or with `status` the status only."""
        old = self._existing(type(obj), obj.metadata.namespace or "", obj.metadata.name)
        lifecycle.check_same(obj, old)
        new = lifecycle.with_status(obj, old) if status else lifecycle.revised(obj, old)
        admitted = self._admission.admit(new, old, user=caller.user, status=status)
        new = _same_type(admitted.object, new)
        if not status:
            new = lifecycle.with_generation(new, old)
        new = _managed(new, old, manage)
        if new == old:
            await self.store.settled(old)
            return Written(old, admitted.warnings, changed=False)
        return await self._replace(new, caller, admitted.warnings, dry_run=dry_run)

    async def delete(
        self,
        type_: type[T],
        namespace: str,
        name: str,
        caller: Caller,
        *,
        asked: Deletion = Deletion(),  # noqa: B008 - frozen
        dry_run: bool = False,
    ) -> Written[T]:
        """Remove an object, or mark it as going away."""
        old = self._existing(type_, namespace, name)
        lifecycle.check_preconditions(old, asked)
        new = lifecycle.marked(old, asked, now_s=self._clock.now())
        if new == old:
            await self.store.settled(old)
            return Written(old, changed=False)
        if new is not None:
            return await self._replace(new, caller, dry_run=dry_run)
        return await self._remove(old, caller, dry_run=dry_run)

    async def finalize(self, namespace: Namespace, caller: Caller) -> None:
        """Let go of a namespace that is empty. For the garbage collector only."""
        old = self._existing(Namespace, "", namespace.metadata.name)
        lifecycle.check_same(namespace, old)
        spec = msgspec.structs.replace(old.spec, finalizers=()) if old.spec else None
        await self._replace(msgspec.structs.replace(old, spec=spec), caller)

    async def _replace(
        self, new: T, caller: Caller, warnings: Sequence[str] = (), *, dry_run: bool = False
    ) -> Written[T]:
        if lifecycle.is_over(new):
            return await self._remove(new, caller, warnings, dry_run=dry_run)
        if not dry_run:
            new = await self.store.put(new, durable=caller.durable)
        return Written(new, warnings)

    async def _remove(
        self, obj: T, caller: Caller, warnings: Sequence[str] = (), *, dry_run: bool = False
    ) -> Written[T]:
        if not dry_run:
            obj = await self.store.remove(obj, durable=caller.durable)
        return Written(obj, warnings, gone=True)

    def _latest(self, obj: T) -> T | None:
        return self.store.latest(type(obj), obj.metadata.namespace or "", obj.metadata.name)

    def _existing(self, type_: type[T], namespace: str, name: str) -> T:
        found = self.store.latest(type_, namespace, name)
        if found is None:
            raise NotFound(kind_of(type_).resource, name)
        return found

    def _check_namespace(self, obj: Object) -> None:
        kind, meta = kind_of(obj), obj.metadata
        if not kind.namespaced:
            if meta.namespace:
                raise BadRequest(
                    "the namespace of the provided object does not match the namespace "
                    "sent on the request"
                )
            return
        if not meta.namespace:
            raise BadRequest("an empty namespace may not be set during creation")
        home = self.store.latest(Namespace, "", meta.namespace)
        if home is None:
            raise NotFound("namespaces", meta.namespace)
        if home.metadata.deletion_timestamp:
            raise Forbidden(
                f'{kind.resource} "{meta.name or meta.generate_name}" is forbidden: unable to '
                f"create new content in namespace {meta.namespace} because it is being terminated",
                details={"name": meta.name, "kind": kind.plural, "group": kind.group},
            )

    def _named(self, obj: T) -> T:
        """The object with a name of its own, made from `generateName` if it has none."""
        meta = obj.metadata
        if meta.name:
            return obj
        if not meta.generate_name:
            why = "Required value: name or generateName is required"
            cause = Cause("FieldValueRequired", why, "metadata.name")
            raise Invalid(kind_of(obj).qualified, "", [cause])
        prefix = meta.generate_name[:_LONGEST_PREFIX]
        for _ in range(_NAME_TRIES):
            suffix = "".join(self._suffixes.choices(SUFFIX_LETTERS, k=_SUFFIX_LENGTH))
            named = msgspec.structs.replace(obj, metadata=touched(meta, name=prefix + suffix))
            if self._latest(named) is None:
                return named
        raise AlreadyExists(kind_of(obj).resource, meta.generate_name)


def _same_type(admitted: Object, sent: T) -> T:
    assert type(admitted) is type(sent), "admission must not change an object's kind"
    return admitted


def _managed(new: T, old: T | None, manage: Manage | None) -> T:
    if manage is not None:
        fields = manage(new, old)
    else:
        fields = None if old is None else old.metadata.managed_fields
    if fields == new.metadata.managed_fields:
        return new
    return msgspec.structs.replace(new, metadata=touched(new.metadata, managed_fields=fields))
