import base64
import os

import msgspec
import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.model.containers import ObjectFieldSelector
from tidegate.model.core import ConfigMap, Secret
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod
from tidegate.model.storage import (
    CSISource,
    HostPathSource,
    LocalSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
)
from tidegate.model.volumes import (
    ConfigMapVolumeSource,
    DownwardAPIFile,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    KeyToPath,
    NFSVolumeSource,
    PersistentVolumeClaimVolumeSource,
    ProjectedConfigMap,
    ProjectedDownwardAPI,
    ProjectedVolumeSource,
    SecretVolumeSource,
    Volume,
    VolumeProjection,
)
from tidegate.node.errors import VolumeNotReady
from tidegate.node.volumes import make_volumes, mount_path_of
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

POD = Pod(metadata=ObjectMeta(name="p", namespace="default"))


@pytest.fixture
async def api():
    api = make_api(LoopClock())
    await ensure_namespaces(api)
    binary = {"model.bin": base64.b64encode(b"\0\1").decode()}
    meta = ObjectMeta(name="c", namespace="default")
    await api.create(ConfigMap(metadata=meta, data={"a": "1", "b": "2"}, binary_data=binary))
    meta = ObjectMeta(name="s", namespace="default")
    await api.create(Secret(metadata=meta, data={"key": base64.b64encode(b"x").decode()}))
    return api


def made(api, folder, volume):
    return make_volumes(api, POD, [volume], folder)[volume.name]


def config(**changes):
    return Volume(name="v", config_map=ConfigMapVolumeSource(name="c", **changes))


def contents(path):
    return {p.name: p.read_bytes() for p in path.iterdir() if not p.name.startswith("..")}


async def test_a_config_map_is_files_with_their_mode(api, tmp_path):
    path = made(api, tmp_path, config(default_mode=0o400))
    assert contents(path) == {"a": b"1", "b": b"2", "model.bin": b"\0\1"}
    assert (path / "a").stat().st_mode & 0o777 == 0o400


async def test_items_choose_and_place_keys(api, tmp_path):
    items = (KeyToPath(key="a", path="deep/x", mode=0o600),)
    path = made(api, tmp_path, config(items=items))
    assert (path / "deep" / "x").read_text() == "1"
    assert (path / "deep" / "x").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.iterdir() if not p.name.startswith("..")] == ["deep"]


async def test_a_changed_config_map_appears_whole_and_nothing_old_stays(api, tmp_path):
    path = made(api, tmp_path, config())
    was = os.readlink(path / "..data")
    fresh = msgspec.structs.replace(api.get(ConfigMap, "default", "c"), data={"b": "3", "c": "4"})
    await api.update(fresh)
    made(api, tmp_path, config())
    assert contents(path) == {"b": b"3", "c": b"4", "model.bin": b"\0\1"}
    assert not (path / was).exists()
    assert len(list(path.glob("..*"))) == 2  # the payload and the link to it


async def test_an_unchanged_one_is_not_written_again(api, tmp_path):
    path = made(api, tmp_path, config())
    inode = (path / "a").stat().st_ino
    made(api, tmp_path, config())
    assert (path / "a").stat().st_ino == inode


async def test_a_half_written_one_is_written_anew(api, tmp_path):
    path = made(api, tmp_path, config())
    (path / "..data").unlink()
    made(api, tmp_path, config())
    assert contents(path)["a"] == b"1"


async def test_a_secret_is_decoded(api, tmp_path):
    volume = Volume(name="v", secret=SecretVolumeSource(secret_name="s"))
    assert contents(made(api, tmp_path, volume)) == {"key": b"x"}


async def test_an_empty_dir_keeps_what_is_in_it(api, tmp_path):
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    path = made(api, tmp_path, volume)
    (path / "mine").write_text("x")
    assert (made(api, tmp_path, volume) / "mine").read_text() == "x"


async def test_what_is_optional_may_be_missing(api, tmp_path):
    source = ConfigMapVolumeSource(name="no", optional=True)
    assert contents(made(api, tmp_path, Volume(name="v", config_map=source))) == {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"config_map": ConfigMapVolumeSource(name="no")}, 'configmap "no" not found'),
        ({"secret": SecretVolumeSource(secret_name="no")}, 'secret "no" not found'),
        (
            {"config_map": ConfigMapVolumeSource(name="c", items=(KeyToPath(key="z", path="z"),))},
            "configmap default/c references non-existent config key: z",
        ),
        (
            {
                "config_map": ConfigMapVolumeSource(
                    name="c", items=(KeyToPath(key="a", path="../z"),)
                )
            },
            'path "../z" must be relative and not contain ".."',
        ),
        ({"csi": {"driver": "x"}}, "volumes of type csi are not supported"),
        ({"iscsi": {"iqn": "x"}}, "volumes of type iscsi are not supported"),
        (
            {"host_path": HostPathVolumeSource(path="/no/such", type="Directory")},
            "hostPath type check failed: /no/such is not a directory",
        ),
        (
            {"host_path": HostPathVolumeSource(path="/etc", type="File")},
            "hostPath type check failed: /etc is not a file",
        ),
        (
            {"host_path": HostPathVolumeSource(path="/etc", type="Folder")},
            'hostPath type "Folder" is not known',
        ),
    ],
)
async def test_what_can_not_be_mounted_says_why(api, tmp_path, source, message):
    with pytest.raises(VolumeNotReady) as raised:
        made(api, tmp_path, Volume(name="v", **source))
    assert message in str(raised.value)
    assert str(raised.value).startswith('MountVolume.SetUp failed for volume "v": ')


async def test_a_host_path_is_itself_and_may_be_made(api, tmp_path):
    source = HostPathVolumeSource(path=str(tmp_path / "new"), type="DirectoryOrCreate")
    path = made(api, tmp_path, Volume(name="v", host_path=source))
    assert path == tmp_path / "new"
    assert path.is_dir()


def test_a_sub_path_stays_inside_its_volume(tmp_path):
    assert mount_path_of("v", tmp_path, "a/b") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    assert mount_path_of("v", tmp_path, None) == tmp_path
    for outside in ("../x", "/etc"):
        with pytest.raises(VolumeNotReady, match="must be relative"):
            mount_path_of("v", tmp_path, outside)


async def test_a_projected_volume_gathers_several_objects(api, tmp_path):
    pod_name = DownwardAPIFile(
        path="me/name", field_ref=ObjectFieldSelector(field_path="metadata.name")
    )
    source = ProjectedVolumeSource(
        sources=(
            VolumeProjection(
                config_map=ProjectedConfigMap(name="c", items=(KeyToPath(key="a", path="x"),))
            ),
            VolumeProjection(secret=ProjectedConfigMap(name="s")),
            VolumeProjection(downward_api=ProjectedDownwardAPI(items=(pod_name,))),
        ),
        default_mode=0o440,
    )
    path = made(api, tmp_path, Volume(name="v", projected=source))
    assert (path / "x").read_bytes() == b"1"
    assert (path / "key").read_bytes() == b"x"
    assert (path / "me" / "name").read_text() == "p"
    assert (path / "x").stat().st_mode & 0o777 == 0o440


async def given_claim(api, **spec):
    """A claim `data` that is bound to a volume of that spec."""
    meta = ObjectMeta(name="data", namespace="default")
    claim = await api.create(
        PersistentVolumeClaim(metadata=meta, spec=PersistentVolumeClaimSpec(volume_name="pv"))
    )
    status = PersistentVolumeClaimStatus(phase="Bound")
    await api.update_status(msgspec.structs.replace(claim, status=status))
    await api.create(
        PersistentVolume(metadata=ObjectMeta(name="pv"), spec=PersistentVolumeSpec(**spec))
    )


CLAIM = Volume(
    name="v", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="data")
)


async def test_a_claim_of_a_dataset_is_where_its_links_are(api, tmp_path):
    (tmp_path / "data").mkdir()
    csi = CSISource(
        driver="fuse.csi.fluid.io",
        volume_handle="pv",
        volume_attributes={"fluid_path": str(tmp_path / "data")},
    )
    await given_claim(api, csi=csi)
    assert made(api, tmp_path, CLAIM) == tmp_path / "data"


async def test_a_claim_is_the_folder_of_its_volume(api, tmp_path):
    await given_claim(
        api, host_path=HostPathSource(path=str(tmp_path / "pv"), type="DirectoryOrCreate")
    )
    assert made(api, tmp_path, CLAIM) == tmp_path / "pv"
    assert (tmp_path / "pv").is_dir()


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param(
            {"local": LocalSource(path="/no/such")},
            'path "/no/such" of persistentvolume "pv" does not exist',
            id="local",
        ),
        pytest.param(
            {"csi": CSISource(driver="disk.csi.example.com", volume_handle="pv")},
            "storage driver disk.csi.example.com, which is not served on this machine",
            id="another driver",
        ),
        pytest.param(
            {"nfs": NFSVolumeSource(server="no.such.host", path="/models")},
            "no.such.host:/models is not mounted on this machine: mount it",
            id="nfs",
        ),
        pytest.param(
            {"csi": CSISource(driver="fuse.csi.fluid.io", volume_handle="pv")},
            'the data of persistentvolume "pv" is not there',
            id="dataset",
        ),
    ],
)
async def test_a_volume_that_is_not_here_says_so_and_the_way_out(api, tmp_path, spec, why):
    await given_claim(api, **spec)
    with pytest.raises(VolumeNotReady) as raised:
        made(api, tmp_path, CLAIM)
    assert why in str(raised.value)
