"""One source, from whatever state the disk is in to a published snapshot.

lock     one process fetches a source; others wait and see its progress
look     published and no check due: done, nothing is asked
list     the same listing as last time: done, nothing is read
room     the first tier that has room or can make it, before a byte is read
read     parts in parallel, journaled; an object that changes starts that file anew
unpack   a single archive
publish  synced, then shown by one rename
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegate.modelcache.download import Download
from tidegate.modelcache.errors import DISK_FULL, CacheError, Changed, NoRoom
from tidegate.modelcache.jobs import Fetched, Job
from tidegate.modelcache.layout import blob_path, delete_tree, staging
from tidegate.modelcache.records import EntryRecord, FileRecord
from tidegate.modelcache.remotes import Context, Remote, remote_of
from tidegate.modelcache.remotes.local import Local
from tidegate.modelcache.room import Rooms
from tidegate.modelcache.settle import Settling
from tidegate.modelcache.source import Kind, Source
from tidegate.modelcache.store import Store
from tidegate.modelcache.tally import Tally, read_progress
from tidegate.modelcache.values import Progress, RemoteFile, Stage, Tier

_CHANGES = 3  # an object that changes more often while it is read has no rest
_LOOK_S = 0.2
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz")
"""What is unpacked when it is a source's only file."""


class Fetching:
    """Owns one fetch in the process that does it."""

    def __init__(
        self, store: Store, job: Job, say: Callable[[Progress], None], now: Callable[[], float]
    ) -> None:
        self._store, self._job, self._now = store, job, now
        self._rooms = Rooms(store)
        self._source = Source(job.uri, job.access)
        self._tally = Tally(
            say,
            store.layout.progress(self._source.key),
            uri=self._source.shown,
            endpoint=self._source.endpoint_shown,
        )
        self._say = say

    def run(self) -> Fetched:
        """Raises `CacheError`."""
        was = self._store.entry(self._source.key)
        with self._alone() as waited, self._tally:
            entry = self._store.entry(self._source.key)
            fresh = waited and entry is not None and entry != was
            if entry is not None and self._usable(entry, fresh=fresh):
                return Fetched(0)
            return self._from_store(entry)

    def _usable(self, entry: EntryRecord, *, fresh: bool) -> bool:
        after_s = self._job.check_after_s
        age_s = self._now() - entry.checked_at
        due = after_s is not None and not 0 <= age_s < after_s and not fresh
        return not due and self._held(entry)

    def _held(self, entry: EntryRecord) -> bool:
        """Whether its snapshot is there; held from now on if somebody wants that."""
        if self._job.holder is None:
            return self._store.snapshot_record(entry.snapshot) is not None
        return self._store.hold(entry.snapshot, self._job.holder)

    def _from_store(self, entry: EntryRecord | None) -> Fetched:
        for attempt in range(1, _CHANGES + 1):
            context = self._context()
            try:
                self._tally.stage(Stage.LISTING)
                remote = self._remote(context)
                listing = remote.listing().files
            except CacheError as why:
                if why.again and entry is not None and self._held(entry):
                    return Fetched(0, stale=str(why))
                raise
            same = _versioned(listing) and self._store.listed(self._source.key) == listing
            if same and entry is not None and self._held(entry):
                self._store.checked(self._source, listing)
                return Fetched(0)
            try:
                return self._fetch(remote, listing, context)
            except Changed:
                if attempt == _CHANGES:
                    raise
        raise AssertionError("the loop returns or raises")

    def _fetch(
        self, remote: Remote | Local, files: tuple[RemoteFile, ...], context: Context
    ) -> Fetched:
        total = sum(max(0, file.size) for file in files)
        tier = self._rooms.choose(self._source, files)
        self._tally.begin(total if all(file.size >= 0 for file in files) else None, len(files))
        try:
            download = Download(
                self._store, self._source, tier, context, self._tally.came, self._rooms
            )
            records, settling = download.run(remote, files)
            single = files[0].path if len(files) == 1 and files[0].whole else ""
            if len(files) == 1 and files[0].path.lower().endswith(ARCHIVES):
                records, single = self._unpacked(tier, records[0], settling, total), ""
            self._tally.stage(Stage.PUBLISHING)
            self._store.publish(
                self._source,
                files,
                records,
                tier,
                holder=self._job.holder,
                priority=self._job.priority,
                single=single,
            )
        except OSError as why:
            if why.errno in DISK_FULL:
                delete_tree(staging(tier.path, self._source.key))  # or the disk stays full
                raise NoRoom(
                    f"{self._source.shown}: the disk of {tier.path} is full "
                    f"({os.strerror(why.errno or 0)}): make room; what had come was removed"
                ) from why
            raise
        return Fetched(self._tally.network_bytes)

    def _unpacked(
        self, tier: Tier, archive: FileRecord, settling: Settling, total: int
    ) -> list[FileRecord]:
        from tidegate.modelcache.archive import unpack  # tar, zip and lzma: few need them

        self._tally.stage(Stage.UNPACKING)
        settling.records.clear()
        grown, asked = 0, 0

        def grew(count: int) -> None:
            nonlocal grown, asked
            grown += count
            if grown > asked:
                asked = grown + (64 << 20)
                self._rooms.grow(self._source, tier, total + asked)

        def take(path: str, staged: Path, digest: str) -> None:
            if staged.exists():
                settling.finished(path, staged, digest)
            else:
                size = next(r.size for r in settling.records if r.blob == digest)
                settling.records.append(FileRecord(path, digest, size))

        folder = staging(tier.path, self._source.key) / "unpacked"
        delete_tree(folder)
        unpack(blob_path(tier.path, archive.blob), archive.path, folder, take, grew)
        settling.end()
        return list(settling.records)

    def _remote(self, context: Context) -> Remote | Local:
        if self._source.kind is Kind.FILE:
            return Local(self._source)
        return remote_of(self._source, context)

    def _context(self) -> Context:
        return Context(self._job.patience, threading.Event(), self._now, self._tally.note)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Only one process goes on; True: we waited for another one. The kernel ends the lock with it."""
        layout = self._store.layout
        key = self._source.key
        fd = os.open(layout.fetch_lock(key), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        waited = False
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waited = True
                    self._say(read_progress(layout.progress(key)) or Progress(Stage.WAITING))
                    time.sleep(_LOOK_S)
            yield waited
        finally:
            os.close(fd)


def _versioned(listing: tuple[RemoteFile, ...]) -> bool:
    """Whether the same listing can only be the same bytes."""
    return all(file.etag or file.modified for file in listing)
