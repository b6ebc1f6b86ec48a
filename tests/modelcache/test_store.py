"""Blobs and snapshots on disk, without a network and without a process."""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

import pytest

from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.errors import NoRoom
from tidegate.modelcache.layout import staging
from tidegate.modelcache.records import FileRecord
from tidegate.modelcache.room import Rooms
from tidegate.modelcache.settle import Settling
from tidegate.modelcache.source import Source
from tidegate.modelcache.store import Store
from tidegate.modelcache.values import RemoteFile, Tier
from tidegate.testing.limits import files_of_at_most


class Standing:
    """A clock that stands still, long before anything here was published."""

    def now(self) -> float:
        return 10.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, after_s: float) -> None:
        pass


class Disk:
    """A cache with a tier of a kilobyte, filled without fetching."""

    def __init__(self, root: Path, *, quota_bytes: int = 1000) -> None:
        self.now_s = 1000.0
        tier = Tier(root / "ssd", quota_bytes, high=1.0, low=1.0)
        self.tier = tier
        self.store = Store(root / "cache", (tier,), now=lambda: self.now_s)
        self.rooms = Rooms(self.store)

    def publish(self, uri: str, files: dict[str, bytes], *, holder: str | None = None) -> Source:
        source = Source(uri)
        listing = tuple(
            RemoteFile(path, len(data), etag=hashlib.md5(data).hexdigest())
            for path, data in sorted(files.items())
        )
        self.rooms.choose(source, listing)
        work = staging(self.tier.path, source.key)
        settling = Settling(self.tier.path, work)
        for file, data in zip(listing, (files[f.path] for f in listing), strict=True):
            staged = work / file.path.replace("/", "_")
            staged.write_bytes(data)
            settling.finished(file.path, staged, hashlib.sha256(data).hexdigest())
        settling.end()
        for record, file in zip(settling.records, listing, strict=True):
            self.store.remember_blob(source, file, record.blob)
        self.store.publish(
            source, listing, settling.records, self.tier, holder=holder, priority=0, single=""
        )
        return source

    def here(self, source: Source) -> bool:
        entry = self.store.entry(source.key)
        return entry is not None and self.store.snapshot(entry) is not None


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_the_same_bytes_are_stored_once_whoever_brought_them(tmp_path: Path) -> None:
    disk = Disk(tmp_path, quota_bytes=10_000)
    disk.publish("s3://a/one", {"model.bin": b"x" * 600, "readme": b"one"})
    disk.publish("s3://b/two", {"sub/model.bin": b"x" * 600})
    (use,) = disk.rooms.usage()
    assert use.used_bytes == 603
    files = [p for p in disk.tier.path.rglob("model.bin") if p.is_file()]
    assert len({p.stat().st_ino for p in files}) == 1


def test_pruning_leaves_no_word_of_bytes_that_are_gone(disk: Disk) -> None:
    disk.publish("s3://a/gone", {"m": b"a" * 400})
    kept = disk.publish("s3://a/kept", {"m": b"b" * 400}, holder="pod/1")
    root = disk.store.layout.root
    assert ModelCache(root, clock=Standing()).prune() == 400
    assert len([path for path in root.glob("objects/*/*") if path.is_file()]) == 1
    assert disk.here(kept)


def test_a_clock_that_steps_back_changes_no_order(disk: Disk) -> None:
    first = disk.publish("s3://a/first", {"m": b"a" * 400})
    disk.now_s = 5.0  # somebody set the clock back
    second = disk.publish("s3://a/second", {"m": b"b" * 400})
    disk.publish("s3://a/third", {"m": b"c" * 400})
    assert (disk.here(first), disk.here(second)) == (False, True)


def test_a_listing_that_lies_in_the_future_is_not_fresh(disk: Disk) -> None:
    source = disk.publish("s3://a/model", {"m": b"a"})
    clock = Standing()
    cache = ModelCache(disk.store.layout.root, clock=clock)
    assert disk.now_s > clock.now()
    assert cache._ready(source, None, 3600) is None
    assert cache._ready(source, None, None) is not None


def test_a_new_version_needs_room_for_what_differs_only(disk: Disk) -> None:
    shared = b"s" * 700
    old = disk.publish("s3://a/model", {"big": shared, "v": b"1"}, holder="pod/1")
    new = disk.publish("s3://a/model", {"big": shared, "v": b"2" * 100}, holder="pod/2")
    assert old.key == new.key
    (use,) = disk.rooms.usage()
    assert use.used_bytes == 801
    with pytest.raises(NoRoom, match=r"800\.00B are needed, and of the quota 1000\.00B"):
        disk.publish("s3://a/other", {"big": b"o" * 800})


def test_what_is_held_or_pinned_stays_and_the_reason_has_numbers(disk: Disk) -> None:
    held = disk.publish("s3://a/held", {"m": b"a" * 500}, holder="pod/1")
    disk.store.holds.pin(held.key, "cli")
    disk.store.holds.release("pod/1")
    with pytest.raises(NoRoom, match=r"500\.00B are in use or pinned"):
        disk.publish("s3://a/other", {"m": b"b" * 600})
    assert disk.here(held)
    disk.store.holds.unpin(held.key, None)
    assert disk.here(disk.publish("s3://a/other", {"m": b"b" * 600}))
    assert not disk.here(held)


def test_a_fetch_under_way_keeps_the_room_that_it_reserved(disk: Disk) -> None:
    disk.rooms.choose(Source("s3://a/coming"), (RemoteFile("m", 700),))
    lock = disk.store.layout.fetch_lock(Source("s3://a/coming").key)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NoRoom):
            disk.publish("s3://a/other", {"m": b"b" * 400})
    disk.publish("s3://a/other", {"m": b"b" * 400})  # nobody fetches it any more: leftovers go


def test_a_smaller_quota_evicts_down_to_it_and_the_tiers_are_remembered(disk: Disk) -> None:
    first = disk.publish("s3://a/first", {"m": b"a" * 400})
    second = disk.publish("s3://a/second", {"m": b"b" * 400})
    cache = ModelCache(disk.store.layout.root, clock=Standing())
    assert cache.tiers == (disk.tier,)
    cache.tiers = (Tier(disk.tier.path, 500, high=1.0, low=1.0),)
    assert (cache.find(first), cache.find(second) is not None) == (None, True)


def test_a_snapshot_whose_folder_vanished_is_not_there(disk: Disk) -> None:
    source = disk.publish("s3://a/model", {"m": b"a"})
    entry = disk.store.entry(source.key)
    assert entry is not None
    (disk.tier.path / "snapshots" / entry.snapshot).rename(disk.tier.path / "gone")
    assert not disk.here(source)
    assert not disk.store.hold(entry.snapshot, "pod/1")


def test_torn_records_count_as_absent(disk: Disk) -> None:
    source = disk.publish("s3://a/model", {"m": b"a"})
    disk.store.layout.entry(source.key).write_bytes(b'{"uri": "s3')
    assert not disk.here(source)
    assert list(disk.store.entries()) == []


def test_a_cache_that_can_not_be_opened_says_that_there_is_no_room(tmp_path: Path) -> None:
    """The system's own error ended the control plane, which only looks after the quota."""
    with files_of_at_most(0), pytest.raises(NoRoom, match="make room"):
        Store(tmp_path, (), now=lambda: 0.0)
    assert Store(tmp_path, (), now=lambda: 0.0).tiers == (Tier(tmp_path / "data"),)


def test_blobs_that_nothing_links_to_are_swept(disk: Disk) -> None:
    source = disk.publish("s3://a/model", {"m": b"a" * 10})
    entry = disk.store.entry(source.key)
    assert entry is not None
    assert disk.store.files(entry.snapshot) == (
        FileRecord("m", hashlib.sha256(b"a" * 10).hexdigest(), 10),
    )
    disk.store.forget(entry.snapshot)
    assert disk.store.sweep(disk.tier.path) == 10
