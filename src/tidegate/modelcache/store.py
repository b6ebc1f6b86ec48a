"""Blobs and snapshots on disk: looked up, published, evicted, removed.

Every change happens under the cache's lock, so any number of processes may have the same cache open. What
is public is complete: a snapshot is built aside and shown by one rename.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tidegate.modelcache.errors import NoRoom
from tidegate.modelcache.holds import Holds
from tidegate.modelcache.layout import (
    Layout,
    blob_path,
    delete_tree,
    locked,
    make_folders,
    published,
    read_json,
    replace_json,
    staging,
    sync_folder,
)
from tidegate.modelcache.records import (
    EntryRecord,
    FileRecord,
    ListedRecord,
    SnapshotRecord,
    TierRecord,
)
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import Medium, RemoteFile, Snapshot, Tier


class Store:
    """One cache folder, as this process sees it."""

    def __init__(self, root: Path, tiers: tuple[Tier, ...], *, now: Callable[[], float]) -> None:
        """No tiers: those that the cache was last opened with, else one in it, without a quota. Raises
        `NoRoom`: its folders can't be made."""
        self.layout = Layout(root)
        self._now = now
        self.holds = Holds(self.layout)
        self.set_tiers(tiers or self._known_tiers() or (Tier(root / "data"),))

    def set_tiers(self, tiers: tuple[Tier, ...]) -> None:
        """Other tiers or quotas from now on; what is in tiers that went stays usable. Raises `NoRoom`."""
        self.tiers = tiers
        try:
            make_folders(self.layout, tiers)
            self._remember_tiers()
        except OSError as why:
            root = self.layout.root
            raise NoRoom(f"the model cache {root} can't be opened ({why}): make room") from why

    def locked(self) -> AbstractContextManager[None]:
        """The cache's lock."""
        return locked(self.layout.lock)

    # Looking up: no lock, because records are replaced whole.

    def entry(self, key: str) -> EntryRecord | None:
        return read_json(self.layout.entry(key), EntryRecord)

    def listed(self, key: str) -> tuple[RemoteFile, ...]:
        """What the store held when it was last asked; empty: it never was."""
        record = read_json(self.layout.entry(key), ListedRecord)
        return record.files if record is not None else ()

    def entries(self) -> Iterator[tuple[str, EntryRecord]]:
        """(key, record) of every source that was ever published."""
        for path in sorted(self.layout.entries.glob("*.json")):
            record = read_json(path, EntryRecord)
            if record is not None:
                yield path.stem, record

    def snapshot_record(self, snapshot_id: str) -> SnapshotRecord | None:
        """None: evicted, or its folder is gone (a tier in memory, after a restart of the machine)."""
        record = read_json(self.layout.snapshot(snapshot_id), SnapshotRecord)
        if record is None or not published(Path(record.tier), snapshot_id).is_dir():
            return None
        return record

    def snapshot(self, entry: EntryRecord, *, read_bytes: int = 0) -> Snapshot | None:
        """The published folder of a source; None: evicted."""
        record = self.snapshot_record(entry.snapshot)
        if record is None:
            return None
        return Snapshot(
            record.id,
            published(Path(record.tier), record.id),
            record.total_bytes,
            record.files,
            read_bytes=read_bytes,
            single=entry.single,
        )

    def files(self, snapshot_id: str) -> tuple[FileRecord, ...]:
        return read_json(self.layout.snapshot_files(snapshot_id), tuple[FileRecord, ...]) or ()

    def blob_of(self, source: Source, file: RemoteFile) -> tuple[Path, str] | None:
        """(path, sha256) of a remote file that is here already, in whatever tier."""
        if not (file.etag or file.modified):
            return None
        try:
            digest = self.layout.object(source, file).read_text()
        except OSError:
            return None
        for tier in self.tiers:
            path = blob_path(tier.path, digest)
            try:
                if file.size in (-1, path.stat().st_size):
                    return path, digest
            except OSError:
                continue
        return None

    def remember_blob(self, source: Source, file: RemoteFile, digest: str) -> None:
        """This version of a remote file has these bytes."""
        if file.etag or file.modified:
            path = self.layout.object(source, file)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            fresh.write_text(digest)
            fresh.replace(path)

    # Changing: the caller holds the lock, except for `publish`, which takes it.

    def publish(
        self,
        source: Source,
        listing: tuple[RemoteFile, ...],
        files: Iterable[FileRecord],
        tier: Tier,
        *,
        holder: str | None,
        priority: int,
        single: str,
    ) -> None:
        """Show a snapshot whose blobs are all in `tier`; the staging folder goes."""
        records = tuple(sorted(files, key=lambda file: file.path))
        snapshot_id = hashlib.sha256(
            json.dumps([[file.path, file.blob] for file in records]).encode()
        ).hexdigest()[:32]
        work = staging(tier.path, source.key)
        with self.locked():
            was = self.snapshot_record(snapshot_id)
            if was is None:
                self._show(snapshot_id, records, tier, work)
                was = SnapshotRecord(
                    snapshot_id,
                    str(tier.path),
                    sum(file.size for file in records),
                    len(records),
                    0,
                    0.0,
                )
                replace_json(self.layout.snapshot_files(snapshot_id), records)
            self._use(was, priority=max(priority, was.priority))
            self._write_entry(source, listing, snapshot_id, single)
            if holder is not None:
                self.holds.hold(snapshot_id, holder)
        delete_tree(work)

    def checked(self, source: Source, listing: tuple[RemoteFile, ...]) -> None:
        """The store was asked, and nothing had changed."""
        with self.locked():
            was = self.entry(source.key)
            if was is not None:
                self._write_entry(source, listing, was.snapshot, was.single)

    def hold(self, snapshot_id: str, holder: str) -> bool:
        """False: it is gone."""
        with self.locked():
            record = self.snapshot_record(snapshot_id)
            if record is None:
                return False
            self.holds.hold(snapshot_id, holder)
            self._use(record)
            return True

    def forget(self, snapshot_id: str) -> None:
        """Take a snapshot away; `sweep` deletes it."""
        record = read_json(self.layout.snapshot(snapshot_id), SnapshotRecord)
        self.layout.snapshot(snapshot_id).unlink(missing_ok=True)
        self.layout.snapshot_files(snapshot_id).unlink(missing_ok=True)
        try:
            (self.layout.holds / snapshot_id).rmdir()
        except OSError:
            pass  # there is none, or somebody holds it yet
        if record is None:
            return
        folder = published(Path(record.tier), snapshot_id)
        trash = Path(record.tier) / "trash" / f"{snapshot_id}.{os.getpid()}"
        try:
            folder.rename(trash)
        except PermissionError:  # moving a folder writes in it, and ours are read-only
            folder.chmod(0o700)
            folder.rename(trash)
        except FileNotFoundError:
            pass

    def sweep(self, tier: Path) -> int:
        """Delete what was taken away, and blobs that nothing links to any more; bytes freed."""
        for left in (tier / "trash").iterdir():
            delete_tree(left)
        freed = 0
        for folder in (tier / "blobs").iterdir():
            for blob in folder.iterdir():
                about = blob.stat()
                if about.st_nlink == 1:
                    freed += about.st_size
                    blob.unlink()
        return freed

    def forget_blobs(self) -> None:
        """Drop what is known of remote files whose bytes are in no tier any more."""
        for known in self.layout.root.glob("objects/??/[!.]*"):
            digest = known.read_text()
            if not any(blob_path(tier.path, digest).exists() for tier in self.tiers):
                known.unlink(missing_ok=True)

    def fetching(self, key: str) -> bool:
        """Whether some process fetches that source now."""
        try:
            fd = os.open(self.layout.fetch_lock(key), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def _show(
        self, snapshot_id: str, records: tuple[FileRecord, ...], tier: Tier, work: Path
    ) -> None:
        tree = work / "tree"
        delete_tree(tree)
        folders = {tree}
        tree.mkdir(mode=0o755, parents=True)
        for file in records:
            place = tree / file.path
            if place.parent not in folders:
                place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                folders.update(p for p in place.parents if p.is_relative_to(tree))
            blob = blob_path(tier.path, file.blob)
            if not blob.exists():  # swept while it was linked in: ours is the same
                os.link(work / "have" / file.blob, blob)
            os.link(blob, place)
        for folder in folders - {tree}:
            folder.chmod(0o555)
        target = published(tier.path, snapshot_id)
        delete_tree(target)  # without a record: nobody could know of it
        tree.rename(target)
        target.chmod(0o555)  # only now: moving a folder writes in it
        sync_folder(target.parent)

    def _write_entry(
        self, source: Source, listing: tuple[RemoteFile, ...], snapshot_id: str, single: str
    ) -> None:
        replace_json(
            self.layout.entry(source.key),
            ListedRecord(
                uri=source.shown,
                endpoint=source.endpoint_shown,
                snapshot=snapshot_id,
                checked_at=self._now(),
                single=single,
                files=listing,
            ),
        )

    def _use(self, record: SnapshotRecord, *, priority: int | None = None) -> None:
        seq = (read_json(self.layout.seq, int) or 0) + 1
        replace_json(self.layout.seq, seq)
        replace_json(
            self.layout.snapshot(record.id),
            SnapshotRecord(
                record.id,
                record.tier,
                record.total_bytes,
                record.files,
                seq,
                self._now(),
                record.priority if priority is None else priority,
            ),
        )

    def _known_tiers(self) -> tuple[Tier, ...]:
        records = read_json(self.layout.tiers, tuple[TierRecord, ...]) or ()
        return tuple(
            Tier(Path(r.path), r.quota_bytes, Medium(r.medium), r.high, r.low) for r in records
        )

    def _remember_tiers(self) -> None:
        if self.tiers != self._known_tiers():
            replace_json(
                self.layout.tiers,
                [
                    TierRecord(str(t.path), t.quota_bytes, t.medium.value, t.high, t.low)
                    for t in self.tiers
                ],
            )
