"""Fluid's kinds: what is refused, what is filled in, what an author is told."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.fluid import Dataset
from tidegate.model.fluid_mounts import Source, place_of, source_of
from tidegate.model.wire import read
from tidegate.policy.storage_notes import storage_notes

CLOUD = ["oss://b/d", "s3://b/d", "gs://b", "https://h/d"]
ELSEWHERE = ["hdfs://h:9000/d", "dataset://ns/other"]


def fluid(kind: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "data.fluid.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "data", "namespace": "default"},
        "spec": spec,
    }


def mounts(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return fluid("Dataset", mounts=list(given), **more)


def mount(point: str = "local:///srv", name: str = "sd", **more: Any) -> dict[str, Any]:
    return {"mountPoint": point, "name": name, **more}


def tier(**level: Any) -> dict[str, Any]:
    return fluid("AlluxioRuntime", tieredstore={"levels": [{"mediumtype": "MEM", **level}]})


@pytest.mark.parametrize("point", CLOUD)
def test_data_of_object_stores_is_fetched(point):
    dataset, _ = read({"spec": {"mounts": [mount(point)]}}, Dataset)
    assert source_of(dataset.spec.mounts[0]).uri == point


@pytest.mark.parametrize("point", ELSEWHERE)
def test_data_that_nothing_fetches_is_refused_with_the_way_out(refusal, point):
    said = str(refusal(mounts(mount(point))))
    assert "spec.mounts[0].mountPoint: Invalid value" in said
    assert "is not fetched here" in said


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (mounts(), "spec.mounts"),
        (mounts(mount("")), "spec.mounts[0].mountPoint"),
        (mounts(mount("/srv")), "spec.mounts[0].mountPoint"),
        (mounts(mount("local://srv")), "spec.mounts[0].mountPoint"),
        (mounts(mount("local:///srv/../etc")), "spec.mounts[0].mountPoint"),
        (mounts(mount("pvc:///folder")), "spec.mounts[0].mountPoint"),
        (mounts(mount("pvc://claim/../other")), "spec.mounts[0].mountPoint"),
        (mounts(mount(path="/a/../../b")), "spec.mounts[0].path"),
        (mounts(mount(), mount("local:///b")), "spec.mounts[1].path"),
        (mounts(mount(path="/a"), mount(path="/a/b", name="b")), "spec.mounts[1].path"),
        (mounts(mount(path="/a/b"), mount(path="/", name="b")), "spec.mounts[0].path"),
        (mounts(mount(), accessModes=["Sometimes"]), "spec.accessModes[0]"),
        (mounts(mount(), placement="Alone"), "spec.placement"),
        (fluid("JindoRuntime", replicas=-1), "spec.replicas"),
        (fluid("EFCRuntime", master={"replicas": 0}), "spec.master.replicas"),
        (tier(mediumtype="NVME"), "spec.tieredstore.levels[0].mediumtype"),
        (tier(volumeType="nfs"), "spec.tieredstore.levels[0].volumeType"),
        (tier(quota="many"), "spec.tieredstore.levels[0].quota"),
        (tier(quotaList="1Gi,many"), "spec.tieredstore.levels[0].quotaList"),
        (tier(high="1.5"), "spec.tieredstore.levels[0].high"),
        (tier(low="low"), "spec.tieredstore.levels[0].low"),
        (tier(low="nan"), "spec.tieredstore.levels[0].low"),
        (fluid("DataLoad"), "spec.dataset.name"),
        (
            fluid("DataLoad", dataset={"name": "d", "namespace": "other"}),
            "spec.dataset.namespace",
        ),
        (fluid("DataLoad", dataset={"name": "d"}, policy="OnEvent"), "spec.policy"),
        (fluid("DataLoad", dataset={"name": "d"}, policy="Cron"), "spec.schedule"),
        (fluid("DataLoad", dataset={"name": "d"}, policy="Cron", schedule="x"), "spec.schedule"),
        (fluid("DataLoad", dataset={"name": "d"}, schedule="0 3 * * *"), "spec.schedule"),
        (fluid("DataLoad", dataset={"name": "d"}, policy="Never"), "spec.policy"),
        (
            fluid("DataLoad", dataset={"name": "d"}, target=[{"path": "/../etc"}]),
            "spec.target[0].path",
        ),
        (
            fluid("DataLoad", dataset={"name": "d"}, ttlSecondsAfterFinished=-1),
            "spec.ttlSecondsAfterFinished",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(refusal, document, path):
    assert f"{path}: " in str(refusal(document))


def test_a_dataset_is_read_by_many_unless_it_says_otherwise(admit):
    assert admit(mounts(mount())).spec.access_modes == ("ReadOnlyMany",)
    once = mounts(mount(), accessModes=["ReadWriteOnce"])
    assert admit(once).spec.access_modes == ("ReadWriteOnce",)


def test_a_runtime_has_one_worker_and_a_load_runs_once(admit):
    assert admit(fluid("JindoRuntime")).spec.replicas == 1
    assert admit(fluid("DataLoad", dataset={"name": "d"})).spec.policy == "Once"


@pytest.mark.parametrize(
    ("point", "source"),
    [
        ("local:///srv//models/", Source(None, "/srv/models")),
        ("file:///srv", Source(None, "/srv")),
        ("pvc://claim", Source("claim", "")),
        ("pvc://claim/a/b/", Source("claim", "a/b")),
    ],
)
def test_where_the_data_is(point, source):
    dataset, _ = read({"spec": {"mounts": [mount(point)]}}, Dataset)
    assert source_of(dataset.spec.mounts[0]) == source


@pytest.mark.parametrize(
    ("given", "place"),
    [({}, "sd"), ({"path": "/"}, ""), ({"path": "/a//b/"}, "a/b"), ({"path": "rel"}, "rel")],
)
def test_where_a_mount_is_in_the_dataset(given, place):
    dataset, _ = read({"spec": {"mounts": [mount(**given)]}}, Dataset)
    assert place_of(dataset.spec.mounts[0]) == place


def test_what_has_no_effect_on_data_in_place_is_said():
    key = {"secretKeyRef": {"name": "access-key", "key": "id"}}
    options = {"options": {"a": "b"}, "encryptOptions": [{"name": "id", "valueFrom": key}]}
    dataset, _ = read({"spec": {"mounts": [mount(**options, readOnly=True)]}}, Dataset)
    told = {note.partition(": ")[0] for note in storage_notes(dataset)}
    assert told == {f"spec.mounts[0].{f}" for f in ("options", "encryptOptions", "readOnly")}


def test_of_fetched_data_only_the_options_that_nobody_reads_are_named():
    options = {"fs.oss.endpoint": "oss-cn-beijing.aliyuncs.com", "fs.oss.speed": "9"}
    dataset, _ = read({"spec": {"mounts": [mount("oss://b/d", options=options)]}}, Dataset)
    (told,) = storage_notes(dataset)
    assert told.startswith("spec.mounts[0].options[fs.oss.speed]: not read here")


def test_an_encrypted_option_needs_its_secret(refusal):
    options = {"encryptOptions": [{"name": "fs.oss.accessKeyId"}]}
    said = str(refusal(mounts(mount("oss://b/d", **options))))
    assert "spec.mounts[0].encryptOptions[0].valueFrom.secretKeyRef" in said


@pytest.mark.parametrize(
    ("level", "field"),
    [
        ({"path": "cache"}, "path"),
        ({"path": "/"}, "path"),
        ({"path": "/a,/b", "quotaList": "1Gi"}, "quotaList"),
        ({"high": "0.5", "low": "0.6"}, "low"),
    ],
)
def test_tiers_that_cannot_be_made_are_refused(refusal, level, field):
    assert f"spec.tieredstore.levels[0].{field}" in str(refusal(tier(**level)))
