"""A dataset's files, read by a Knative Service's pod and fetched through the real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate.testing.engine import RunningEngine, running_engine, wait_until

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as running:
        yield running


def fluid(kind: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "data.fluid.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "models"},
        "spec": spec,
    }


def reads() -> dict[str, Any]:
    folder = "/data/models"
    container = {
        "image": "python:3",
        "command": ["python", "-m", "http.server", "8080", "--bind", "127.0.0.1"],
        "args": ["--directory", folder],
        "ports": [{"containerPort": 8080}],
        "volumeMounts": [{"name": "v", "mountPath": folder}],
    }
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "models"}}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "reads"},
        "spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}},
    }


def dataset_rows(engine: RunningEngine) -> list[str]:
    return [line for line in engine.cli("get", "datasets").splitlines() if "models" in line]


def test_a_service_reads_what_its_dataset_mounts_and_keeps_it_from_going(engine, tmp_path: Path):
    weights = tmp_path / "sd"
    weights.mkdir()
    (weights / "w.txt").write_text("first")
    (tmp_path / "vae.txt").write_text("second")
    mounts = [
        {"mountPoint": f"local://{weights}", "name": "sd"},
        {"mountPoint": f"file://{tmp_path / 'vae.txt'}", "name": "vae", "path": "/more/vae.txt"},
    ]
    tiers = {"levels": [{"mediumtype": "SSD", "path": "/mnt/ssd0/cache", "quota": "100Gi"}]}
    documents = [
        reads(),  # its pod waits for the claim
        fluid("Dataset", mounts=mounts),
        fluid("JindoRuntime", replicas=2, tieredstore=tiers),
        fluid("DataLoad", dataset={"name": "models"}, target=[{"path": "/sd"}]),
    ]
    for document in documents:
        engine.cli("apply", "-f", "-", stdin=json.dumps(document))

    wait_until("it is bound", lambda: any("100.0%" in row for row in dataset_rows(engine)))
    assert dataset_rows(engine)[0].split()[1:6] == [
        "11.00B",
        "11.00B",
        "200.00GiB",
        "100.0%",
        "Bound",
    ]
    wait_until("its load", lambda: engine.get("dataloads")[0]["status"]["phase"] == "Complete")
    wait_until("a pod", lambda: engine.ask("reads", "/sd/w.txt") == (200, b"first"), within_s=60)
    assert engine.ask("reads", "/more/vae.txt") == (200, b"second")

    engine.cli("delete", "jindoruntime", "models", "--wait=false")
    engine.cli("delete", "dataset", "models", "--wait=false")
    wait_until("why it stays", lambda: "waits for the pods" in engine.cli("get", "events"))
    assert engine.ask("reads", "/sd/w.txt") == (200, b"first")
    engine.cli("delete", "ksvc", "reads")
    for kind in ("datasets", "jindoruntimes", "pvc", "pv"):
        wait_until(f"no {kind}", lambda kind=kind: engine.get(kind) == [], within_s=60)
    assert (weights / "w.txt").read_text() == "first"
    assert not (engine.home / "datasets" / "default").exists()


def test_what_nothing_fetches_is_refused_with_the_way_out(engine):
    mounts = [{"mountPoint": "hdfs://host/sd", "name": "sd"}]
    document = json.dumps(fluid("Dataset", mounts=mounts))
    told = engine.cli("apply", "-f", "-", stdin=document, check=False)
    assert "spec.mounts[0].mountPoint" in told
    assert "copy the data to object storage or to a folder of this machine" in told
