"""Datasets over object stores, and what loads them, in a whole control plane."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidegate.controllers.fluid import DatasetFolders, Hits
from tidegate.model.core import Event, Secret
from tidegate.model.fluid import (
    DataLoad,
    DataLoadSpec,
    Dataset,
    DatasetMount,
    DatasetSpec,
    EncryptOption,
    EncryptOptionSource,
    LoadTarget,
    SecretKeyRef,
    TargetDataset,
)
from tidegate.model.fluid_runtimes import (
    JindoRuntime,
    JindoRuntimeSpec,
    TieredStore,
    TierLevel,
)
from tidegate.model.meta import Key, ObjectMeta
from tidegate.model.storage import PersistentVolumeClaim
from tidegate.modelcache.values import Progress, Stage
from tidegate.testing.fake_caches import FakeCaches
from tidegate.testing.world import World
from tidegate.testing.world import world as make_world

pytestmark = pytest.mark.looptime

SD = "oss://models/sd"
KEY = Key("default", "oss-data")


@pytest.fixture
def caches() -> FakeCaches:
    return FakeCaches(stores={SD: {"unet/w": 768 << 10, "vae/w": 256 << 10}})


@pytest.fixture
async def world(tmp_path: Path, caches: FakeCaches) -> AsyncIterator[World]:
    async with make_world(datasets=DatasetFolders(tmp_path / "datasets"), caches=caches) as it:
        yield it


def meta(name: str = "oss-data") -> ObjectMeta:
    return ObjectMeta(name=name, namespace="default")


def secret(value: str = "hush") -> Secret:
    return Secret(metadata=meta("access-key"), string_data={"id": "me", "secret": value})


def dataset(**spec: Any) -> Dataset:
    keys = tuple(
        EncryptOption(
            name=f"fs.oss.{name}",
            value_from=EncryptOptionSource(secret_key_ref=SecretKeyRef(name="access-key", key=key)),
        )
        for name, key in (("accessKeyId", "id"), ("accessKeySecret", "secret"))
    )
    mount = DatasetMount(
        mount_point=SD,
        name="sd",
        options={"fs.oss.endpoint": "oss-cn-beijing.aliyuncs.com"},
        encrypt_options=keys,
    )
    return Dataset(metadata=meta(), spec=DatasetSpec(mounts=(mount,), **spec))


def jindo() -> JindoRuntime:
    level = TierLevel(mediumtype="SSD", path="/mnt/ssd0/cache", quota="100Gi", high="0.95")
    spec = JindoRuntimeSpec(replicas=2, tieredstore=TieredStore(levels=(level,)))
    return JindoRuntime(metadata=meta(), spec=spec)


def load(*paths: str, metadata: bool = False, **more: Any) -> DataLoad:
    spec = DataLoadSpec(
        dataset=TargetDataset(name="oss-data"),
        target=tuple(LoadTarget(path=path) for path in paths),
        load_metadata=metadata or None,
        **more,
    )
    return DataLoad(metadata=meta("warm"), spec=spec)


def seen(world: World) -> Any:
    return world.the(Dataset, "oss-data").status


def loaded(world: World) -> Any:
    return world.the(DataLoad, "warm").status


async def until(world: World, holds: Callable[[], object], limit_s: float = 120) -> None:
    until_s = world.clock.now() + limit_s
    while not holds():
        assert world.clock.now() < until_s, "did not come to hold"
        await world.settle(0.5)


async def bound(world: World) -> None:
    await world.given(secret(), dataset(), jindo())
    await until(world, lambda: seen(world) is not None and seen(world).phase == "Bound")


def events(world: World, reason: str) -> list[str]:
    return [e.message or "" for e in world.api.list(Event) if e.reason == reason]


async def test_it_binds_once_the_store_has_said_what_there_is(world, caches):
    caches.silent.add(SD)
    await world.given(secret(), dataset(), jindo())
    await until(world, lambda: seen(world) is not None and seen(world).ufs_total)
    assert (seen(world).phase, seen(world).ufs_total) == ("NotBound", "[Calculating]")
    assert world.names(PersistentVolumeClaim) == []

    caches.silent.clear()
    await until(world, lambda: seen(world).phase == "Bound" and seen(world).file_num == "2")
    assert seen(world).ufs_total == "1.00MiB"
    assert seen(world).cache_states == {
        "cacheCapacity": "200.00GiB",
        "cached": "0.00B",
        "cachedPercentage": "0.0%",
    }
    assert world.names(PersistentVolumeClaim) == ["oss-data"]
    place = caches.places[-1]
    assert place is not None
    assert (place.tiers[0].quota_bytes, place.tiers[0].high) == (200 << 30, 0.95)


async def test_its_keys_are_used_and_never_shown(world, caches):
    await bound(world)
    assert caches.asked[-1].secrets == {"access_key_id": "me", "secret_access_key": "hush"}
    for obj in (world.the(Dataset, "oss-data"), world.the(JindoRuntime, "oss-data")):
        assert "hush" not in msgspec.json.encode(obj).decode()
    assert seen(world).mounts[0].encrypt_options == ()


async def test_wrong_keys_are_told_and_mended_ones_bind_it(world, caches):
    caches.wrong[SD] = "oss://models: these keys are refused: mend Secret access-key"
    await world.given(secret("wrong"), dataset(), jindo())
    await until(world, lambda: events(world, "DatasetFailedToSetup"))
    assert seen(world).phase == "NotBound"
    assert "refused" in seen(world).conditions[-1].message
    caches.wrong.clear()
    await world.given(secret("right"))
    await until(world, lambda: seen(world).phase == "Bound")


async def test_a_missing_secret_is_named(world):
    await world.given(dataset(), jindo())
    await until(world, lambda: events(world, "DatasetFailedToSetup"))
    assert 'secret "access-key" not found' in events(world, "DatasetFailedToSetup")[0]


async def test_what_pods_fetched_counts_as_cached_and_their_reads_as_hits(world, caches):
    await bound(world)
    caches.here[f"{SD}/unet"] = 768 << 10
    caches.counted[KEY] = Hits(asked_bytes=2000, read_bytes=500)
    await world.given(dataset())
    await until(world, lambda: seen(world).cache_states.get("cachedPercentage") == "75.0%")
    assert seen(world).cache_states["cached"] == "768.00KiB"
    assert seen(world).cache_states["cacheHitRatio"] == "75.0%"
    assert seen(world).cache_states["remoteHitRatio"] == "0.0%"


async def test_a_bound_dataset_stays_so_while_its_store_is_down(world, caches):
    await bound(world)
    await until(world, lambda: seen(world).ufs_total == "1.00MiB")
    await world.kill_plane()
    caches.wrong[SD] = "oss://models: nobody answers"
    await world.start_plane()
    await until(world, lambda: events(world, "DatasetNotAsked"))
    assert (seen(world).phase, seen(world).ufs_total) == ("Bound", "1.00MiB")


async def test_a_load_fetches_its_targets_and_says_how_far_it_is(world, caches):
    await bound(world)
    target = f"{SD}/unet"
    caches.stores[target] = {"w": 768 << 10}
    caches.loading[target] = Progress(Stage.FETCHING, 384 << 10, 768 << 10)
    await world.given(load("/sd/unet"))
    await until(world, lambda: loaded(world) and loaded(world).phase == "Executing")
    assert loaded(world).infos == {"Progress": "384.00KiB of 768.00KiB (50%)"}
    caches.loading.clear()
    await until(world, lambda: loaded(world).phase == "Complete")
    assert events(world, "DataLoadComplete") == ["768.00KiB loaded"]
    assert caches.pins == {"dataload/default/warm": {target}}
    await until(world, lambda: seen(world).cache_states["cachedPercentage"] == "75.0%")


async def test_what_a_load_pinned_is_let_go_with_it(world, caches):
    await bound(world)
    await world.given(load())
    await until(world, lambda: loaded(world) and loaded(world).phase == "Complete")
    await world.api.delete(DataLoad, "default", "warm")
    await until(world, lambda: caches.pins == {})


async def test_what_it_pinned_is_let_go_also_if_nobody_looked_when_it_was_deleted(world, caches):
    await bound(world)
    await world.given(load())
    await until(world, lambda: loaded(world) and loaded(world).phase == "Complete")
    await world.kill_plane()
    await world.api.delete(DataLoad, "default", "warm")
    await world.settle(5)
    await world.start_plane()
    await until(world, lambda: caches.pins == {})
    await until(world, lambda: world.names(DataLoad) == [])


async def test_a_load_that_cannot_succeed_fails_with_the_reason(world, caches):
    await bound(world)
    caches.wrong[SD] = "oss://models/sd: there is no such key"
    await world.given(load("/sd"))
    await until(world, lambda: loaded(world) and loaded(world).phase == "Failed")
    assert "no such key" in loaded(world).conditions[0].message


async def test_a_load_waits_for_a_store_that_may_come_back(world, caches):
    await bound(world)
    caches.wrong[SD] = "oss://models: nobody answers"
    caches.later.add(SD)
    await world.given(load("/sd"))
    await until(world, lambda: loaded(world) and "Waiting" in loaded(world).infos)
    caches.wrong.clear()
    await until(world, lambda: loaded(world).phase == "Complete")


async def test_a_load_of_the_metadata_asks_the_store_anew(world, caches):
    await bound(world)
    await world.given(load("/", metadata=True))
    await until(world, lambda: loaded(world) and loaded(world).phase == "Complete")
    assert SD in caches.relisted


async def test_a_deleted_datasets_cache_goes_with_it(world, caches):
    await bound(world)
    assert caches.kept == {KEY}
    await world.api.delete(Dataset, "default", "oss-data")
    await until(world, lambda: caches.kept == set())


async def test_a_scheduled_load_runs_at_its_times_and_again(world, caches):
    await bound(world)
    await world.given(load("/sd", policy="Cron", schedule="*/2 * * * *"))
    await until(world, lambda: loaded(world) and loaded(world).phase == "Pending")
    await until(world, lambda: loaded(world).phase == "Complete", limit_s=130)
    first = loaded(world).last_schedule_time
    assert loaded(world).last_successful_time is not None
    await until(world, lambda: loaded(world).last_schedule_time != first, limit_s=130)
    await until(world, lambda: loaded(world).phase == "Complete")


async def test_a_scheduled_load_of_an_unbound_dataset_fails_and_waits_for_its_next_time(world):
    await world.given(load("/sd", policy="Cron", schedule="* * * * *"))
    await until(world, lambda: loaded(world) and loaded(world).phase == "Failed", limit_s=70)
    await bound(world)
    await until(world, lambda: loaded(world).phase == "Complete", limit_s=70)
