"""What the garbage collector does on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from tidegate.apiserver.expiry import EventExpiry
from tidegate.apiserver.garbage import GarbageCollector
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.model.core import ConfigMap, Event, Namespace
from tidegate.model.meta import Object, ObjectMeta, OwnerReference
from tidegate.store import Logged
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock


@asynccontextmanager
async def collected_api() -> AsyncIterator[LocalApi]:
    clock = LoopClock()
    api = make_api(clock)
    await ensure_namespaces(api)
    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(GarbageCollector(api.writes, clock).run())
        await asyncio.sleep(0.1)
        yield api
        collecting.cancel()


def config(
    name: str, *owners: Object, namespace: str = "default", blocks: bool = True
) -> ConfigMap:
    refs = tuple(
        OwnerReference(
            api_version="v1",
            kind="ConfigMap",
            name=owner.metadata.name,
            uid=owner.metadata.uid or "",
            block_owner_deletion=blocks,
        )
        for owner in owners
    )
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace, owner_references=refs))


def names(api: LocalApi, namespace: str = "default") -> list[str]:
    return [o.metadata.name for o in api.list(ConfigMap, namespace)]


@pytest.mark.looptime
async def test_dependents_follow_their_owner_down_to_the_last_generation():
    async with collected_api() as api:
        owner = await api.create(config("owner"))
        child = await api.create(config("child", owner))
        await api.create(config("grandchild", child))
        await api.create(config("stranger"))
        await api.delete(ConfigMap, "default", "owner")
        await asyncio.sleep(1)
        assert names(api) == ["stranger"]


@pytest.mark.looptime
async def test_a_dependent_of_two_owners_stays_while_one_lives():
    async with collected_api() as api:
        one, two = await api.create(config("one")), await api.create(config("two"))
        await api.create(config("child", one, two))
        await api.delete(ConfigMap, "default", "one")
        await asyncio.sleep(1)
        child = api.get(ConfigMap, "default", "child")
        assert [r.name for r in child.metadata.owner_references] == ["two"]


@pytest.mark.looptime
async def test_an_object_made_for_an_owner_that_is_gone_does_not_stay():
    async with collected_api() as api:
        owner = await api.create(config("owner"))
        await api.delete(ConfigMap, "default", "owner")
        await api.create(config("late", owner))
        await asyncio.sleep(1)
        assert names(api) == []


@pytest.mark.looptime
async def test_an_owner_in_another_namespace_does_not_count():
    async with collected_api() as api:
        owner = await api.create(config("owner", namespace="kube-system"))
        await api.create(config("child", owner))
        await asyncio.sleep(1)
        assert names(api) == []


@pytest.mark.looptime
async def test_foreground_deletion_takes_the_dependents_first():
    async with collected_api() as api:
        gone: list[str] = []
        api.subscribe(
            [ConfigMap],
            lambda c: gone.append(c.object.metadata.name) if c.type == "DELETED" else None,
        )
        owner = await api.create(config("owner"))
        child = await api.create(config("child", owner))
        await api.create(config("grandchild", child))
        await api.delete(ConfigMap, "default", "owner", propagation="Foreground")
        assert api.get(ConfigMap, "default", "owner").metadata.finalizers == ("foregroundDeletion",)
        await asyncio.sleep(1)
        assert gone == ["grandchild", "child", "owner"]


@pytest.mark.looptime
async def test_orphans_stay_and_forget_their_owner():
    async with collected_api() as api:
        owner = await api.create(config("owner"))
        await api.create(config("child", owner))
        await api.delete(ConfigMap, "default", "owner", propagation="Orphan")
        await asyncio.sleep(1)
        assert names(api) == ["child"]
        assert api.get(ConfigMap, "default", "child").metadata.owner_references == ()


@pytest.mark.looptime
async def test_a_namespace_goes_once_it_is_empty():
    async with collected_api() as api:
        await api.create(Namespace(metadata=ObjectMeta(name="team")))
        await api.create(config("a", namespace="team"))
        await api.create(
            ConfigMap(metadata=ObjectMeta(name="b", namespace="team", finalizers=("a/x",)))
        )
        await api.delete(Namespace, "", "team")
        await asyncio.sleep(1)
        assert names(api, "team") == ["b"]
        assert api.get(Namespace, "", "team").status.phase == "Terminating"
        await api.update(ConfigMap(metadata=ObjectMeta(name="b", namespace="team")))
        await asyncio.sleep(1)
        assert api.get(Namespace, "", "team") is None


@pytest.mark.looptime
async def test_a_collector_that_starts_late_finds_what_is_left_over():
    clock = LoopClock()
    api = make_api(clock)
    await ensure_namespaces(api)
    owner = await api.create(config("owner"))
    await api.create(config("child", owner))
    await api.delete(ConfigMap, "default", "owner")
    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(GarbageCollector(api.writes, clock).run())
        await asyncio.sleep(1)
        assert names(api) == []
        collecting.cancel()


@pytest.mark.looptime
async def test_events_go_an_hour_after_they_last_happened():
    clock = LoopClock()
    api = make_api(clock)
    await ensure_namespaces(api)
    await api.create(Event(metadata=ObjectMeta(name="old", namespace="default")))
    await asyncio.sleep(1800)
    await api.create(Event(metadata=ObjectMeta(name="new", namespace="default")))
    async with asyncio.TaskGroup() as group:
        expiring = group.create_task(EventExpiry(api.writes, clock).run())
        await asyncio.sleep(1700)
        assert [e.metadata.name for e in api.list(Event)] == ["new", "old"]
        await asyncio.sleep(200)
        assert [e.metadata.name for e in api.list(Event)] == ["new"]
        expiring.cancel()


@pytest.mark.timeout(30)
@pytest.mark.looptime
async def test_a_write_that_is_on_its_way_is_waited_for_and_not_run_into_for_ever():
    clock = LoopClock()
    api = make_api(clock)
    await ensure_namespaces(api)
    writing: list[asyncio.Task[ConfigMap]] = []

    def write_at_once(logged: Logged) -> None:
        owner = logged.change.object
        if owner.metadata.deletion_timestamp and not writing:
            meta = replace(owner.metadata, labels={"by": "a controller"})
            writing.append(asyncio.ensure_future(api.update(replace(owner, metadata=meta))))

    api.writes.store.subscribe([ConfigMap], write_at_once)
    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(GarbageCollector(api.writes, clock).run())
        await asyncio.sleep(0.1)
        await api.create(config("owner"))
        await api.delete(ConfigMap, "default", "owner", propagation="Orphan")
        await asyncio.sleep(1)
        collecting.cancel()
    assert (await writing[0]).metadata.labels == {"by": "a controller"}
    assert names(api) == []
