"""The garbage collector: what no owner wants any more goes, and namespaces are emptied.

Level-triggered: it looks at objects as they are, not at what happened to them. Changes only say
where to look; now and then, and after every failure, it looks everywhere.

Source: kubernetes pkg/controller/garbagecollector, pkg/controller/namespace. An owner counts if an
object with its uid exists in the dependent's namespace, or outside all namespaces.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from tidegate.apiserver.lifecycle import FOREGROUND, ORPHAN, Deletion, is_held
from tidegate.apiserver.writes import Caller, Writes
from tidegate.kit.clock import Clock
from tidegate.model.changes import ChangeType
from tidegate.model.core import Namespace
from tidegate.model.errors import ApiError, Conflict, NotFound
from tidegate.model.kinds import KINDS
from tidegate.model.meta import Object, ObjectMeta, touched
from tidegate.store import Logged

#: How often everything is looked at, whether or not something changed.
SWEEP_EVERY_S = 60.0
#: After a write was refused (a full disk).
RETRY_AFTER_S = 2.0
_LOOK_AGAIN_S = 0.005

_log = logging.getLogger(__name__)


class GarbageCollector:
    """Run one for the whole API, in a task of its own."""

    def __init__(self, writes: Writes, clock: Clock) -> None:
        self._writes, self._store, self._clock = writes, writes.store, clock
        self._caller = Caller("system:garbage-collector", durable=False)
        self._suspects: OrderedDict[str, None] = OrderedDict()  # uids, in the order they came up
        self._more = asyncio.Event()

    async def run(self) -> None:
        """Collect until cancelled."""
        stop = self._store.subscribe([kind.type for kind in KINDS], self._on_change)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sweep())
                while True:
                    await self._more.wait()
                    self._more.clear()
                    await self._work()
        finally:
            stop()

    async def _sweep(self) -> None:
        while True:
            for kind in KINDS:
                for obj in self._store.list(kind.type):
                    if self._is_suspect(obj):
                        self._suspect(obj)
            await self._clock.sleep(SWEEP_EVERY_S)

    def _on_change(self, logged: Logged) -> None:
        obj = logged.change.object
        if logged.change.type is ChangeType.DELETED:
            for dependent in self._store.owned_by(obj.metadata.uid or ""):
                self._suspect(dependent)
            self._suspect_owners(obj)
        elif self._is_suspect(obj):
            self._suspect(obj)
            if logged.change.old is not None and obj.metadata.deletion_timestamp:
                self._suspect_owners(obj)

    def _is_suspect(self, obj: Object) -> bool:
        """Whether there may be something to do. Nearly never: most owned objects have their owner."""
        meta = obj.metadata
        return meta.deletion_timestamp is not None or any(
            not self._is_there(ref.uid, meta) for ref in meta.owner_references
        )

    def _suspect_owners(self, obj: Object) -> None:
        """They may wait for this dependent, or this namespace may wait for its content."""
        for ref in obj.metadata.owner_references:
            self._note(ref.uid)
        home = self._store.get(Namespace, "", obj.metadata.namespace or "")
        if home is not None and home.metadata.deletion_timestamp:
            self._suspect(home)

    def _suspect(self, obj: Object) -> None:
        self._note(obj.metadata.uid or "")

    def _note(self, uid: str) -> None:
        self._suspects[uid] = None
        self._more.set()

    async def _work(self) -> None:
        while self._suspects:
            uid, _ = self._suspects.popitem(last=False)
            obj = self._store.by_uid(uid)
            if obj is None:
                continue
            try:
                await self._look_at(obj)
            except (NotFound, Conflict):
                # Changed while we looked: look again. What is on its way is not seen before it is
                # committed, so let that happen: without a pause nothing else in this process would run.
                await self._clock.sleep(_LOOK_AGAIN_S)
                self._note(uid)
            except ApiError as why:
                _log.warning("collecting %s %s: %s", type(obj).__name__, obj.key, why)
                await self._clock.sleep(RETRY_AFTER_S)
                self._note(uid)

    async def _look_at(self, obj: Object) -> None:
        meta = obj.metadata
        if isinstance(obj, Namespace) and meta.deletion_timestamp and is_held(obj):
            await self._empty(obj)
        elif meta.deletion_timestamp and ORPHAN in meta.finalizers:
            await self._orphan(obj)
        elif meta.deletion_timestamp and FOREGROUND in meta.finalizers:
            await self._delete_dependents_first(obj)
        elif meta.owner_references:
            await self._check_owners(obj)

    async def _empty(self, namespace: Namespace) -> None:
        types = [kind.type for kind in KINDS if kind.namespaced]
        for type_ in types:
            for obj in self._store.list(type_, namespace.metadata.name):
                if not obj.metadata.deletion_timestamp:
                    await self._delete(obj, None)
        if not any(self._store.list(type_, namespace.metadata.name) for type_ in types):
            await self._writes.finalize(namespace, self._caller)

    async def _orphan(self, owner: Object) -> None:
        for dependent in self._store.owned_by(owner.metadata.uid or ""):
            await self._drop_owners(dependent, [owner.metadata.uid or ""])
        await self._drop_finalizer(owner, ORPHAN)

    async def _delete_dependents_first(self, owner: Object) -> None:
        uid = owner.metadata.uid or ""
        blocking = False
        for dependent in self._store.owned_by(uid):
            if not dependent.metadata.deletion_timestamp:
                await self._delete(dependent, "Foreground" if self._owns(dependent) else None)
            blocking = blocking or any(
                ref.uid == uid and ref.block_owner_deletion
                for ref in dependent.metadata.owner_references
            )
        if not blocking or not self._blocked(uid):
            await self._drop_finalizer(owner, FOREGROUND)

    def _blocked(self, uid: str) -> bool:
        return any(
            ref.uid == uid and ref.block_owner_deletion
            for dependent in self._store.owned_by(uid)
            for ref in dependent.metadata.owner_references
        )

    def _owns(self, obj: Object) -> bool:
        return bool(self._store.owned_by(obj.metadata.uid or ""))

    async def _check_owners(self, obj: Object) -> None:
        refs = obj.metadata.owner_references
        gone = [ref.uid for ref in refs if not self._is_there(ref.uid, obj.metadata)]
        if not gone:
            return
        if len(gone) < len(refs):
            await self._drop_owners(obj, gone)
        elif not obj.metadata.deletion_timestamp:
            await self._delete(obj, None)

    def _is_there(self, owner_uid: str, dependent: ObjectMeta) -> bool:
        owner = self._store.by_uid(owner_uid)
        return owner is not None and owner.metadata.namespace in (None, "", dependent.namespace)

    async def _delete(self, obj: Object, propagation: str | None) -> None:
        asked = Deletion(uid=obj.metadata.uid, propagation=propagation)
        try:
            await self._writes.delete(type(obj), *obj.key, self._caller, asked=asked)
        except NotFound:
            return

    async def _drop_owners(self, obj: Object, uids: Iterable[str]) -> None:
        gone = set(uids)
        refs = tuple(r for r in obj.metadata.owner_references if r.uid not in gone)
        await self._rewrite(obj, touched(obj.metadata, owner_references=refs))

    async def _drop_finalizer(self, obj: Object, name: str) -> None:
        kept = tuple(f for f in obj.metadata.finalizers if f != name)
        await self._rewrite(obj, touched(obj.metadata, finalizers=kept))

    async def _rewrite(self, obj: Object, meta: ObjectMeta) -> None:
        await self._writes.update(msgspec.structs.replace(obj, metadata=meta), self._caller)
