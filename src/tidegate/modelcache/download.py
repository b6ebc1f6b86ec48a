"""All files of a listing into blobs: what is here is linked, the rest read in parallel parts.

Eight connections of 8 MiB parts: on loopback two are as fast as eight (the server is the limit), over
a network one connection seldom gets the whole rate; hashing can begin when the first part is whole, so bigger
parts only make it lag. Readers write, hashers follow; both leave Python's lock
while they do.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from tidegate.modelcache import journal
from tidegate.modelcache.errors import DISK_FULL, Corrupt
from tidegate.modelcache.incoming import Incoming, Part
from tidegate.modelcache.layout import staging
from tidegate.modelcache.reader import Reader
from tidegate.modelcache.records import FileRecord
from tidegate.modelcache.remotes import Context, Remote
from tidegate.modelcache.remotes.local import Local
from tidegate.modelcache.room import Rooms
from tidegate.modelcache.settle import Settling, start_writing
from tidegate.modelcache.source import Source
from tidegate.modelcache.store import Store
from tidegate.modelcache.values import RemoteFile, Tier

PART_BYTES = 8 << 20
_READERS = 8
_HASHERS = 2
_OPEN_AHEAD = 64  # files that are open at once
_GROWN_BYTES = 64 << 20  # of a file without a size: how often its room is looked at


class Download:
    """One try to get a listing. `came(bytes, from_network)` is told what arrives, from any thread."""

    def __init__(
        self,
        store: Store,
        source: Source,
        tier: Tier,
        context: Context,
        came: Callable[[int, bool], None],
        rooms: Rooms,
    ) -> None:
        self._store, self._source, self._tier, self._context = store, source, tier, context
        self._came, self._rooms = came, rooms
        self._work = staging(tier.path, source.key)
        self._parts = self._work / "parts"
        self._parts.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settling = Settling(tier.path, self._work)
        self._stop = context.stop
        self._failed: BaseException | None = None
        self._open: set[Incoming] = set()
        self._lock = threading.Lock()  # guards _failed, _grown, _room_at
        self._grown, self._room_at, self._unsized = 0, _GROWN_BYTES, False

    def run(
        self, remote: Remote | Local, files: tuple[RemoteFile, ...]
    ) -> tuple[list[FileRecord], Settling]:
        """Records of all files, their blobs in the tier; `Settling` takes what is unpacked of them.

        Raises `CacheError`; OSError when the disk fails.
        """
        self._unsized = any(file.size < 0 for file in files)
        missing = [file for file in files if not self._taken(file)]
        if isinstance(remote, Local):
            self._copy_all(remote, missing)
        elif missing:
            self._read_all(remote, missing)
        self._settling.end()
        self._remember(files)
        return list(self._settling.records), self._settling

    def _taken(self, file: RemoteFile) -> bool:
        found = self._store.blob_of(self._source, file)
        if found is None:
            return False
        blob, digest = found
        if dict(file.checksums).get("sha256", digest) != digest:
            return False
        if not blob.is_relative_to(self._tier.path):
            return self._copied(file, blob)
        if not self._settling.take(file.path, digest):
            return False
        self._came(blob.stat().st_size, False)
        return True

    def _remember(self, files: tuple[RemoteFile, ...]) -> None:
        blobs = {record.path: record.blob for record in self._settling.records}
        for file in files:
            if (file.etag or file.modified) and file.size >= 0:
                self._store.remember_blob(self._source, file, blobs[file.path])

    # Of this machine.

    def _copy_all(self, remote: Local, files: list[RemoteFile]) -> None:
        for file in files:
            self._copied(file, remote.place(file))

    def _copied(self, file: RemoteFile, place: Path) -> bool:
        """Copy by the kernel, part by part, hashing behind it."""
        incoming = Incoming(file, self._parts, PART_BYTES, frozenset())
        turn: queue.SimpleQueue[bool] = queue.SimpleQueue()
        hasher = threading.Thread(target=self._follow, args=(incoming, turn))
        hasher.start()
        try:
            with place.open("rb") as origin:
                for part in incoming.missing():
                    assert part.end is not None
                    _copy_range(origin.fileno(), incoming.fd, part.start, part.end)
                    self._came(part.end - part.start, False)
                    incoming.part_done(part)
                    start_writing(incoming.fd, part.start, part.end - part.start)
                    turn.put(True)
        finally:
            turn.put(False)
            hasher.join()
        if self._failed is not None:
            raise self._failed
        self._settle(incoming, str(place))
        return True

    def _follow(self, incoming: Incoming, turn: queue.SimpleQueue[bool]) -> None:
        try:
            while turn.get():
                incoming.hash_on()
        except BaseException as why:  # noqa: BLE001  a thread's edge: raised again by the caller
            self._fail(why)

    # Of a store.

    def _read_all(self, remote: Remote, files: list[RemoteFile]) -> None:
        place = self._work / "journal"
        kept = journal.read(place)
        if kept is not None and kept.part_bytes != PART_BYTES:
            kept = None
        log = journal.Journal(place, PART_BYTES, kept)
        todo: queue.Queue[tuple[Incoming, Part] | None] = queue.Queue(_OPEN_AHEAD)
        written: queue.Queue[Incoming | None] = queue.Queue()
        count = sum(max(1, -(-file.size // PART_BYTES)) for file in files)
        readers = [
            threading.Thread(target=self._read_some, args=(remote, todo, written, log))
            for _ in range(min(_READERS, count))
        ]
        hashers = [
            threading.Thread(target=self._hash_some, args=(remote, written))
            for _ in range(_HASHERS)
        ]
        for thread in (*readers, *hashers):
            thread.start()
        try:
            self._feed(files, kept, todo, written)
        except BaseException as why:  # noqa: BLE001  the threads must end before it goes on
            self._fail(why)
        for _ in readers:
            self._put(todo, None)
        for thread in readers:
            thread.join()
        for _ in hashers:
            written.put(None)
        for thread in hashers:
            thread.join()
        log.close()
        for incoming in self._open:  # not while a thread may still write there
            incoming.close()
        if self._failed is not None:
            raise self._failed

    def _feed(
        self,
        files: list[RemoteFile],
        kept: journal.Kept | None,
        todo: queue.Queue[tuple[Incoming, Part] | None],
        written: queue.Queue[Incoming | None],
    ) -> None:
        for file in files:
            parts = kept.parts.get(journal.version_of(file), frozenset()) if kept else frozenset()
            incoming = Incoming(file, self._parts, PART_BYTES, parts)
            self._open.add(incoming)
            self._came(incoming.done_bytes, False)
            missing = incoming.missing()
            if incoming.done_bytes or not missing:
                written.put(incoming)
            for part in missing:
                if not self._put(todo, (incoming, part)):
                    return

    def _put(
        self,
        todo: queue.Queue[tuple[Incoming, Part] | None],
        item: tuple[Incoming, Part] | None,
    ) -> bool:
        """False: something failed, nobody reads any more."""
        while not self._stop.is_set():
            try:
                todo.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def _read_some(
        self,
        remote: Remote,
        todo: queue.Queue[tuple[Incoming, Part] | None],
        written: queue.Queue[Incoming | None],
        log: journal.Journal,
    ) -> None:
        reader = Reader(remote, self._context, self._network)
        try:
            while not self._stop.is_set():
                try:
                    item = todo.get(timeout=0.2)
                except queue.Empty:
                    continue
                if item is None:
                    return
                incoming, part = item
                reader.read(incoming, part)
                incoming.part_done(part)
                if part.end is not None:
                    start_writing(incoming.fd, part.start, part.end - part.start)
                log.done(incoming.version, part.number)
                written.put(incoming)
        except BaseException as why:  # noqa: BLE001  a thread's edge: raised again by the caller
            self._fail(why)
        finally:
            reader.close()

    def _hash_some(self, remote: Remote, written: queue.Queue[Incoming | None]) -> None:
        try:
            while (incoming := written.get()) is not None:
                if not self._stop.is_set() and incoming.hash_on():
                    self._open.discard(incoming)
                    self._settle(incoming, remote.what(incoming.file))
        except BaseException as why:  # noqa: BLE001  a thread's edge: raised again by the caller
            self._fail(why)

    def _settle(self, incoming: Incoming, what: str) -> None:
        try:
            digest = incoming.check(what)
        except Corrupt:
            incoming.discard()
            raise
        incoming.close()
        known = self._settling.finished(incoming.file.path, incoming.path, digest)
        if known and incoming.version:
            self._store.remember_blob(self._source, incoming.file, digest)

    def _network(self, count: int) -> None:
        self._came(count, True)
        with self._lock:
            self._grown += count
            due = self._unsized and self._grown >= self._room_at
            if due:
                self._room_at += _GROWN_BYTES
        if due:  # nobody said how big it would be
            self._rooms.grow(self._source, self._tier, self._room_at)

    def _fail(self, why: BaseException) -> None:
        """The first failure is the reason; those after it come of the stop."""
        with self._lock:
            if self._failed is None:
                self._failed = why
            self._stop.set()


def _copy_range(origin: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            count = os.copy_file_range(origin, target, end - start, start, start)
        except OSError as why:
            if why.errno in DISK_FULL:  # not a reason to try another way
                raise
            count = os.pwrite(target, os.pread(origin, min(end - start, 1 << 20), start), start)
        if count == 0:
            raise Corrupt("the file became shorter while it was copied: try when it rests")
        start += count
