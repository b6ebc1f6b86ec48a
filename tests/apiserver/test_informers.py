"""Clients that follow objects for hours, as client-go's informers do: what they know in the end is true.

Virtual time; a log so short that a watch which was away too long is told 410 and has to list again.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.exchange import Ask, Reply, Stream, parse_query
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.apiserver.writes import Writes
from tidegate.model.core import ConfigMap
from tidegate.model.errors import AlreadyExists, ApiError, NotFound
from tidegate.model.meta import ObjectMeta
from tidegate.store import Database, InlineJournal, Store
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime

MAPS = "/api/v1/namespaces/default/configmaps"
HOUR_S = 3600.0


class Server:
    def __init__(self, *, log_size: int) -> None:
        self.clock = LoopClock()
        store = Store(InlineJournal(Database(None)), log_size=log_size)
        self.local = LocalApi(Writes(store, Admission(lambda name: {}), self.clock))
        self.api = Api(self.local.writes, self.clock)

    async def ask(self, query: str) -> Reply | Stream:
        return await self.api.handle(Ask("GET", MAPS, parse_query(query)))

    def truth(self, label: str | None = None) -> dict[str, str]:
        """Name -> version of what is there (and has the label)."""
        return {
            obj.metadata.name: obj.metadata.resource_version or ""
            for obj in self.local.list(ConfigMap, "default")
            if label is None or label in obj.metadata.labels
        }


@dataclass
class Informer:
    """client-go's reflector: list, watch from there, again from where the watch ended; anew after 410.

    `streaming`: no list, the state comes with the watch. `away_s`: how long it sometimes is away.
    """

    server: Server
    dice: random.Random
    streaming: bool = False
    selector: str = ""
    away_s: float = 0.0
    cache: dict[str, str] = field(default_factory=dict)
    version: str = ""
    lists: int = 0
    watches: int = 0
    bookmarks: int = 0

    async def run(self) -> None:
        while True:
            if not self.version and not self.streaming:
                await self._list()
            await self._watch()
            if self.away_s and self.dice.random() < 0.3:
                await self.server.clock.sleep(self.dice.random() * self.away_s)

    async def _list(self) -> None:
        answer = await self.server.ask(f"limit=500&resourceVersion=0{self.selector}")
        assert isinstance(answer, Reply)
        body = json.loads(answer.body)
        self.lists += 1
        self.version = body["metadata"]["resourceVersion"]
        self.cache = {
            i["metadata"]["name"]: i["metadata"]["resourceVersion"] for i in body["items"]
        }

    async def _watch(self) -> None:
        query = f"watch=true&allowWatchBookmarks=true&timeoutSeconds={self.dice.randint(30, 120)}"
        if self.version:
            query += f"&resourceVersion={self.version}"
        else:
            query += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            self.cache, self.lists = {}, self.lists + 1
        stream = await self.server.ask(query + self.selector)
        assert isinstance(stream, Stream)
        self.watches += 1
        try:
            async for chunk in stream.chunks:
                for line in chunk.splitlines():
                    if not self._take(json.loads(line)):
                        return
        finally:
            stream.release()

    def _take(self, event: dict[str, Any]) -> bool:
        """One event; False when the stream is of no use any more."""
        obj = event["object"]
        if event["type"] == "ERROR":
            assert obj["code"] == 410
            self.version = ""
            return False
        version = obj["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            self.bookmarks += 1
            self.version = version
            return True
        name = obj["metadata"]["name"]
        if event["type"] == "DELETED":
            assert name in self.cache, "deleted, and nobody had told of it"
            del self.cache[name]
        else:
            assert (event["type"] == "ADDED") == (name not in self.cache)
            assert int(version) > int(self.cache.get(name, 0))
            self.cache[name] = version
        if self.version:
            self.version = version
        return True


async def somebody_writes(server: Server, dice: random.Random, *, pause_s: float) -> None:
    """Objects that come, change, gain and lose a label, and go."""
    while True:
        await server.clock.sleep(dice.random() * pause_s)
        name = f"c{dice.randrange(12)}"
        labels = {"mine": "yes"} if dice.random() < 0.5 else {}
        meta = ObjectMeta(name=name, namespace="default", labels=labels)
        obj = ConfigMap(metadata=meta, data={"n": str(dice.random())})
        try:
            match dice.randrange(2):
                case 0:
                    await server.local.create(obj)
                case 1:
                    await server.local.update(obj)
                case _:
                    await server.local.delete(ConfigMap, "default", name)
        except (AlreadyExists, NotFound):
            continue


async def hours_of(
    server: Server, informers: list[Informer], dice: random.Random, *, pause_s: float = 20.0
) -> None:
    """Two hours of writing and following, then quiet until everybody has heard the last of it."""
    await ensure_namespaces(server.local)
    async with asyncio.TaskGroup() as group:
        following = [group.create_task(informer.run()) for informer in informers]
        writing = group.create_task(somebody_writes(server, dice, pause_s=pause_s))
        await server.clock.sleep(2 * HOUR_S)
        writing.cancel()
        await server.clock.sleep(HOUR_S / 2)
        for task in following:
            task.cancel()


@pytest.mark.parametrize("streaming", [False, True], ids=["list and watch", "streaming list"])
@pytest.mark.parametrize("seed", range(2))
async def test_who_stays_lists_once_in_hours_of_watches_that_end(seed, streaming):
    server, dice = Server(log_size=1000), random.Random(seed)
    informer = Informer(server, dice, streaming=streaming)
    await hours_of(server, [informer], dice)
    assert informer.cache == server.truth()
    assert informer.lists == 1
    assert informer.watches > 40
    assert informer.bookmarks >= informer.watches - 1


@pytest.mark.parametrize("streaming", [False, True], ids=["list and watch", "streaming list"])
@pytest.mark.parametrize("seed", range(2))
async def test_who_was_away_too_long_lists_again_and_knows_everything(seed, streaming):
    server, dice = Server(log_size=8), random.Random(seed)
    informer = Informer(server, dice, streaming=streaming, away_s=400)
    await hours_of(server, [informer], dice)
    assert informer.cache == server.truth()
    assert informer.lists > 3


async def test_a_selector_sees_what_begins_and_ceases_to_match():
    server, dice = Server(log_size=8), random.Random(5)
    mine = Informer(server, dice, selector="&labelSelector=mine", away_s=400)
    every = Informer(server, dice)
    await hours_of(server, [mine, every], dice)
    assert mine.cache == server.truth("mine")
    assert every.cache == server.truth()


async def test_a_bookmark_saves_a_quiet_kind_from_listing_again():
    """Other kinds' writes run through the log while nothing of this one happens."""
    server, dice = Server(log_size=20), random.Random(1)
    await ensure_namespaces(server.local)
    informer = Informer(server, dice)

    async def others() -> None:
        for number in range(300):
            await server.clock.sleep(10)
            try:
                await server.local.create(
                    ConfigMap(metadata=ObjectMeta(name=f"n{number}", namespace="kube-system"))
                )
            except ApiError as why:  # nothing may be wrong with these
                raise AssertionError from why

    async with asyncio.TaskGroup() as group:
        following = group.create_task(informer.run())
        await others()
        following.cancel()
    assert informer.lists == 1
    assert informer.watches > 20
