"""`ModelCache`: what everybody else uses. Reads the disk, and starts a process for all that takes long."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from tidegate.kit.clock import Clock
from tidegate.modelcache.asking import ask
from tidegate.modelcache.errors import Interrupted
from tidegate.modelcache.jobs import Fetched, Job, Listed, Rehashed
from tidegate.modelcache.layout import read_json
from tidegate.modelcache.patience import Patience
from tidegate.modelcache.records import EntryRecord, ProgressRecord
from tidegate.modelcache.removing import prune, remove
from tidegate.modelcache.room import Rooms
from tidegate.modelcache.source import Source
from tidegate.modelcache.store import Store
from tidegate.modelcache.tally import read_progress
from tidegate.modelcache.values import (
    Entry,
    Known,
    Listing,
    Medium,
    Progress,
    Snapshot,
    Tier,
    TierUse,
    Verified,
)

Told = Callable[[Progress], None]


class ModelCache:
    """One cache folder. Any number of processes may have it open; see the room's README."""

    def __init__(
        self,
        root: Path,
        tiers: tuple[Tier, ...] = (),
        *,
        clock: Clock,
        python: str = sys.executable,
        patience: Patience | None = None,
    ) -> None:
        """No tiers: those it was last opened with, else one without a quota inside `root`."""
        self.root = root
        self._store = Store(root, tiers, now=clock.now)
        self._rooms = Rooms(self._store)
        self._clock, self._python, self._patience = clock, python, patience or Patience()
        self._flights: dict[str, _Flight] = {}

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Where snapshots are; may be set while it runs."""
        return self._store.tiers

    @tiers.setter
    def tiers(self, tiers: tuple[Tier, ...]) -> None:
        self._store.set_tiers(tiers)
        self.trim()

    def trim(self) -> None:
        """Evict down to the low watermark where a tier is above its high one. Blocking."""
        self._rooms.trim()

    async def ensure(
        self,
        source: Source,
        *,
        holder: str | None = None,
        check_after_s: float | None = None,
        priority: int = 0,
        on_progress: Told | None = None,
        timeout_s: float | None = None,
    ) -> Snapshot:
        """The published snapshot of a source, fetched if it isn't here, held by `holder`.

        `check_after_s` None: what is published is used without asking its store. Raises `CacheError`,
        `TimeoutError` after `timeout_s`. Cancelling ends only this caller's waiting.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                ready = self._ready(source, holder, check_after_s)
                if ready is not None:
                    return ready
                said = await self._fetched(
                    source,
                    Job("fetch", "", check_after_s=check_after_s, priority=priority, holder=holder),
                    on_progress,
                )
                entry = self._store.entry(source.key)
                snapshot = self._store.snapshot(entry) if entry else None
                if snapshot is None or (holder and not self._store.hold(snapshot.id, holder)):
                    continue  # evicted between its publishing and our looking
                return replace(snapshot, read_bytes=said.read_bytes, stale=said.stale)

    def _ready(
        self, source: Source, holder: str | None, check_after_s: float | None
    ) -> Snapshot | None:
        entry = self._store.entry(source.key)
        if entry is None:
            return None
        age_s = self._clock.now() - entry.checked_at
        if check_after_s is not None and not 0 <= age_s < check_after_s:
            return None
        snapshot = self._store.snapshot(entry)
        if snapshot is None or (holder and not self._store.hold(snapshot.id, holder)):
            return None
        return snapshot

    async def _fetched(self, source: Source, job: Job, told: Told | None) -> Fetched:
        """One process for all callers of this source; the first one's task runs it.

        When that task is cancelled the next caller starts a process, which goes on from the journal.
        """
        while True:
            flight = self._flights.get(source.key)
            if flight is None:
                break
            outcome = await flight.wait(told)
            if isinstance(outcome, Fetched):
                return replace_read(outcome)
            if outcome is not None:
                raise outcome
        flight = self._flights[source.key] = _Flight(told)
        try:
            said = await ask(self._python, self._job(source, job), flight.say)
            if not isinstance(said, Fetched):
                raise Interrupted(f"{source.shown}: the fetching process answered something else")
            flight.end(said)
            return said
        except Exception as why:
            flight.end(why)
            raise
        finally:
            del self._flights[source.key]
            flight.end(None)

    def _job(self, source: Source, job: Job) -> Job:
        return msgspec.structs.replace(
            job,
            root=str(self.root),
            uri=source.uri,
            access=source.access,
            patience=self._patience,
        )

    async def listing(self, source: Source) -> Listing:
        """What the store holds now. Raises `CacheError`."""
        said = await ask(self._python, self._job(source, Job("list", "")), lambda _: None)
        assert isinstance(said, Listed)
        return said.listing

    async def verify(self, source: Known | None = None) -> Verified:
        """Hash again what is published; what is broken is taken away and fetched at the next `ensure`."""
        job = Job("verify", str(self.root), key=source.key if source else "")
        said = await ask(self._python, job, lambda _: None)
        assert isinstance(said, Rehashed)
        return Verified(said.good, said.broken)

    def find(self, source: Source) -> Snapshot | None:
        """What is published. No network, no process."""
        entry = self._store.entry(source.key)
        return self._store.snapshot(entry) if entry else None

    def cached(self, source: Source, listing: Listing) -> tuple[int, int]:
        """(bytes, files) of a listing that are here, fetched as this source or as parts of it."""
        here = [file for file in listing.files if self._store.blob_of(source, file)]
        return sum(file.size for file in here), len(here)

    def progress(self, source: Source) -> Progress | None:
        """Of a fetch of it in any process."""
        if not self._store.fetching(source.key):
            return None
        return read_progress(self._store.layout.progress(source.key))

    def hold(self, snapshot_id: str, holder: str) -> bool:
        """The snapshot isn't evicted until `release`; False: it is gone already."""
        return self._store.hold(snapshot_id, holder)

    def release(self, holder: str) -> int:
        """End all holds of a holder; how many there were."""
        return self._store.holds.release(holder)

    def holders(self) -> dict[str, frozenset[str]]:
        """Holder -> ids of the snapshots it holds."""
        return self._store.holds.all()

    def pin(self, source: Known, owner: str) -> None:
        """The source isn't evicted until every owner unpins it; may be said before it is fetched."""
        self._store.holds.pin(source.key, owner)

    def unpin(self, source: Known, owner: str | None) -> int:
        """One owner's pin ends, or (None) everybody's; how many did."""
        return self._store.holds.unpin(source.key, owner)

    def remove(self, source: Known) -> int:
        """Take a source away; bytes that became free. Raises `Held`; what isn't here is fine."""
        return remove(self._store, source)

    def prune(self) -> int:
        """Remove everything that nobody holds or pins, what ended fetches left too; bytes freed."""
        return prune(self._store)

    def entries(self) -> tuple[Entry, ...]:
        """All sources that the cache knows, those that are being fetched for the first time too."""
        known = {key: self._entry(key, entry) for key, entry in self._store.entries()}
        for path in sorted(self._store.layout.entries.glob("*.progress")):
            record = read_json(path, ProgressRecord)
            if record is not None and path.stem not in known and self._store.fetching(path.stem):
                known[path.stem] = Entry(
                    path.stem,
                    record.uri,
                    record.endpoint,
                    None,
                    pinned_by=self._store.holds.owners(path.stem),
                    progress=read_progress(path),
                )
        return tuple(known.values())

    def _entry(self, key: str, entry: EntryRecord) -> Entry:
        record = self._store.snapshot_record(entry.snapshot)
        media = {str(tier.path): tier.medium for tier in self.tiers}
        fetching = self._store.fetching(key)
        return Entry(
            key=key,
            uri=entry.uri,
            endpoint=entry.endpoint,
            snapshot=self._store.snapshot(entry),
            medium=media.get(record.tier, Medium.SSD) if record else None,
            pinned_by=self._store.holds.owners(key),
            held_by=self._store.holds.holders(entry.snapshot),
            priority=record.priority if record else 0,
            checked_at=entry.checked_at,
            used_at=record.used_at if record else 0.0,
            progress=read_progress(self._store.layout.progress(key)) if fetching else None,
        )

    def usage(self) -> tuple[TierUse, ...]:
        """How full the tiers are."""
        return self._rooms.usage()


def replace_read(said: Fetched) -> Fetched:
    """The answer for those who waited with another one: it read, they did not."""
    return Fetched(0, said.stale)


class _Flight:
    """A fetch that several callers wait for."""

    def __init__(self, told: Told | None) -> None:
        self._told = [told] if told else []
        self._ended = asyncio.Event()
        self._outcome: Fetched | Exception | None = None

    def say(self, progress: Progress) -> None:
        for told in self._told:
            told(progress)

    def end(self, outcome: Fetched | Exception | None) -> None:
        """The first word counts; None: nobody knows, look again."""
        if not self._ended.is_set():
            self._outcome = outcome
            self._ended.set()

    async def wait(self, told: Told | None) -> Fetched | Exception | None:
        if told is not None:
            self._told.append(told)
        try:
            await self._ended.wait()
            return self._outcome
        finally:
            if told is not None:
                self._told.remove(told)
