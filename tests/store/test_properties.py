"""Whatever happens to it, the store loses nothing acknowledged, never repeats a version, and its
watch log tells exactly how one state became the next."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.model.changes import ChangeType
from tidegate.model.core import ConfigMap
from tidegate.model.errors import Expired, StorageFull
from tidegate.model.meta import Key, ObjectMeta
from tidegate.store import Database, InlineJournal, Store
from tidegate.store.record import Record

NAMES = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.integers(0, 99)


class FlakyDatabase(Database):
    """The real one, on a disk that is full when told so."""

    full = False

    def commit(self, batch: Sequence[Record]) -> None:
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        super().commit(batch)


def config(name: str, value: int) -> ConfigMap:
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}")
    return ConfigMap(metadata=meta, data={"v": str(value)})


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.acknowledged: dict[str, str] = {}
        self.history: dict[int, dict[str, str]] = {}  # state at each version since the last start
        self.highest = 0
        self.lives = 0
        self.start(self.folder / "0.db")

    def start(self, path: Path) -> None:
        self.database = FlakyDatabase(path)
        self.store = Store(InlineJournal(self.database), log_size=12)
        self.history = {self.store.version: dict(self.acknowledged)}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def acknowledge(self, version: str | None, name: str, value: str | None) -> None:
        number = int(version or 0)
        assert number > self.highest, "a version was handed out twice"
        self.highest = number
        if value is None:
            del self.acknowledged[name]
        else:
            self.acknowledged[name] = value
        self.history[number] = dict(self.acknowledged)

    @rule(name=NAMES, value=VALUES, durable=st.booleans())
    def put(self, name: str, value: int, durable: bool) -> None:
        made = self.run(self.store.put(config(name, value), durable=durable))
        self.acknowledge(made.metadata.resource_version, name, str(value))

    @rule(writes=st.lists(st.tuples(NAMES, VALUES), min_size=2, max_size=6))
    def put_at_once(self, writes: list[tuple[str, int]]) -> None:
        async def together() -> list[ConfigMap]:
            return await asyncio.gather(
                *(self.store.put(config(n, v), durable=False) for n, v in writes)
            )

        for made, (name, value) in zip(self.run(together()), writes, strict=True):
            self.acknowledge(made.metadata.resource_version, name, str(value))

    @precondition(lambda self: self.acknowledged)
    @rule(data=st.data(), durable=st.booleans())
    def remove(self, data: st.DataObject, durable: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.acknowledged)))
        old = self.store.get(ConfigMap, "default", name)
        assert old is not None
        gone = self.run(self.store.remove(old, durable=durable))
        self.acknowledge(gone.metadata.resource_version, name, None)

    @rule(writes=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4))
    def disk_full(self, writes: list[tuple[str, int]]) -> None:
        async def together() -> list[Any]:
            return await asyncio.gather(
                *(self.store.put(config(n, v), durable=True) for n, v in writes),
                return_exceptions=True,
            )

        self.database.full = True
        results = self.run(together())
        self.database.full = False
        assert all(isinstance(r, StorageFull) for r in results)

    @rule()
    def killed(self) -> None:
        """What is on disk at this moment is all that the next life gets."""
        self.lives += 1
        after = self.folder / f"{self.lives}.db"
        for suffix in ("", "-wal"):
            before = Path(f"{self.database.path}{suffix}")
            if before.exists():
                shutil.copy(before, f"{after}{suffix}")
        self.database.close()
        self.start(after)
        assert self.store.version >= self.highest, "versions may repeat after a restart"

    @invariant()
    def reads_what_was_acknowledged(self) -> None:
        seen = {o.metadata.name: o.data["v"] for o in self.store.list(ConfigMap)}
        assert seen == self.acknowledged
        for name in "abcd":
            latest = self.store.latest(ConfigMap, "default", name)
            assert latest == self.store.get(ConfigMap, "default", name)
            found = self.store.by_uid(f"uid-{name}")
            assert (found.key if found else None) == (
                Key("default", name) if name in self.acknowledged else None
            )

    @invariant()
    def a_watch_from_any_version_tells_the_difference(self) -> None:
        for version, state in self.history.items():
            try:
                entries = list(self.store.since(version))
            except Expired:
                assert self.store.state().logged == 12
                continue
            replayed = dict(state)
            for entry in entries:
                obj = entry.change.object
                if entry.change.type is ChangeType.DELETED:
                    del replayed[obj.metadata.name]
                else:
                    assert (entry.change.type is ChangeType.ADDED) == (
                        obj.metadata.name not in replayed
                    )
                    replayed[obj.metadata.name] = obj.data["v"]
            assert replayed == self.acknowledged

    def teardown(self) -> None:
        self.database.close()
        self.loop.close()
        shutil.rmtree(self.folder)


StoreMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestStore = pytest.mark.slow(StoreMachine.TestCase)
