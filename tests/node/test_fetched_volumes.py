"""What a pod has to have fetched: KServe's init container, buckets behind claims, datasets. Virtual time."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tidegate.model.accounts import ServiceAccount
from tidegate.model.apps import ReplicaSet
from tidegate.model.containers import Container, VolumeMount
from tidegate.model.core import Secret
from tidegate.model.fluid import (
    FLUID_DRIVER,
    FLUID_PATH,
    Dataset,
    DatasetMount,
    DatasetSpec,
    EncryptOption,
    EncryptOptionSource,
    SecretKeyRef,
)
from tidegate.model.fluid_runtimes import (
    JindoRuntime,
    JindoRuntimeSpec,
    TieredStore,
    TierLevel,
)
from tidegate.model.meta import ObjectMeta, ObjectReference, OwnerReference
from tidegate.model.pods import ContainerStatus, Pod, PodSpec
from tidegate.model.storage import (
    CSISource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    SecretReference,
)
from tidegate.model.volumes import EmptyDirVolumeSource, PersistentVolumeClaimVolumeSource, Volume
from tidegate.modelcache.errors import Refused, Unreachable
from tidegate.modelcache.values import Progress, Stage
from tidegate.node.log_files import log_path
from tidegate.node.log_lines import read_lines
from tidegate.policy.cache_place import TierPlace
from tidegate.testing.fake_fetcher import FakeFetcher
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime

IRIS = "s3://models/iris"
BUCKET = "oss://tidegate-models"
MODELS = VolumeMount(name="models", mount_path="/data/models")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NodeWorld]:
    remote = tmp_path / "remote"
    for place in ("iris", "sd", "sd/unet", "vae"):
        (remote / place).mkdir(parents=True)
        (remote / place / "weights").write_text(place)
    async with node_world(tmp_path / "home") as it:
        await it.stop_agent()
        it.fetcher = FakeFetcher(
            {
                IRIS: remote / "iris",
                BUCKET: remote,
                f"{BUCKET}/sd": remote / "sd",
                f"{BUCKET}/sd/unet": remote / "sd" / "unet",
                f"{BUCKET}/vae": remote / "vae",
            }
        )
        await it.start_agent()
        yield it


def cache(world: NodeWorld) -> FakeFetcher:
    assert world.fetcher is not None
    return world.fetcher


def meta(name: str, **more: object) -> ObjectMeta:
    return msgspec.structs.replace(ObjectMeta(name=name, namespace="default"), **more)


# --- the storage initializer

INITIALIZER = Container(
    name="storage-initializer",
    image="kserve/storage-initializer:v0.15.0",
    args=(IRIS, "/mnt/models"),
    volume_mounts=(VolumeMount(name="models", mount_path="/mnt/models"),),
)


async def given_isvc_pod(world: NodeWorld, **more: object) -> None:
    server = main(
        command=("python", "app.py", "--dir", "/mnt/models"),
        volume_mounts=(VolumeMount(name="models", mount_path="/mnt/models", read_only=True),),
    )
    await world.given(
        server,
        init_containers=(INITIALIZER,),
        volumes=(Volume(name="models", empty_dir=EmptyDirVolumeSource()),),
        **more,
    )


def init(world: NodeWorld) -> ContainerStatus:
    return next(
        iter(world.status().init_container_statuses), ContainerStatus(name="storage-initializer")
    )


def folder_given(world: NodeWorld) -> Path:
    """The folder in the arguments of the server that runs."""
    return Path(world.keeper.spawned[-1].argv[-1])


async def test_the_storage_initializer_is_a_fetch_and_the_emptydir_a_view_of_it(world):
    await given_isvc_pod(world)
    await world.until(lambda: world.keeper.spawned)
    assert (folder_given(world) / "weights").read_text() == "iris"
    assert [spec.name.split("/")[1] for spec in world.keeper.spawned] == ["main"]
    ended = init(world).state
    assert ended is not None
    assert ended.terminated is not None
    assert (ended.terminated.exit_code, ended.terminated.reason) == (0, "Completed")
    assert world.events("Fetched") == [f"Fetched {IRIS} (4.00B, 1 file) in 0.001s, 3.91KiB/s"]


async def test_its_keys_come_from_the_secrets_of_the_service_account(world):
    secret = Secret(
        metadata=meta(
            "keys",
            annotations={
                "serving.kserve.io/s3-endpoint": "minio:9000",
                "serving.kserve.io/s3-usehttps": "0",
            },
        ),
        data={
            "AWS_ACCESS_KEY_ID": base64.b64encode(b"me").decode(),
            "AWS_SECRET_ACCESS_KEY": base64.b64encode(b"hush").decode(),
        },
    )
    await world.api.create(secret)
    account = ServiceAccount(metadata=meta("sa"), secrets=(ObjectReference(name="keys"),))
    await world.api.create(account)
    await given_isvc_pod(world, service_account_name="sa")
    await world.until(lambda: world.keeper.spawned)
    (access,) = [wanted.access for wanted in cache(world).asked]
    assert access.options == {"endpoint": "http://minio:9000"}
    assert access.secrets == {"access_key_id": "me", "secret_access_key": "hush"}
    assert "hush" not in repr(access)
    assert "hush" not in str(world.keeper.spawned[-1])


async def test_while_it_is_fetched_the_pod_says_how_far_it_is(world):
    cache(world).slow[IRIS] = Progress(Stage.FETCHING, 120 << 20, 500 << 20, float(80 << 20))
    await given_isvc_pod(world)
    text = f"fetching {IRIS}: 120.00MiB of 500.00MiB (24%), 80.00MiB/s, 5s left"
    await world.until(lambda: text in world.events("Fetching"))
    waiting = init(world).state
    assert waiting is not None
    assert waiting.waiting is not None
    assert waiting.waiting.reason == "Fetching"
    assert world.keeper.spawned == []
    cache(world).let(IRIS)
    await world.until(lambda: world.keeper.spawned)


async def test_a_failed_fetch_is_an_exit_with_the_reason_and_a_mended_secret_is_tried_at_once(
    world,
):
    why = "s3://models at http://minio:9000 refuses these keys: mend the Secret"
    cache(world).wrong[IRIS] = Refused(why)
    await given_isvc_pod(world)
    await world.until(lambda: f"Error: {why}" in world.events("FailedFetch"))
    await world.clock_to(60.0)
    failed = init(world)
    assert failed.last_state is not None
    assert failed.last_state.terminated is not None
    assert (failed.last_state.terminated.exit_code, failed.last_state.terminated.message) == (
        1,
        why,
    )
    assert failed.state is not None
    assert failed.state.waiting is not None
    assert failed.state.waiting.reason == "CrashLoopBackOff"

    tries = len(cache(world).asked)
    cache(world).wrong.clear()
    await world.api.create(Secret(metadata=meta("keys"), data={}))
    at_s = await world.until(lambda: world.keeper.spawned)
    assert at_s < 61.0
    assert len(cache(world).asked) == tries + 1


async def test_a_pod_deleted_while_it_fetches_goes_at_once_and_holds_nothing(world):
    cache(world).slow[IRIS] = Progress(Stage.FETCHING, 1, 10)
    await given_isvc_pod(world)
    await world.until(lambda: cache(world).asked)
    await world.api.delete(type(world.pod()), "default", "p")
    await world.until(lambda: world.pod() is None)
    assert cache(world).holds == {}


async def test_where_the_data_can_not_be_shown_the_fetch_says_why_and_is_tried_again(world):
    """The worker failed each second, and the pod said nothing."""
    cache(world).slow[IRIS] = Progress(Stage.FETCHING, 1, 10)
    await given_isvc_pod(world)
    await world.until(lambda: cache(world).asked)
    in_the_way = world.home.pods / world.pod().metadata.uid / ".fetched"
    in_the_way.write_text("")
    cache(world).let(IRIS)
    await world.until(lambda: world.events("FailedFetch"))
    in_the_way.unlink()
    await world.until(lambda: world.main().ready)


async def test_a_pod_holds_what_it_was_given_until_it_is_gone(world):
    await given_isvc_pod(world)
    await world.until(lambda: world.keeper.spawned)
    pod = world.pod()
    assert pod is not None
    assert cache(world).holds == {pod.metadata.uid: {IRIS}}
    await world.api.delete(type(pod), "default", "p")
    await world.until(lambda: world.pod() is None)
    assert cache(world).holds == {}


async def test_a_new_agent_asks_nobody_again_and_drops_what_dead_pods_held(world):
    await given_isvc_pod(world)
    await world.until(lambda: world.is_ready() or world.keeper.spawned)
    asked = len(cache(world).asked)
    cache(world).holds["dead"] = {IRIS}
    await world.stop_agent()
    await world.start_agent()
    await world.clock_to(world.now() + 5.0)
    assert len(cache(world).asked) == asked
    assert "dead" not in cache(world).holds
    assert (folder_given(world) / "weights").read_text() == "iris"


async def test_arguments_that_are_no_pairs_are_said(world):
    broken = msgspec.structs.replace(INITIALIZER, args=(IRIS,))
    await world.given(
        main(),
        init_containers=(broken,),
        volumes=(Volume(name="models", empty_dir=EmptyDirVolumeSource()),),
    )
    await world.until(lambda: any("pairs of a URI" in told for told in world.events("FailedFetch")))


async def test_replicas_of_one_revision_ask_the_store_once_after_it_was_made(world):
    await world.api.create(ReplicaSet(metadata=meta("rs")))
    made = world.api.get(ReplicaSet, "default", "rs")
    await world.clock_to(world.now() + 100.0)
    owner = OwnerReference(
        api_version="apps/v1", kind="ReplicaSet", name="rs", uid=made.metadata.uid or ""
    )
    await world.api.create(
        msgspec.structs.replace(isvc_pod(), metadata=meta("q", owner_references=(owner,)))
    )
    await world.until(lambda: cache(world).asked)
    assert cache(world).asked[0].check_after_s == pytest.approx(100.0, abs=2.0)


def isvc_pod() -> Pod:
    return Pod(
        metadata=meta("q"),
        spec=PodSpec(
            node_name="node",
            containers=(main(),),
            init_containers=(INITIALIZER,),
            volumes=(Volume(name="models", empty_dir=EmptyDirVolumeSource()),),
        ),
    )


# --- buckets behind claims


async def given_claim(world: NodeWorld, csi: CSISource, claim: str = "model-pvc") -> None:
    ref = ObjectReference(namespace="default", name=claim)
    await world.api.create(
        PersistentVolume(
            metadata=ObjectMeta(name=f"pv-{claim}"),
            spec=PersistentVolumeSpec(
                capacity={"storage": "5Gi"},
                access_modes=("ReadWriteMany",),
                csi=csi,
                claim_ref=ref,
            ),
        )
    )
    made = await world.api.create(
        PersistentVolumeClaim(
            metadata=meta(claim),
            spec=PersistentVolumeClaimSpec(
                access_modes=("ReadWriteMany",),
                volume_name=f"pv-{claim}",
                resources={"requests": {"storage": "5Gi"}},
            ),
        )
    )
    bound = PersistentVolumeClaimStatus(phase="Bound")
    await world.api.update_status(msgspec.structs.replace(made, status=bound))


def oss(**attributes: str) -> CSISource:
    given = {"bucket": "tidegate-models", "url": "oss-cn-beijing.aliyuncs.com", **attributes}
    return CSISource(
        driver="ossplugin.csi.alibabacloud.com", volume_handle="v", volume_attributes=given
    )


async def given_pod(world: NodeWorld, *mounts: VolumeMount, claim: str = "model-pvc") -> None:
    source = PersistentVolumeClaimVolumeSource(claim_name=claim)
    server = main(
        command=("python", "app.py", "--dir", "/data/models"), volume_mounts=mounts or (MODELS,)
    )
    await world.given(server, volumes=(Volume(name="models", persistent_volume_claim=source),))


async def test_a_bucket_behind_a_claim_is_fetched_with_the_volumes_keys(world):
    await given_claim(world, oss(akId="me", akSecret="hush", path="/sd"))
    await given_pod(world)
    await world.until(lambda: world.keeper.spawned)
    assert (folder_given(world) / "weights").read_text() == "sd"
    (access,) = [wanted.access for wanted in cache(world).asked]
    assert access.uri == f"{BUCKET}/sd"
    assert access.options == {"endpoint": "oss-cn-beijing.aliyuncs.com"}
    assert access.secrets == {"access_key_id": "me", "secret_access_key": "hush"}


async def test_its_keys_may_be_a_secret(world):
    await world.api.create(
        Secret(
            metadata=ObjectMeta(name="ak", namespace="default"),
            string_data={"akId": "me", "akSecret": "hush"},
        )
    )
    ref = SecretReference(name="ak", namespace="default")
    await given_claim(world, msgspec.structs.replace(oss(), node_publish_secret_ref=ref))
    await given_pod(world)
    await world.until(lambda: world.keeper.spawned)
    assert cache(world).asked[0].access.secrets["secret_access_key"] == "hush"


async def test_only_the_sub_path_that_is_mounted_is_fetched(world):
    await given_claim(world, oss(akId="me", akSecret="hush"))
    await given_pod(world, msgspec.structs.replace(MODELS, sub_path="sd/unet"))
    await world.until(lambda: world.keeper.spawned)
    assert [wanted.access.uri for wanted in cache(world).asked] == [f"{BUCKET}/sd/unet"]
    assert (folder_given(world) / "weights").read_text() == "sd/unet"


async def test_a_bucket_that_does_not_answer_is_told_and_asked_again(world):
    cache(world).wrong[BUCKET] = Unreachable("oss://tidegate-models: nobody answers")
    await given_claim(world, oss(akId="me", akSecret="hush"))
    await given_pod(world)
    told = 'MountVolume.SetUp failed for volume "models": oss://tidegate-models: nobody answers'
    await world.until(lambda: told in world.events("FailedMount"))
    cache(world).wrong.clear()
    await world.until(lambda: world.keeper.spawned, within_s=30.0)


async def test_a_volume_without_its_bucket_names_the_field(world):
    await given_claim(world, msgspec.structs.replace(oss(), volume_attributes={"url": "x"}))
    await given_pod(world)
    await world.until(
        lambda: any("volumeAttributes.bucket" in told for told in world.events("FailedMount"))
    )


# --- datasets


async def given_dataset(world: NodeWorld, *mounts: DatasetMount, root: Path | None = None) -> None:
    await world.api.create(
        Secret(metadata=meta("keys"), string_data={"id": "me", "secret": "hush"})
    )
    secrets = tuple(
        EncryptOption(
            name=f"fs.oss.{name}",
            value_from=EncryptOptionSource(secret_key_ref=SecretKeyRef(name="keys", key=key)),
        )
        for name, key in (("accessKeyId", "id"), ("accessKeySecret", "secret"))
    )
    spec = DatasetSpec(mounts=mounts, shared_encrypt_options=secrets)
    await world.api.create(Dataset(metadata=meta("data"), spec=spec))
    tier = TierLevel(mediumtype="SSD", path="/mnt/a,/mnt/b", quota="10Gi", high="0.9")
    runtime = JindoRuntimeSpec(replicas=2, tieredstore=TieredStore(levels=(tier,)))
    await world.api.create(JindoRuntime(metadata=meta("data"), spec=runtime))
    attributes = {FLUID_PATH: str(root)} if root is not None else {}
    csi = CSISource(driver=FLUID_DRIVER, volume_handle="v", volume_attributes=attributes)
    await given_claim(world, csi, "data")


def remote(path: str, place: str) -> DatasetMount:
    options = {"fs.oss.endpoint": "oss-cn-beijing.aliyuncs.com"}
    return DatasetMount(mount_point=f"{BUCKET}/{path}", name=path, path=place, options=options)


async def test_a_dataset_is_fetched_mount_by_mount_into_its_runtimes_tiers(world):
    await given_dataset(world, remote("sd", "/sd"), remote("vae", "/more/vae"))
    await given_pod(world, claim="data")
    await world.until(lambda: world.keeper.spawned)
    root = folder_given(world)
    assert (root / "sd" / "weights").read_text() == "sd"
    assert (root / "more" / "vae" / "weights").read_text() == "vae"
    place = cache(world).asked[0].place
    assert place is not None
    ten = 10 << 30
    assert place.tiers == (
        TierPlace("SSD", "/mnt/a", ten, 0.9, 0.6),
        TierPlace("SSD", "/mnt/b", ten, 0.9, 0.6),
    )
    assert cache(world).asked[0].access.secrets["secret_access_key"] == "hush"


async def test_of_a_dataset_only_what_the_pod_mounts_is_waited_for(world):
    await given_dataset(world, remote("sd", "/sd"), remote("vae", "/vae"))
    await given_pod(world, msgspec.structs.replace(MODELS, sub_path="vae"), claim="data")
    await world.until(lambda: world.keeper.spawned)
    assert [wanted.access.uri for wanted in cache(world).asked] == [f"{BUCKET}/vae"]
    assert (folder_given(world) / "weights").read_text() == "vae"


async def test_a_mount_of_this_machine_stands_beside_one_that_is_fetched(world, tmp_path):
    here = tmp_path / "laid"
    (here / "near").mkdir(parents=True)
    (here / "near" / "weights").write_text("near")
    near = DatasetMount(mount_point=f"local://{here}/near", name="near")
    await given_dataset(world, near, remote("sd", "/sd"), root=here)
    await given_pod(world, claim="data")
    await world.until(lambda: world.keeper.spawned)
    root = folder_given(world)
    assert (root / "near" / "weights").read_text() == "near"
    assert (root / "sd" / "weights").read_text() == "sd"


async def test_a_datasets_missing_secret_is_named(world):
    await given_dataset(world, remote("sd", "/sd"))
    await world.api.delete(Secret, "default", "keys")
    await given_pod(world, claim="data")
    await world.until(
        lambda: any('secret "keys" not found' in told for told in world.events("FailedMount"))
    )


async def test_a_sub_path_that_was_not_fetched_is_not_made_in_the_cache(world):
    await given_claim(world, oss(akId="me", akSecret="hush"))
    both = (MODELS, VolumeMount(name="models", mount_path="/b", sub_path="no/such"))
    await given_pod(world, *both)
    await world.until(lambda: "FailedMount" in str(world.waiting()))
    assert 'subPath "no/such" is not in what was fetched' in str(world.waiting()[1])
    assert not (cache(world).data[BUCKET] / "no").exists()


async def test_its_log_tells_what_was_fetched(world):
    await given_isvc_pod(world)
    await world.until(lambda: world.keeper.spawned)
    pod = world.pod()
    assert pod is not None
    path = log_path(world.home.logs, pod, "storage-initializer", 0)
    told = [line.text for line in read_lines(path)]
    assert told == [f"fetching {IRIS} to /mnt/models\n", f"{IRIS}: 4.00B, 1 file\n"]
    assert (init(world).container_id or "").startswith("fetch://")


async def test_what_was_lost_while_nobody_used_it_is_fetched_again(world):
    await given_isvc_pod(world)
    await world.until(lambda: world.keeper.spawned)
    await world.stop_agent()
    pod = world.pod()
    assert pod is not None
    (view,) = (world.home.pods / (pod.metadata.uid or "") / ".fetched").iterdir()
    view.unlink()
    for name in list(world.keeper.processes):
        await world.keeper.kill_tree(name)
    asked = len(cache(world).asked)
    await world.start_agent()
    await world.until(lambda: len(cache(world).asked) == asked + 1)
    await world.until(lambda: len(world.keeper.spawned) == 2)
    assert (folder_given(world) / "weights").read_text() == "iris"
