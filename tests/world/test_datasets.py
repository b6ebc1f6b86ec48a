"""Datasets over data of this machine, in a whole control plane."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.controllers.fluid import DatasetFolders
from tidegate.model.containers import Container, VolumeMount
from tidegate.model.errors import Invalid
from tidegate.model.fluid import (
    FLUID_PATH,
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
    AlluxioRuntime,
    JindoRuntime,
    JindoRuntimeSpec,
    TieredStore,
    TierLevel,
)
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.quotas import ResourceQuota, ResourceQuotaSpec
from tidegate.model.storage import (
    HostPathSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    VolumeResources,
)
from tidegate.model.volumes import PersistentVolumeClaimVolumeSource, Volume
from tidegate.testing.world import World
from tidegate.testing.world import world as make_world

pytestmark = pytest.mark.looptime


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(datasets=DatasetFolders(tmp_path / "datasets")) as it:
        yield it


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    (folder / "iris").mkdir(parents=True)
    (folder / "iris" / "weights").write_bytes(b"w" * 1536)
    (folder / "readme").write_bytes(b"r" * 512)
    return folder


def meta(name: str = "data") -> ObjectMeta:
    return ObjectMeta(name=name, namespace="default")


def dataset(*mounts: DatasetMount, name: str = "data", **spec: Any) -> Dataset:
    return Dataset(metadata=meta(name), spec=DatasetSpec(mounts=mounts, **spec))


def at(path: object, *, name: str = "sd", place: str | None = None, **more: Any) -> DatasetMount:
    return DatasetMount(mount_point=f"local://{path}", name=name, path=place, **more)


def jindo(name: str = "data") -> JindoRuntime:
    level = TierLevel(mediumtype="SSD", path="/mnt/ssd0/cache", quota="100Gi")
    spec = JindoRuntimeSpec(replicas=2, tieredstore=TieredStore(levels=(level,)))
    return JindoRuntime(metadata=meta(name), spec=spec)


def load(*paths: str, ttl_s: int | None = None) -> DataLoad:
    targets = tuple(LoadTarget(path=path) for path in paths)
    spec = DataLoadSpec(
        dataset=TargetDataset(name="data", namespace="default"),
        target=targets,
        ttl_seconds_after_finished=ttl_s,
    )
    return DataLoad(metadata=meta("load"), spec=spec)


def reader() -> Pod:
    source = PersistentVolumeClaimVolumeSource(claim_name="data")
    container = Container(
        name="c", image="python:3", volume_mounts=(VolumeMount(name="v", mount_path="/d"),)
    )
    volume = Volume(name="v", persistent_volume_claim=source)
    return Pod(metadata=meta("reader"), spec=PodSpec(containers=(container,), volumes=(volume,)))


def seen(world: World, name: str = "data") -> Any:
    return world.the(Dataset, name).status


async def until(world: World, holds: Callable[[], object], limit_s: float = 60) -> None:
    """Let virtual time pass until it holds; it must within so many seconds."""
    until_s = world.clock.now() + limit_s
    while not holds():
        assert world.clock.now() < until_s, "did not come to hold"
        await world.settle(0.5)


async def bound(world: World, name: str = "data") -> None:
    await until(world, lambda: seen(world, name) is not None and seen(world, name).file_num == "2")


def data_of(world: World) -> Path:
    volume = world.api.get(PersistentVolume, "", "default-data")
    assert volume is not None
    assert volume.spec.csi is not None
    return Path(volume.spec.csi.volume_attributes[FLUID_PATH])


async def test_a_dataset_and_the_runtime_of_its_name_bind(world, models):
    await world.given(dataset(at(models)))
    await until(world, lambda: seen(world) is not None)
    assert seen(world).phase == "NotBound"
    await world.given(jindo())
    await bound(world)
    status = seen(world)
    assert (status.phase, status.ufs_total) == ("Bound", "2.00KiB")
    assert status.cache_states == {
        "cached": "2.00KiB",
        "cachedPercentage": "100.0%",
        "cacheCapacity": "200.00GiB",
    }
    assert [(c.type, c.reason) for c in status.conditions] == [("Ready", "DatasetReady")]
    assert [(r.name, r.type) for r in status.runtimes] == [("data", "jindo")]
    runtime = world.the(JindoRuntime, "data").status
    assert (runtime.master_phase, runtime.worker_phase) == ("Ready", "Ready")
    assert (runtime.worker_number_ready, runtime.fuse_number_ready) == (2, 0)


async def test_its_claim_leads_to_the_data(world, models):
    await world.given(dataset(at(models)), jindo(), reader())
    await bound(world)
    await until(world, lambda: world.the(Pod, "reader").spec.node_name is not None)
    claim = world.the(PersistentVolumeClaim, "data")
    assert (claim.spec.storage_class_name, claim.spec.volume_name) == ("fluid", "default-data")
    assert claim.spec.access_modes == ("ReadOnlyMany",)
    assert claim.status.capacity == {"storage": "100Pi"}
    assert (data_of(world) / "sd" / "iris" / "weights").stat().st_size == 1536


async def test_a_mount_at_the_root_is_the_dataset(world, models):
    await world.given(dataset(at(models, place="/")), jindo())
    await bound(world)
    assert (data_of(world) / "readme").exists()


async def test_changed_mounts_are_seen_at_the_same_path(world, models):
    await world.given(dataset(at(models)), jindo())
    await bound(world)
    path = data_of(world)
    await world.given(dataset(at(models, name="a"), at(models / "iris", name="b")))
    await until(world, lambda: sorted(p.name for p in path.iterdir()) == ["a", "b"])
    await until(world, lambda: seen(world).file_num == "3")
    assert seen(world).ufs_total == "2.00KiB"  # what is mounted twice is there once
    assert len(list(path.parent.iterdir())) == 2  # the former links are gone


async def test_growing_data_is_measured_again(world, models):
    await world.given(dataset(at(models)), jindo())
    await bound(world)
    (models / "more").write_bytes(b"m" * 2048)
    await until(world, lambda: seen(world).file_num == "3", limit_s=200)
    assert seen(world).cache_states["cached"] == "4.00KiB"


async def test_a_dataset_in_a_claim_follows_it(world, models):
    await world.given(
        dataset(DatasetMount(mount_point="pvc://weights/iris", name="sd"), name="data"), jindo()
    )
    await until(world, lambda: seen(world) is not None and seen(world).conditions)
    assert seen(world).phase == "NotBound"
    assert '"weights" not found' in seen(world).conditions[0].message
    await world.given(
        PersistentVolume(
            metadata=ObjectMeta(name="pv"),
            spec=PersistentVolumeSpec(
                capacity={"storage": "1Gi"},
                access_modes=("ReadWriteOnce",),
                host_path=HostPathSource(path=str(models)),
            ),
        ),
        PersistentVolumeClaim(
            metadata=meta("weights"),
            spec=PersistentVolumeClaimSpec(
                access_modes=("ReadWriteOnce",),
                resources=VolumeResources(requests={"storage": "1Gi"}),
            ),
        ),
    )
    await until(world, lambda: seen(world).phase == "Bound")
    assert (data_of(world) / "sd" / "weights").exists()


async def test_data_that_is_not_there_is_waited_for(world, tmp_path):
    late = tmp_path / "late"
    await world.given(dataset(at(late)), jindo())
    await until(world, lambda: seen(world) is not None and seen(world).conditions)
    assert f"{late} does not exist" in seen(world).conditions[0].message
    runtime = world.the(JindoRuntime, "data").status
    assert (runtime.master_phase, str(late) in runtime.master_reason) == ("NotReady", True)
    late.mkdir()
    await until(world, lambda: seen(world).phase == "Bound", limit_s=60)


async def test_a_foreign_claim_of_its_name_is_left_alone(world, models):
    foreign = PersistentVolumeClaim(
        metadata=meta(),
        spec=PersistentVolumeClaimSpec(
            access_modes=("ReadWriteOnce",),
            resources=VolumeResources(requests={"storage": "1Gi"}),
        ),
    )
    await world.given(foreign, dataset(at(models)), jindo())
    await until(world, lambda: seen(world) is not None and seen(world).conditions)
    assert "did not make" in seen(world).conditions[0].message
    await world.api.delete(Dataset, "default", "data")
    await until(world, lambda: world.api.get(Dataset, "default", "data") is None)
    assert world.api.get(PersistentVolumeClaim, "default", "data") is not None


async def test_a_claim_beyond_a_quota_is_said(world, models):
    hard: dict[str, str | int | float] = {"requests.storage": "1Gi"}
    await world.given(
        ResourceQuota(metadata=meta("storage"), spec=ResourceQuotaSpec(hard=hard)),
        dataset(at(models)),
        jindo(),
    )
    await until(world, lambda: seen(world) is not None and seen(world).conditions)
    assert seen(world).phase == "NotBound"
    assert "exceeded quota: storage" in seen(world).conditions[0].message


async def test_a_second_runtime_of_its_name_waits(world, models):
    await world.given(dataset(at(models)), jindo())
    await bound(world)
    await world.given(AlluxioRuntime(metadata=meta()))
    await until(world, lambda: world.the(AlluxioRuntime, "data").status is not None)
    assert "bound to a JindoRuntime" in world.the(AlluxioRuntime, "data").status.master_reason


async def test_deletion_waits_for_pods_and_then_everything_goes(world, models, tmp_path):
    await world.given(dataset(at(models)), jindo(), reader())
    await bound(world)
    await until(world, lambda: world.the(JindoRuntime, "data").status.fuse_number_ready == 1)
    await world.api.delete(Dataset, "default", "data")
    await world.settle(120)
    assert world.api.get(Dataset, "default", "data") is not None
    assert world.the(PersistentVolumeClaim, "data").metadata.deletion_timestamp is None
    await world.api.delete(Pod, "default", "reader", grace_s=0)
    await until(world, lambda: world.api.get(Dataset, "default", "data") is None)
    await until(world, lambda: world.api.get(JindoRuntime, "default", "data") is None)
    assert world.api.get(PersistentVolumeClaim, "default", "data") is None
    assert world.api.get(PersistentVolume, "", "default-data") is None
    assert not (tmp_path / "datasets" / "default").exists()
    assert (models / "iris" / "weights").exists()


async def test_a_claim_that_somebody_deletes_comes_back(world, models):
    await world.given(dataset(at(models)), jindo())
    await bound(world)
    first = world.the(PersistentVolumeClaim, "data").metadata.uid
    await world.api.delete(PersistentVolumeClaim, "default", "data")

    def again() -> bool:
        claim = world.api.get(PersistentVolumeClaim, "default", "data")
        return claim is not None and claim.metadata.uid != first and claim.status.phase == "Bound"

    await until(world, again)
    await until(world, lambda: seen(world).phase == "Bound")


async def test_without_its_runtime_a_dataset_is_not_bound_again(world, models):
    await world.given(dataset(at(models)), jindo())
    await bound(world)
    await world.api.delete(JindoRuntime, "default", "data")
    await until(world, lambda: world.api.get(JindoRuntime, "default", "data") is None)
    await until(world, lambda: seen(world).phase == "NotBound")
    assert (seen(world).ufs_total, seen(world).cache_states) == (None, {})
    assert world.api.get(PersistentVolumeClaim, "default", "data") is None


async def test_encrypt_options_are_in_no_status(world, models):
    secret = EncryptOptionSource(secret_key_ref=SecretKeyRef(name="access-key", key="id"))
    option = EncryptOption(name="fs.oss.accessKeyId", value_from=secret)
    await world.given(dataset(at(models, encrypt_options=(option,))), jindo())
    await bound(world)
    assert [mount.encrypt_options for mount in seen(world).mounts] == [()]
    assert all(not m.encrypt_options for m in world.the(JindoRuntime, "data").status.mounts)


async def test_a_load_waits_for_the_dataset_and_is_complete(world, models):
    await world.given(dataset(at(models)), load("/", "/sd/iris", ttl_s=100))
    await until(world, lambda: world.the(DataLoad, "load").status is not None)
    status = world.the(DataLoad, "load").status
    assert (status.phase, status.duration) == ("Pending", "Unfinished")
    assert "dataset" in status.infos["Waiting"]
    await world.given(jindo())
    await until(world, lambda: world.the(DataLoad, "load").status.phase == "Complete")
    assert world.the(DataLoad, "load").status.duration.endswith("s")
    await until(world, lambda: world.api.get(DataLoad, "default", "load") is None, limit_s=200)


async def test_a_load_of_what_is_not_there_fails(world, models):
    await world.given(dataset(at(models)), jindo(), load("/sd/none"))
    await until(
        world, lambda: (s := world.the(DataLoad, "load").status) is not None and s.phase == "Failed"
    )
    condition = world.the(DataLoad, "load").status.conditions[0]
    assert "/sd/none" in condition.message


async def test_a_restarted_plane_finds_the_dataset_bound(world, models):
    await world.given(dataset(at(models)), jindo())
    await bound(world)
    path = data_of(world)
    await world.kill_plane()
    await world.start_plane()
    await world.settle(5)
    assert seen(world).phase == "Bound"
    assert (path / "sd" / "readme").exists()


async def test_access_modes_stay(world, models):
    await world.given(dataset(at(models)), jindo())
    with pytest.raises(Invalid, match=r"spec\.accessModes"):
        await world.given(dataset(at(models), access_modes=("ReadWriteMany",)))
