"""Datasets as folders of links, their sizes, and what is reported of them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tidegate.controllers.fluid.folders import DatasetFolders, Measured, measure, missing
from tidegate.controllers.fluid.status import (
    CALCULATING,
    bound,
    bytes_text,
    cache_states,
    capacity_bytes,
    unready,
)
from tidegate.model.fluid import Dataset, DatasetMount, DatasetSpec
from tidegate.model.fluid_runtimes import JindoRuntime, JindoRuntimeSpec, TieredStore, TierLevel
from tidegate.model.meta import Key, ObjectMeta

KEY = Key("default", "data")


@pytest.fixture
def folders(tmp_path: Path) -> DatasetFolders:
    return DatasetFolders(tmp_path / "datasets")


def made(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_bytes(b"x" * 10)
    return folder


def runtime(*levels: TierLevel, replicas: int = 2) -> JindoRuntime:
    spec = JindoRuntimeSpec(replicas=replicas, tieredstore=TieredStore(levels=levels))
    return JindoRuntime(metadata=ObjectMeta(name="data", namespace="default"), spec=spec)


def dataset() -> Dataset:
    mounts = (DatasetMount(mount_point="local:///srv", name="sd"),)
    return Dataset(
        metadata=ObjectMeta(name="data", namespace="default"), spec=DatasetSpec(mounts=mounts)
    )


def test_mounts_lie_where_their_paths_say(folders, tmp_path):
    a, b = made(tmp_path / "a", "one"), made(tmp_path / "b", "two")
    folders.lay(KEY, {"models/a": str(a), "models/b": str(b)})
    data = Path(folders.path_of(KEY))
    assert (data / "models/a/one").exists()
    assert (data / "models/b/two").exists()
    assert folders.has(KEY, "/models/a")
    assert not folders.has(KEY, "/models/c")


def test_a_dataset_goes_from_one_mount_at_its_root_to_several_and_back(folders, tmp_path):
    a = made(tmp_path / "a", "one")
    data = Path(folders.path_of(KEY))
    folders.lay(KEY, {"": str(a)})
    assert sorted(os.listdir(data)) == ["one"]
    folders.lay(KEY, {"x": str(a), "y": str(a)})
    assert sorted(os.listdir(data)) == ["x", "y"]
    folders.lay(KEY, {"": str(a)})
    assert sorted(os.listdir(data)) == ["one"]
    assert [entry.name for entry in data.parent.iterdir()] == ["data"]


def test_what_a_killed_engine_left_half_done_is_no_hindrance(folders, tmp_path):
    a = made(tmp_path / "a", "one")
    folders.lay(KEY, {"x": str(a)})
    data = Path(folders.path_of(KEY))
    (data.parent / ".new-data").symlink_to(a)
    folders.lay(KEY, {"y": str(a)})
    assert sorted(os.listdir(data)) == ["y"]


def test_taking_a_dataset_away_leaves_the_data_and_other_datasets(folders, tmp_path):
    a = made(tmp_path / "a", "one")
    folders.lay(KEY, {"x": str(a)})
    folders.lay(Key("default", "other"), {"": str(a)})
    folders.remove(KEY)
    folders.remove(KEY)
    assert not os.path.lexists(folders.path_of(KEY))
    assert folders.has(Key("default", "other"), "/one")
    assert (a / "one").exists()


def test_files_are_counted_each_and_their_bytes_once(tmp_path):
    a = made(tmp_path / "a", "one", "two")
    os.link(a / "one", a / "again")
    (a / "link").symlink_to(a / "two")
    (a / "dangling").symlink_to(a / "nothing")
    made(a / "deep", "three")
    assert measure({"": str(a)}) == Measured(30, 5)
    assert measure({"f": str(a / "one")}) == Measured(10, 1)
    assert missing({"a": str(a), "b": str(a / "no")}) == str(a / "no")
    assert missing({"a": str(a)}) is None


def test_measuring_stops_when_it_is_told(tmp_path):
    stop = threading.Event()
    stop.set()
    assert measure({"": str(made(tmp_path / "a", "one"))}, stop) == Measured(0, 0)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0.00B"), (1023, "1023.00B"), (1536, "1.50KiB"), (107374182400, "100.00GiB")],
)
def test_sizes_are_written_as_fluid_writes_them(size_bytes, text):
    assert bytes_text(size_bytes) == text


def test_capacity_is_all_workers_tiers():
    levels = (
        TierLevel(mediumtype="MEM", path="/a,/b", quota="1Gi"),
        TierLevel(mediumtype="SSD", path="/c,/d", quota_list="1Gi,2Gi"),
    )
    assert capacity_bytes(runtime(*levels)) == 2 * 4 * 2**30
    assert cache_states(runtime(replicas=0), None) == {"cacheCapacity": "0.00B"}


def test_what_is_not_measured_yet_is_not_called_cached():
    status = bound(dataset(), runtime(), None, 0.0)
    assert (status.phase, status.ufs_total, status.file_num) == ("Bound", CALCULATING, CALCULATING)
    assert set(status.cache_states) == {"cacheCapacity"}


def test_a_dataset_that_was_bound_fails_and_one_that_was_not_waits():
    assert unready(dataset(), "gone", 0.0).phase == "NotBound"
    was = bound(dataset(), runtime(), Measured(1, 1), 0.0)
    before = Dataset(metadata=dataset().metadata, spec=dataset().spec, status=was)
    after = unready(before, "gone", 5.0)
    assert (after.phase, [(c.type, c.message) for c in after.conditions]) == (
        "Failed",
        [("NotReady", "gone")],
    )
