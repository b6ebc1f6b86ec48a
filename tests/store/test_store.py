"""The store with its writer thread and its file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tidegate.model.changes import Change, ChangeType
from tidegate.model.core import ConfigMap
from tidegate.model.errors import Expired, StorageFull, Timeout
from tidegate.model.meta import Object, ObjectMeta, OwnerReference
from tidegate.model.pods import Pod
from tidegate.model.serving import Route, RouteSpec, TrafficTarget
from tidegate.store import (
    Corrupt,
    Database,
    InlineJournal,
    InUse,
    Logged,
    NewerSchema,
    NotOpened,
    Store,
    ThreadedJournal,
    Unreadable,
)
from tidegate.store.watchlog import WatchLog


def config(name: str, *, size: int = 1, owner: str | None = None) -> ConfigMap:
    refs = (OwnerReference(api_version="v1", kind="X", name="x", uid=owner),) if owner else ()
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", owner_references=refs)
    return ConfigMap(metadata=meta, data={"v": "x" * size})


def threaded(path: Path, *, max_bytes: int | None = None) -> Store:
    return Store(ThreadedJournal(Database(path, max_bytes=max_bytes)))


async def test_a_closed_store_reopens_with_everything_in_it(tmp_path):
    store = threaded(tmp_path / "state.db")
    made = await store.put(config("a"), durable=True)
    await store.put(config("b"), durable=False)
    await store.remove(await store.put(config("c"), durable=False), durable=False)
    await store.close()
    again = threaded(tmp_path / "state.db")
    assert [o.metadata.name for o in again.list(ConfigMap)] == ["a", "b"]
    assert again.get(ConfigMap, "default", "a") == made
    assert again.version >= store.version
    await again.close()


async def test_many_writers_at_once_are_published_in_version_order(tmp_path):
    store = threaded(tmp_path / "state.db")
    seen: list[int] = []
    store.subscribe([ConfigMap], lambda logged: seen.append(logged.version))
    await asyncio.gather(*(store.put(config(f"n{i}"), durable=i % 7 == 0) for i in range(500)))
    await store.close()
    assert seen == sorted(seen)
    assert len(seen) == 500


async def test_a_full_disk_refuses_everything_behind_it_and_goes_on_when_there_is_room(tmp_path):
    store = threaded(tmp_path / "state.db", max_bytes=200_000)
    kept = await store.put(config("kept"), durable=True)
    results = await asyncio.gather(
        store.put(config("big", size=400_000), durable=True),
        store.put(config("behind"), durable=False),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [StorageFull, StorageFull]
    assert "everything acknowledged before is safe" in str(results[0])
    assert store.list(ConfigMap) == [kept]
    assert store.latest(ConfigMap, "default", "behind") is None
    after = await store.put(config("after"), durable=True)
    await store.close()
    again = threaded(tmp_path / "state.db")
    assert again.list(ConfigMap) == [after, kept]
    await again.close()


async def test_a_cancelled_writer_does_not_take_its_write_back(tmp_path):
    store = threaded(tmp_path / "state.db")
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(store.put(config("a"), durable=True))
        await asyncio.sleep(0)
        writing.cancel()
    await store.close()
    again = threaded(tmp_path / "state.db")
    assert [o.metadata.name for o in again.list(ConfigMap)] == ["a"]
    await again.close()


async def test_space_of_deleted_objects_is_used_again(tmp_path):
    store = threaded(tmp_path / "state.db")
    for _ in range(3):
        made = await asyncio.gather(
            *(store.put(config(f"n{i}", size=5_000), durable=False) for i in range(400))
        )
        await asyncio.gather(*(store.remove(obj, durable=False) for obj in made))
    await store.close()
    assert (tmp_path / "state.db").stat().st_size < 4_000_000


async def test_watches_resume_within_the_log_and_are_told_when_it_is_too_late():
    store = Store(InlineJournal(Database(None)), log_size=3)
    versions = [
        int((await store.put(config(f"n{i}"), durable=False)).metadata.resource_version)
        for i in range(5)
    ]
    assert [e.version for e in store.since(versions[1])] == versions[2:]
    with pytest.raises(Expired, match="too old resource version"):
        store.since(versions[0])
    with pytest.raises(Timeout, match="Too large resource version"):
        store.since(versions[-1] + 1)


def test_a_log_of_large_objects_is_shorter():
    log = WatchLog(100, floor=0, most_bytes=1000)
    for version in range(1, 11):
        change = Change(ChangeType.ADDED, config(f"n{version}"), None)
        log.append(Logged(version, change, size=300))
    assert [entry.version for entry in log.since(7)] == [8, 9, 10]
    with pytest.raises(Expired):
        log.since(6)
    log.append(Logged(11, Change(ChangeType.ADDED, config("huge"), None), size=5000))
    assert [entry.version for entry in log.since(10)] == [11]  # the newest stays, whatever its size


async def test_one_watcher_that_fails_does_not_blind_the_others():
    store = Store(InlineJournal(Database(None)))
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))
    seen: list[Logged] = []

    def broken(_: Logged) -> None:
        raise ZeroDivisionError

    store.subscribe([ConfigMap], broken)
    store.subscribe([ConfigMap], seen.append)
    await store.put(config("a"), durable=False)
    assert len(seen) == 1
    assert len(reported) == 1


async def test_dependents_are_found_by_their_owners_uid():
    store = Store(InlineJournal(Database(None)))
    child = await store.put(config("child", owner="uid-owner"), durable=False)
    await store.put(config("other"), durable=False)
    assert store.list(ConfigMap, owner_uid="uid-owner") == [child]
    released = await store.put(config("child"), durable=False)
    assert store.list(ConfigMap, owner_uid="uid-owner") == []
    assert store.by_uid("uid-child") is released


def test_nobody_else_may_read_what_holds_secrets(tmp_path):
    path = tmp_path / "state.db"
    path.touch(mode=0o644)  # as an earlier version made it
    database = Database(path)
    try:
        files = list(tmp_path.iterdir())
        assert path in files
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    finally:
        database.close()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    Database(tmp_path / "state.db").close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    connection.close()
    with pytest.raises(NewerSchema, match="written by a newer Tidegate"):
        Database(tmp_path / "state.db")


@pytest.mark.parametrize("damage", ["text", "page"])
def test_a_damaged_file_is_refused_with_the_way_out(tmp_path, damage):
    path = tmp_path / "state.db"
    database = Database(path)
    database.close()
    if damage == "text":
        path.write_text("this is not a database at all, it is a text of some length")
    else:
        raw = bytearray(path.read_bytes())
        raw[4096 * 2 : 4096 * 3] = b"\xff" * 4096
        path.write_bytes(raw)
    with pytest.raises(Corrupt, match="Move it away"):
        Store(InlineJournal(Database(path)))


def test_a_folder_that_is_not_there_is_no_damage(tmp_path):
    with pytest.raises(NotOpened, match="check that its folder exists"):
        Database(tmp_path / "nowhere" / "state.db")


def test_a_second_engine_on_the_same_file_is_refused(tmp_path):
    first = Database(tmp_path / "state.db")
    with pytest.raises(InUse, match="open in another process"):
        Database(tmp_path / "state.db", busy_s=0.0)
    first.close()


def test_an_object_of_a_kind_we_do_not_know_is_never_dropped_silently(tmp_path):
    database = Database(tmp_path / "state.db")
    database.close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("INSERT INTO objects VALUES ('widgets.x.y', 'default', 'w', 1, '{}')")
    connection.close()
    database = Database(tmp_path / "state.db")
    with pytest.raises(Unreadable, match=r"widgets\.x\.y default/w"):
        Store(InlineJournal(database))
    database.close()


async def test_lists_of_a_namespace_hold_only_its_objects():
    store = Store(InlineJournal(Database(None)))

    async def put(namespace: str, name: str) -> Object:
        meta = ObjectMeta(name=name, namespace=namespace, uid=f"{namespace}/{name}")
        return await store.put(ConfigMap(metadata=meta), durable=False)

    for namespace in ("a", "a-b", "aa", "b"):
        await put(namespace, "x")
    assert [o.metadata.namespace for o in store.list(ConfigMap, "a")] == ["a"]
    assert [o.metadata.namespace for o in store.list(ConfigMap, "aa")] == ["aa"]
    assert len(store.list(ConfigMap)) == 4


async def test_objects_are_found_by_the_names_they_mention():
    store = Store(InlineJournal(Database(None)))
    put = partial(store.put, durable=False)
    await put(route("b", configuration="one"))
    first = await put(route("a", configuration="one"))
    assert names_of(store.list(Route, "default", mentions="one")) == ["a", "b"]
    await put(route("a", configuration="two"))
    assert names_of(store.list(Route, "default", mentions="one")) == ["b"]
    assert names_of(store.list(Route, "default", mentions="two")) == ["a"]
    assert names_of(store.list(Route, "elsewhere", mentions="two")) == []
    await store.remove(first, durable=False)
    assert names_of(store.list(Route, "default", mentions="two")) == []


async def test_pods_of_a_revision_are_found_by_its_label_and_by_others_beside_it():
    store = Store(InlineJournal(Database(None)))
    label = "serving.knative.dev/revision"
    for name, labels in {
        "a": {label: "r1"},
        "b": {label: "r1", "x": "y"},
        "c": {label: "r2"},
    }.items():
        meta = ObjectMeta(name=name, namespace="default", uid=name, labels=labels)
        await store.put(Pod(metadata=meta), durable=False)
    assert names_of(store.list(Pod, "default", labels={label: "r1"})) == ["a", "b"]
    assert names_of(store.list(Pod, "default", labels={label: "r1", "x": "y"})) == ["b"]
    assert names_of(store.list(Pod, labels={label: "r1"})) == ["a", "b"]
    assert names_of(store.list(Pod, "default", labels={"x": "y"})) == ["b"]
    moved = ObjectMeta(name="a", namespace="default", uid="a", labels={label: "r2"})
    await store.put(Pod(metadata=moved), durable=False)
    assert names_of(store.list(Pod, "default", labels={label: "r2"})) == ["a", "c"]


def route(name: str, *, configuration: str) -> Route:
    return Route(
        metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}"),
        spec=RouteSpec(traffic=(TrafficTarget(configuration_name=configuration),)),
    )


def names_of(found: Sequence[Object]) -> list[str]:
    return [obj.metadata.name for obj in found]
