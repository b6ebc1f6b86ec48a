"""Objects and their versions: what is committed, what is on its way, who wants to know.

Reads see committed objects only. A write is checked by its author against `latest` (the state
after everything submitted so far) and submitted in the same turn of the event loop; it becomes
readable, and is told to subscribers, once its batch is committed, in version order. When a commit
fails, everything submitted since is refused with StorageFull and `latest` is the committed state
again; nothing that was acknowledged is touched.

All methods are for the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec

from tidegate.model.changes import Change, ChangeType
from tidegate.model.errors import StorageFull, Timeout
from tidegate.model.kinds import KINDS, decode_stored, encode_stored, kind_of
from tidegate.model.meta import Key, Object, touched
from tidegate.model.references import mention_of
from tidegate.store.errors import Unreadable
from tidegate.store.journal import Journal
from tidegate.store.record import Record
from tidegate.store.shelf import Index, Shelf
from tidegate.store.watchlog import Logged, WatchLog

T = TypeVar("T", bound=Object)
Unsubscribe = Callable[[], None]
OnChange = Callable[[Logged], None]

#: Versions reserved on disk at a time: one more fsync in so many writes, and so many numbers
#: skipped by a restart.
VERSION_BLOCK = 10_000
#: Changes kept for watches to resume from. The API server of Kubernetes keeps 100 to 100,000 a kind.
LOG_SIZE = 20_000


@dataclass(frozen=True, slots=True)
class StoreState:
    """What the store holds now, for metrics and tests."""

    objects: int
    version: int
    pending: int  # submitted, not committed yet
    logged: int
    refused: int  # writes refused because a commit failed
    subscribers: int


@dataclass(slots=True)
class _Pending:
    record: Record
    object: Object  # as it will be; for a delete, its last state
    done: asyncio.Future[None]


class Store:
    """See the module. Raises `StoreError`s when what the journal holds can't be read."""

    def __init__(self, journal: Journal, *, log_size: int = LOG_SIZE) -> None:
        self._journal = journal
        self._shelves: dict[type[Object], Shelf] = {kind.type: Shelf() for kind in KINDS}
        self._index = Index()
        self._ahead: dict[tuple[type[Object], Key], _Pending] = {}
        self._pending: deque[_Pending] = deque()
        self._subscribers: dict[object, tuple[frozenset[type[Object]], OnChange]] = {}
        self._epoch = 0
        self._refused = 0
        self._load()
        self._ceiling = self._version = self._submitted = journal.database.ceiling()
        self._safe_ceiling = self._ceiling
        self._log = WatchLog(log_size, floor=self._version)
        journal.start(self._on_done)

    @property
    def version(self) -> int:
        """The version of the last committed write."""
        return self._version

    def state(self) -> StoreState:
        return StoreState(
            objects=sum(len(shelf) for shelf in self._shelves.values()),
            version=self._version,
            pending=len(self._pending),
            logged=len(self._log),
            refused=self._refused,
            subscribers=len(self._subscribers),
        )

    # --- reads

    def get(self, type_: type[T], namespace: str, name: str) -> T | None:
        """The committed object, or None. `namespace` is empty for cluster-scoped kinds."""
        return cast("T | None", self._shelves[type_].get(Key(namespace, name)))

    def list(
        self,
        type_: type[T],
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        owner_uid: str | None = None,
        mentions: str | None = None,
    ) -> Sequence[T]:
        """Committed objects in name order; None means any. Cheap with `owner_uid`, `namespace`, or
        `namespace` and `mentions` or a label that is indexed (see `model.references`)."""
        found: Iterable[Object]
        if mentions is None and labels and namespace is not None:
            mentions = mention_of(type_, labels)
        if owner_uid is not None:
            owned = self._index.owned_by(owner_uid).values()
            found = sorted((o for o in owned if type(o) is type_), key=lambda o: o.key)
            if namespace is not None:
                found = (o for o in found if o.metadata.namespace == namespace)
        elif mentions is not None:
            assert namespace is not None, "a name is one of a namespace"
            found = self._shelves[type_].mentioning(namespace, mentions)
        else:
            found = self._shelves[type_].within(namespace)
        if labels:
            wanted = labels.items()
            found = (o for o in found if wanted <= o.metadata.labels.items())
        return cast("list[T]", [*found])

    def upcoming(self, type_: type[T], namespace: str) -> Sequence[T]:
        """A namespace's objects as they will be once everything submitted is committed: see `latest`."""
        found = {obj.key: obj for obj in self._shelves[type_].within(namespace)}
        for (type_ahead, key), ahead in self._ahead.items():
            if type_ahead is type_ and key.namespace == namespace:
                found.pop(key, None)
                if ahead.record.body is not None:
                    found[key] = ahead.object
        return cast("list[T]", [*found.values()])

    def by_uid(self, uid: str) -> Object | None:
        return self._index.get(uid)

    def owned_by(self, uid: str) -> Sequence[Object]:
        """Objects of any kind that name this uid among their owners."""
        return [*self._index.owned_by(uid).values()]

    def latest(self, type_: type[T], namespace: str, name: str) -> T | None:
        """The object as it will be once everything submitted is committed. For deciding a write
        that is submitted before the next `await`, and for nothing else."""
        ahead = self._ahead.get((type_, Key(namespace, name)))
        if ahead is None:
            return self.get(type_, namespace, name)
        return None if ahead.record.body is None else cast("T", ahead.object)

    # --- watching

    def subscribe(self, types: Iterable[type[Object]], on_change: OnChange) -> Unsubscribe:
        """Call `on_change` for every later commit. It must not block, raise or write."""
        token = object()
        self._subscribers[token] = (frozenset(types), on_change)
        return lambda: _forget(self._subscribers, token)

    def since(self, version: int) -> Iterator[Logged]:
        """Changes after `version`. Raises Expired (too old) and Timeout (not there yet)."""
        if version > self._version:
            raise too_large(version, self._version)
        return self._log.since(version)

    # --- writes

    async def put(self, obj: T, *, durable: bool) -> T:
        """Write an object under a new version; returns it once committed. Raises StorageFull."""
        version = self._next_version()
        meta = touched(obj.metadata, resource_version=str(version))
        stamped = msgspec.structs.replace(obj, metadata=meta)
        await self._submit(stamped, version, encode_stored(stamped), durable)
        return stamped

    async def remove(self, obj: T, *, durable: bool) -> T:
        """Delete an object; returns its last state under the deletion's version. Raises StorageFull."""
        version = self._next_version()
        meta = touched(obj.metadata, resource_version=str(version))
        stamped = msgspec.structs.replace(obj, metadata=meta)
        await self._submit(stamped, version, None, durable)
        return stamped

    async def settled(self, obj: Object) -> None:
        """Return once the last write submitted for this object is committed. Raises StorageFull."""
        ahead = self._ahead.get((type(obj), obj.key))
        if ahead is not None:
            await asyncio.shield(ahead.done)

    async def close(self) -> None:
        """Commit what was submitted and close the database."""
        await self._journal.close()

    def _next_version(self) -> int:
        self._submitted += 1
        return self._submitted

    async def _submit(self, obj: Object, version: int, body: bytes | None, durable: bool) -> None:
        ceiling = None
        if version > self._ceiling:
            ceiling = self._ceiling = version + VERSION_BLOCK
        record = Record(
            resource=kind_of(obj).resource,
            namespace=obj.key.namespace,
            name=obj.key.name,
            version=version,
            body=body,
            durable=durable,
            ceiling=ceiling,
            epoch=self._epoch,
        )
        done = asyncio.get_running_loop().create_future()
        pending = _Pending(record, obj, done)
        self._pending.append(pending)
        self._ahead[type(obj), obj.key] = pending
        self._journal.submit(record)
        await asyncio.shield(done)  # cancelling the author does not undo the write

    # --- what the journal reports

    def _on_done(self, batch: Sequence[Record], failure: Exception | None) -> None:
        if failure is not None:
            self._roll_back(failure)
            return
        finished = []
        for record in batch:
            pending = self._pending.popleft()
            assert pending.record is record
            self._publish(pending)
            finished.append(pending.done)
        for done in finished:
            if not done.done():
                done.set_result(None)

    def _publish(self, pending: _Pending) -> None:
        obj, record = pending.object, pending.record
        slot = (type(obj), obj.key)
        if self._ahead.get(slot) is pending:
            del self._ahead[slot]
        self._version = record.version
        self._safe_ceiling = record.ceiling or self._safe_ceiling
        shelf = self._shelves[type(obj)]
        old = shelf.get(obj.key)
        if record.body is None:
            shelf.remove(obj.key)
            self._index.remove(obj)
            change = Change(ChangeType.DELETED, obj, old)
        else:
            shelf.put(obj)
            self._index.put(obj, old)
            change = Change(ChangeType.ADDED if old is None else ChangeType.MODIFIED, obj, old)
        logged = Logged(record.version, change, len(record.body or b""))
        self._log.append(logged)
        self._tell(logged)

    def _tell(self, logged: Logged) -> None:
        for types, on_change in [*self._subscribers.values()]:
            if type(logged.change.object) in types:
                try:
                    on_change(logged)
                except Exception as why:  # noqa: BLE001 - one watcher's bug must not blind the rest
                    asyncio.get_running_loop().call_exception_handler(
                        {"message": f"a watcher failed on {logged.change.type}", "exception": why}
                    )

    def _roll_back(self, failure: Exception) -> None:
        refused, self._pending = self._pending, deque()
        self._ahead.clear()
        self._epoch += 1
        self._ceiling = self._safe_ceiling
        self._refused += len(refused)
        for pending in refused:
            if not pending.done.done():
                pending.done.set_exception(
                    StorageFull(
                        f"the write was refused because the database could not take it "
                        f"({failure}): make room for {self._journal.database.name} and try again; "
                        f"everything acknowledged before is safe"
                    )
                )

    def _load(self) -> None:
        types = {kind.resource: kind.type for kind in KINDS}
        database = self._journal.database
        for resource, namespace, name, body in database.rows():
            what = f"{resource} {Key(namespace, name)}"
            if resource not in types:
                raise Unreadable(database.name, what, "unknown kind")
            try:
                obj = decode_stored(body, types[resource])
            except msgspec.DecodeError as why:
                raise Unreadable(database.name, what, str(why)) from why
            self._shelves[types[resource]].put(obj)
            self._index.put(obj, None)


def too_large(asked: int, current: int) -> Timeout:
    """The error for a version that does not exist yet."""
    text = f"Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Timeout(text, details={"causes": [cause], "retryAfterSeconds": 1})


def _forget(
    subscribers: dict[object, tuple[frozenset[type[Object]], OnChange]], token: object
) -> None:
    subscribers.pop(token, None)
