"""A model cache whose remote data are folders of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.modelcache.errors import CacheError, NotThere
from tidegate.modelcache.values import Progress, Snapshot, Stage
from tidegate.node.fetching import Wanted


@dataclass
class FakeFetcher:
    """`data`: URI -> folder. `wrong`: what is raised for a URI until it is taken out. While a URI is in
    `slow` its fetch waits there, at the progress given."""

    data: dict[str, Path]
    wrong: dict[str, CacheError] = field(default_factory=dict)
    slow: dict[str, Progress] = field(default_factory=dict)
    asked: list[Wanted] = field(default_factory=list)
    holds: dict[str, set[str]] = field(default_factory=dict)  # user -> URIs
    _here: set[str] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self, wanted: Wanted, told: Callable[[Progress], None]) -> Snapshot:
        access = wanted.access
        self.asked.append(wanted)
        told(Progress(Stage.LISTING))
        while (at := self.slow.get(access.uri)) is not None:
            told(at)
            await self._changed.wait()
        if access.uri in self.wrong:
            raise self.wrong[access.uri]
        folder = self.data.get(access.uri)
        if folder is None:
            raise NotThere(f"{access.uri}: there is nothing")
        files = [file for file in folder.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        read = 0 if access.uri in self._here else size
        self._here.add(access.uri)
        self.holds.setdefault(wanted.user, set()).add(access.uri)
        return Snapshot(access.uri, folder, size, len(files), read)

    def let(self, uri: str) -> None:
        """A slow fetch goes on."""
        self.slow.pop(uri, None)
        self._changed.set()

    def release(self, user: str) -> None:
        self.holds.pop(user, None)

    def keep_only(self, users: Collection[str]) -> None:
        self.holds = {user: held for user, held in self.holds.items() if user in users}
