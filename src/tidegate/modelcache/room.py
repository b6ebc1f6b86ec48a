"""Room in the tiers: chosen, reserved and made before a byte is read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tidegate.kit.sizes import bytes_text
from tidegate.modelcache.errors import NoRoom
from tidegate.modelcache.evict import Candidate, Room, make_room
from tidegate.modelcache.layout import delete_tree, read_json, replace_json, staging
from tidegate.modelcache.source import Source
from tidegate.modelcache.store import Store
from tidegate.modelcache.values import RemoteFile, Tier, TierUse

DISK_MARGIN_BYTES = 64 << 20
"""Left free on a disk that others use too: a full disk stops more than a fetch."""

_MINE = "what this fetch takes from the cache"


class Rooms:
    """The tiers of a cache as places with room. Every decision is one step under the cache's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def choose(self, source: Source, files: Iterable[RemoteFile]) -> Tier:
        """The first tier that has room for the files or can make it; makes it and reserves it.

        What a tier has of them already takes no room, and isn't evicted for them. Raises `NoRoom`.
        """
        files = tuple(files)
        whole = max(1, sum(max(0, file.size) for file in files))
        refused: list[str] = []
        with self._store.locked():
            for tier in self._store.tiers:
                here = self._here(source, files, tier)
                need = max(1, whole - sum(here.values()))
                room = self._room(tier, need, mine=source.key, here=here)
                if not room.enough and self._drop_leftovers(tier, but=source.key):
                    room = self._room(tier, need, mine=source.key, here=here)
                if room.enough:
                    self._evict(tier, room)
                    work = staging(tier.path, source.key)
                    work.mkdir(mode=0o700, parents=True, exist_ok=True)
                    replace_json(work / "reserved", need)
                    return tier
                refused.append(_why(tier, whole, need, room))
        raise NoRoom(f"{source.shown} doesn't fit: {'; '.join(refused)}")

    def grow(self, source: Source, tier: Tier, need_bytes: int) -> None:
        """A fetch needs more than it knew: reserve it in its tier. Raises `NoRoom`."""
        with self._store.locked():
            room = self._room(tier, need_bytes, mine=source.key)
            if not room.enough:
                why = _why(tier, need_bytes, need_bytes, room)
                raise NoRoom(f"{source.shown} doesn't fit: {why}")
            self._evict(tier, room)
            replace_json(staging(tier.path, source.key) / "reserved", need_bytes)

    def trim(self) -> tuple[str, ...]:
        """Evict down to the low watermark where a tier is above the high one; ids that went."""
        gone: list[str] = []
        with self._store.locked():
            for tier in self._store.tiers:
                room = self._room(tier, 0, mine="")
                gone += room.evict
                self._evict(tier, room)
        return tuple(gone)

    def usage(self) -> tuple[TierUse, ...]:
        """How full the tiers are."""
        found = []
        for tier in self._store.tiers:
            room = self._room(replace(tier, quota_bytes=None), 0, mine="")
            found.append(TierUse(tier, room.after_bytes, _free(tier.path)))
        return tuple(found)

    def _here(self, source: Source, files: Iterable[RemoteFile], tier: Tier) -> dict[str, int]:
        """Blobs of the tier that the files are, with their sizes."""
        found = (self._store.blob_of(source, file) for file in files)
        return {
            digest: path.stat().st_size
            for path, digest in (one for one in found if one is not None)
            if path.is_relative_to(tier.path)
        }

    def _room(
        self, tier: Tier, need: int, *, mine: str, here: dict[str, int] | None = None
    ) -> Room:
        sizes = dict(here or {})
        candidates = [Candidate(_MINE, frozenset(sizes), 0, 0, kept=True)] if sizes else []
        pinned = self._pinned()
        for path in self._store.layout.snapshots.glob("*.json"):
            if path.name.endswith(".files.json"):
                continue
            record = self._store.snapshot_record(path.stem)
            if record is None or record.tier != str(tier.path):
                continue
            files = self._store.files(record.id)
            sizes.update((file.blob, file.size) for file in files)
            candidates.append(
                Candidate(
                    record.id,
                    frozenset(file.blob for file in files),
                    record.priority,
                    record.used_seq,
                    kept=record.id in pinned or bool(self._store.holds.holders(record.id)),
                )
            )
        reserved = sum(
            read_json(work / "reserved", int) or 0
            for work in (tier.path / "staging").iterdir()
            if work.name != mine
        )
        quota, high, low = tier.quota_bytes, tier.high, tier.low
        if need:  # the disk is a limit too; what a try of ours has left there counts as free
            left = _bytes_below(staging(tier.path, mine) / "parts") if mine else 0
            used = reserved + sum(sizes.values())
            disk = used + _free(tier.path) + left - DISK_MARGIN_BYTES
            if quota is None or disk < quota:
                quota, high, low = max(disk, 1), 1.0, 1.0
        return make_room(
            candidates,
            sizes,
            quota_bytes=quota,
            high=high,
            low=low,
            need_bytes=need,
            other_bytes=reserved,
        )

    def _pinned(self) -> set[str]:
        return {
            entry.snapshot for key, entry in self._store.entries() if self._store.holds.owners(key)
        }

    def _evict(self, tier: Tier, room: Room) -> None:
        if room.evict:
            for snapshot_id in room.evict:
                self._store.forget(snapshot_id)
            self._store.sweep(tier.path)

    def _drop_leftovers(self, tier: Tier, *, but: str) -> bool:
        """Delete what ended fetches have left; True: there was something."""
        found = False
        for work in list((tier.path / "staging").iterdir()):
            if work.name != but and not self._store.fetching(work.name):
                delete_tree(work)
                found = True
        if found:
            self._store.sweep(tier.path)
        return found


def _why(tier: Tier, whole_bytes: int, need_bytes: int, room: Room) -> str:
    where = f"tier {tier.medium} at {tier.path}"
    quota_bytes, free_bytes = tier.quota_bytes, _free(tier.path)
    need = bytes_text(need_bytes)
    if quota_bytes is None or (free_bytes < need_bytes and whole_bytes <= quota_bytes):
        return f"{need} are needed and {bytes_text(free_bytes)} are free on the disk of {where}"
    quota = f"the quota {bytes_text(quota_bytes)} of {where}"
    if whole_bytes > quota_bytes:
        return f"{bytes_text(whole_bytes)} are more than {quota}: raise it"
    return f"{need} are needed, and of {quota} {bytes_text(room.kept_bytes)} are in use or pinned"


def _free(path: Path) -> int:
    about = os.statvfs(path)
    return about.f_bavail * about.f_frsize


def _bytes_below(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return total
