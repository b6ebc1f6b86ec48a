"""What a pod has to have fetched before it starts, and what is told of that meanwhile.

The fetching itself is the model cache's, behind `Fetcher`: one download for all who ask, and folders
that stay as long as a pod holds them. Events and the container's waiting message say how far it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from tidegate.kit.sizes import bytes_text
from tidegate.model.apps import ReplicaSet
from tidegate.model.conditions import seconds_of
from tidegate.model.jobs import Job
from tidegate.model.meta import Object
from tidegate.modelcache.errors import CacheError, Unreachable
from tidegate.modelcache.values import Progress, Snapshot
from tidegate.node.record import NORMAL, Around, PodRecord
from tidegate.policy.cache_place import CachePlace
from tidegate.policy.storage_access import Access

_TELL_EVERY_S = 10.0  # events of one long fetch
_SHOW_EVERY_S = 1.0  # the waiting message, which is a write of the pod's status
_OWNERS: dict[str, type[Object]] = {"ReplicaSet": ReplicaSet, "Job": Job}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Data that somebody asks a model cache for."""

    access: Access
    user: str  # holds what it got until it is released
    place: CachePlace | None = None  # None: the default cache
    check_after_s: float | None = None  # ask the store anew if it was asked longer ago; None: never


class Fetcher(Protocol):
    """What a node needs of a model cache."""

    async def fetch(self, wanted: Wanted, told: Callable[[Progress], None]) -> Snapshot:
        """Raises `CacheError`."""
        ...

    def release(self, user: str) -> None: ...

    def keep_only(self, users: Collection[str]) -> None:
        """Release what everybody else holds: those who are gone."""
        ...


class PodFetches:
    """One pod's. Owned by the pod's tasks; `leaving` ends its waiting."""

    def __init__(self, around: Around, record: PodRecord, leaving: asyncio.Event) -> None:
        self._around, self._record, self._leaving = around, record, leaving

    async def fetch(
        self, access: Access, show: Callable[[str], None], *, place: CachePlace | None = None
    ) -> Snapshot | None:
        """None: the pod is leaving. `show` is given sentences on how far it is. Raises `CacheError`."""
        fetcher = self._around.fetcher
        if fetcher is None:
            raise Unreachable(f"{access.uri}: this node has no model cache")
        telling = _Telling(self._around, self._record, access.uri, show)
        wanted = Wanted(
            access=access,
            user=self._record.uid,
            place=place,
            check_after_s=check_after_s(self._around, self._record),
        )
        asking = asyncio.ensure_future(fetcher.fetch(wanted, telling.on))
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            found = asking.result() if asking.done() else None
        finally:
            for task in (asking, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError, CacheError):
                    await task
        if found is not None:
            telling.done(found)
        return found


def check_after_s(around: Around, record: PodRecord) -> float:
    """Replicas of one revision all get the same data: the store is asked once after their owner (a
    ReplicaSet, a Job) was made, so a new revision or a restart of a rollout gets what is new."""
    meta = record.pod.metadata
    made = meta.creation_timestamp
    for ref in meta.owner_references:
        type_ = _OWNERS.get(ref.kind)
        owner = around.api.get(type_, meta.namespace or "", ref.name) if type_ else None
        if owner is not None:
            made = owner.metadata.creation_timestamp
    if made is None:
        return 0.0
    return max(0.0, around.clock.now() - seconds_of(made))


class _Telling:
    """Turns progress into sentences, and some of them into events."""

    def __init__(
        self, around: Around, record: PodRecord, uri: str, show: Callable[[str], None]
    ) -> None:
        self._around, self._record, self._uri, self._show = around, record, uri, show
        self._began_s = around.clock.monotonic()
        self._shown_s = self._told_s = float("-inf")

    def on(self, seen: Progress) -> None:
        now_s = self._around.clock.monotonic()
        text = progress_text(self._uri, seen)
        if now_s - self._shown_s >= _SHOW_EVERY_S:
            self._shown_s = now_s
            self._show(text)
        if seen.total_bytes is not None and now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            self._around.say(self._record.pod, NORMAL, "Fetching", text)

    def done(self, found: Snapshot) -> None:
        size = f"{bytes_text(found.total_bytes)}, {counted(found.files)}"
        if found.read_bytes:
            took_s = max(0.001, self._around.clock.monotonic() - self._began_s)
            rate = bytes_text(round(found.read_bytes / took_s))
            read = (
                ""
                if found.read_bytes >= found.total_bytes
                else (f", {bytes_text(found.read_bytes)} of it new")
            )
            text = f"Fetched {self._uri} ({size}{read}) in {took_s:.3g}s, {rate}/s"
        else:
            text = f"{self._uri} ({size}) is in the model cache already"
        if found.stale:
            text += f"; whether there is a newer one is not known: {found.stale}"
        self._around.say(self._record.pod, NORMAL, "Fetched", text)


def counted(files: int) -> str:
    return f"{files} file{'' if files == 1 else 's'}"


def progress_text(uri: str, seen: Progress) -> str:
    """`fetching s3://b/iris: 120.00MiB of 500.00MiB (24%), 80.00MiB/s, 5s left`."""
    if seen.total_bytes is None:
        text = f"fetching {uri}: asking what is there"
    else:
        total = seen.total_bytes
        share = 100 * seen.done_bytes // total if total else 100
        text = f"fetching {uri}: {bytes_text(seen.done_bytes)} of {bytes_text(total)} ({share}%)"
    if seen.rate > 0:
        text += f", {bytes_text(round(seen.rate))}/s"
    if seen.left_s is not None:
        text += f", {seen.left_s:.0f}s left"
    return f"{text} ({seen.note})" if seen.note else text
