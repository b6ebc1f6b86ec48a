"""What of a pod's volumes a container gets, and where."""

from pathlib import Path

import pytest

from tidegate.kit.home import Home
from tidegate.model.containers import Container, VolumeMount
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.volumes import (
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    SecretVolumeSource,
    Volume,
)
from tidegate.node.containers.images import ImageFacts
from tidegate.node.containers.launch import Vessel, plan_container
from tidegate.node.containers.program import ContainerProgram
from tidegate.node.errors import VolumeNotReady
from tidegate.node.launch import Site
from tidegate.node.views import lay_view, view_folder
from tidegate.testing.fake_keeper import FakeKeeper, FakeMachine

VESSEL = Vessel(ContainerProgram("podman", ("podman",)), {}, ImageFacts("i", cmd=("x",)), "h")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make()
    return home


def mounts(home: Home, volume: Volume, path: Path, **mount: object) -> list[str]:
    """`source target` (and `ro`) of each, without the termination message's."""
    at = VolumeMount(name=volume.name, mount_path="/data", **mount)
    container = Container(name="c", image="x", volume_mounts=(at,))
    pod = Pod(
        metadata=ObjectMeta(name="p", namespace="n", uid="u"),
        spec=PodSpec(containers=(container,), volumes=(volume,)),
    )
    machine = FakeMachine(FakeKeeper())
    site = Site(home=home, machine=machine, volumes={volume.name: path}, ports=(), log_bytes=1)
    launch = plan_container(None, pod, container, attempt=0, site=site, vessel=VESSEL)
    argv = launch.spec.argv
    found = [argv[i + 1] for i, word in enumerate(argv) if word == "--mount"]
    assert found.pop().endswith("target=/dev/termination-log")
    parts = [dict(item.partition("=")[::2] for item in text.split(",")) for text in found]
    return [f"{p['source']} {p['target']}" + (" ro" if "readonly" in p else "") for p in parts]


def folder(at: Path) -> Path:
    at.mkdir(parents=True)
    return at


def host(path: Path) -> Volume:
    return Volume(name="v", host_path=HostPathVolumeSource(path=str(path)))


def test_a_mount_is_where_the_document_says_and_may_be_read_only(home, tmp_path):
    real = folder(tmp_path / "real")
    assert mounts(home, host(real), real) == [f"{real} /data"]
    assert mounts(home, host(real), real, read_only=True) == [f"{real} /data ro"]
    assert mounts(home, host(real), real, sub_path="a") == [f"{real}/a /data"]


def test_secrets_are_read_only_whatever_the_mount_says(home, tmp_path):
    secret = Volume(name="v", secret=SecretVolumeSource(secret_name="s"))
    real = folder(tmp_path / "secret")
    assert mounts(home, secret, real) == [f"{real} /data ro"]


def test_any_user_may_write_to_an_empty_dir(home, tmp_path):
    real = folder(tmp_path / "scratch")
    real.chmod(0o700)
    empty = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    assert mounts(home, empty, real) == [f"{real} /data"]
    assert real.stat().st_mode & 0o777 == 0o777


def test_links_of_a_view_are_mounts_of_their_own_and_never_written(home, tmp_path):
    one, two = folder(home.cache / "one"), folder(home.cache / "two")
    view = lay_view(view_folder(home.pods / "u", "v"), {"a": one, "b/c": two})
    assert sorted(mounts(home, host(view), view)) == [f"{one} /data/a ro", f"{two} /data/b/c ro"]


def test_links_of_a_dataset_are_followed_and_only_fetched_data_is_read_only(home, tmp_path):
    here, fetched = folder(tmp_path / "here"), folder(home.cache / "fetched")
    data = folder(home.datasets / "n" / "set" / "digest")
    (data / "here").symlink_to(here)
    (data / "fetched").symlink_to(fetched)
    (data.parent / "data").symlink_to("digest")
    found = sorted(mounts(home, host(data), data.parent / "data"))
    assert found == [f"{fetched} /data/fetched ro", f"{here} /data/here"]


def test_a_pods_own_links_lead_nowhere(home, tmp_path):
    real = folder(tmp_path / "real")
    (real / "out").symlink_to("/etc")
    assert mounts(home, host(real), real) == [f"{real} /data"]


def test_a_sub_path_through_a_pods_own_link_is_no_way_out(home, tmp_path):
    real = folder(tmp_path / "real")
    (real / "out").symlink_to("/etc")
    for path in ("out", "out/new"):
        with pytest.raises(VolumeNotReady, match=f'subPath "{path}" leads out of the volume'):
            mounts(home, host(real), real, sub_path=path)
    assert not Path("/etc/new").exists()
