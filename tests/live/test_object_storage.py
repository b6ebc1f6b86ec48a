"""Models that lie in an object store: documents of Fluid, KServe and plain volumes against a real S3
server, through the whole engine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tidegate.testing.engine import RunningEngine, running_engine, wait_until
from tidegate.testing.s3_store import KEY, RCLONE, SECRET, S3Store, s3_store

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.live,
    pytest.mark.skipif(not RCLONE.exists(), reason="needs rclone (requirements/dev.txt)"),
]

SHARED = Path(os.environ.get("TIDEGATE_SHARED") or Path(__file__).parents[3] / "shared")
SEEDS = SHARED / "seeds-manifests"
SERVES = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.path.join(os.environ["MODELS"], self.path.lstrip("/")), "rb") as file:
            body = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as running:
        yield running


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    root = tmp_path_factory.mktemp("s3") / "buckets"
    (root / "tidegate-models").mkdir(parents=True)
    with s3_store(root) as store:
        store.put("tidegate-models/sd/unet/weights", b"unet" * 1000)
        store.put("tidegate-models/sd/readme", b"read me\n")
        yield store


def until(what: str, true: Callable[[], object]) -> None:
    """Two small cores may have much else to do."""
    wait_until(what, true, within_s=110)


def applied(engine: RunningEngine, *documents: dict[str, Any]) -> str:
    return "".join(
        engine.cli("apply", "-f", "-", stdin=json.dumps(document)) for document in documents
    )


def doc(kind: str, name: str, api: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **fields}


def events(engine: RunningEngine, name: str, reason: str) -> list[str]:
    return [
        event.get("message", "")
        for event in engine.get("events")
        if event.get("reason") == reason and event["involvedObject"]["name"].startswith(name)
    ]


def told(engine: RunningEngine, name: str, reason: str, *words: str) -> bool:
    return any(all(word in text for word in words) for text in events(engine, name, reason))


def phase(engine: RunningEngine, pod: str) -> str:
    return next(
        (
            p.get("status", {}).get("phase", "")
            for p in engine.get("pods")
            if p["metadata"]["name"] == pod
        ),
        "",
    )


def dataset(engine: RunningEngine, name: str) -> dict[str, Any]:
    found = (d for d in engine.get("datasets") if d["metadata"]["name"] == name)
    return next(found, {}).get("status") or {}


def seed(name: str, s3: S3Store) -> list[dict[str, Any]]:
    """A document of the seeds with this server's address and keys."""
    (file,) = SEEDS.glob(f"*/{name}")
    text = file.read_text().replace("oss-cn-beijing.aliyuncs.com", s3.url)
    text = text.replace("example-ak-id", KEY).replace("example-ak-secret", SECRET)
    return [found for found in YAML(typ="safe").load_all(text) if found]


def volume(s3: S3Store, name: str, path: str = "", **changes: str) -> tuple[dict[str, Any], ...]:
    """A bucket as PersistentVolume, and the claim that is bound to it."""
    attributes = {"bucket": "tidegate-models", "url": s3.url, "akId": KEY, "akSecret": SECRET}
    attributes |= {"path": path} if path else {}
    csi = {
        "driver": "ossplugin.csi.alibabacloud.com",
        "volumeHandle": name,
        "volumeAttributes": {**attributes, **changes},
    }
    size = {"storage": "5Gi"}
    modes = ["ReadOnlyMany"]
    claim = {
        "accessModes": modes,
        "storageClassName": "",
        "volumeName": name,
        "resources": {"requests": size},
    }
    return (
        doc("PersistentVolume", name, spec={"capacity": size, "accessModes": modes, "csi": csi}),
        doc("PersistentVolumeClaim", name, spec=claim),
    )


def reader(claim: str, path: str = "/data/readme", **mount: Any) -> dict[str, Any]:
    """A pod spec that prints a file of a claim and stays."""
    return {
        "containers": [
            {
                "name": "c",
                "image": "python:3",
                "command": ["sh", "-c", 'cat "$0"; exec sleep 1000', path],
                "volumeMounts": [{"name": "v", "mountPath": "/data", **mount}],
            }
        ],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}],
        "terminationGracePeriodSeconds": 1,
    }


@pytest.mark.skipif(not SEEDS.exists(), reason="the seeds' documents are not at hand")
def test_a_dataset_of_oss_its_claim_and_a_service_as_published(engine, s3, tmp_path):
    program = tmp_path / "serves.py"
    program.write_text(SERVES)
    image = f"image: sd-backend:1.0\ncommand: [python, {program}]\nenv: {{MODELS: /data/models}}\n"
    config = doc("ConfigMap", "config-images", data={"sd": image})
    config["metadata"]["namespace"] = "tidegate-system"
    applied(engine, config)
    applied(engine, *seed("02-ksvc-sd-backend-mount-dataset-pvc.filled.yaml", s3))
    applied(engine, *seed("01-dataset-jindoruntime.filled.yaml", s3))
    until("it is bound", lambda: dataset(engine, "oss-data").get("phase") == "Bound")
    assert dataset(engine, "oss-data")["ufsTotal"] == "3.91KiB"
    assert dataset(engine, "oss-data")["fileNum"] == "2"
    until(
        "the model is served", lambda: engine.ask("sd-backend", "/sd/readme") == (200, b"read me\n")
    )
    until(
        "all of it is cached",
        lambda: dataset(engine, "oss-data")["cacheStates"].get("cachedPercentage") == "100.0%",
    )
    assert told(engine, "sd-backend", "Fetched", "oss://tidegate-models/sd")

    reads = s3.reads("tidegate-models/sd/unet/weights")
    engine.cli("delete", "pod", "-l", "serving.knative.dev/service=sd-backend")
    until("another replica serves", lambda: engine.ask("sd-backend", "/sd/unet/weights")[0] == 200)
    assert s3.reads("tidegate-models/sd/unet/weights") == reads

    load = {"dataset": {"name": "oss-data"}, "target": [{"path": "/sd"}], "loadMetadata": True}
    applied(engine, doc("DataLoad", "warm", "data.fluid.io/v1alpha1", spec=load))
    until("it is loaded", lambda: engine.get("dataloads")[0]["status"]["phase"] == "Complete")
    shown = json.dumps([engine.get(kind) for kind in ("datasets", "pods", "events", "dataloads")])
    assert SECRET not in shown

    engine.cli("delete", "ksvc", "sd-backend")
    engine.cli("delete", "dataload", "warm")
    engine.cli("delete", "dataset", "oss-data", "--wait=false")
    until("the claim is gone", lambda: engine.get("pvc") == [])
    folder = engine.home / "cache" / "datasets" / "default" / "oss-data"
    until("its cache is gone", lambda: not folder.exists())


@pytest.mark.skipif(not SEEDS.exists(), reason="the seeds' documents are not at hand")
def test_a_bucket_behind_a_claim_as_published(engine, s3):
    applied(engine, *seed("01-pvc.filled.yaml", s3))
    applied(engine, doc("Pod", "reads", spec=reader("model-pvc", "/data/sd/readme")))
    until("it runs", lambda: phase(engine, "reads") == "Running")
    until("it has read", lambda: engine.cli("logs", "reads") == "read me\n")
    engine.cli("delete", "pod", "reads")


def deployment(engine: RunningEngine, claim: str, *, replicas: int) -> None:
    template = {"metadata": {"labels": {"app": claim}}, "spec": reader(claim)}
    selector = {"matchLabels": {"app": claim}}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    applied(engine, doc("Deployment", claim, "apps/v1", spec=spec))


def ready(engine: RunningEngine, name: str) -> int:
    found = (d for d in engine.get("deployments") if d["metadata"]["name"] == name)
    return int(next(found, {}).get("status", {}).get("readyReplicas", 0))


def test_twenty_pods_cost_one_download(engine, s3):
    s3.put("tidegate-models/many/readme", b"one for all")
    applied(engine, *volume(s3, "many", "/many"))
    deployment(engine, "many", replicas=20)
    until("all run", lambda: ready(engine, "many") == 20)
    assert s3.reads("tidegate-models/many/readme") == 1
    engine.cli("delete", "deployment", "many")
    until("they are gone", lambda: not engine.get("pods"))
    holds = engine.home / "cache" / "holds"
    assert list(holds.glob("*/pod*")) == []


def predicts(engine: RunningEngine) -> bool:
    connection = HTTPConnection(*engine.gateway, timeout=30)
    body = json.dumps({"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]})
    host = {"Host": "iris-default.example.com"}
    try:
        connection.request("POST", "/v1/models/iris:predict", body, host)
        answer = connection.getresponse()
        return (answer.status, answer.read()) == (200, b'{"predictions":[1,1]}')
    finally:
        connection.close()


def test_wrong_keys_are_said_in_words_and_mended_ones_are_tried_at_once(engine, s3):
    joblib = pytest.importorskip("joblib")
    datasets, svm = pytest.importorskip("sklearn.datasets"), pytest.importorskip("sklearn.svm")
    x, y = datasets.load_iris(return_X_y=True)
    folder = s3.root / "tidegate-models" / "iris"
    folder.mkdir()
    joblib.dump(svm.SVC(gamma="scale").fit(x, y), folder / "model.joblib")

    def secret(value: str) -> dict[str, Any]:
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": value}
        made = doc("Secret", "s3-keys", stringData=keys)
        made["metadata"]["annotations"] = {
            "serving.kserve.io/s3-endpoint": s3.endpoint,
            "serving.kserve.io/s3-usehttps": "0",
        }
        return made

    resources = {"requests": {"cpu": "100m", "memory": "200Mi"}}
    model = {"storageUri": "s3://tidegate-models/iris", "resources": resources}
    predictor = {"serviceAccountName": "models", "sklearn": model}
    isvc = doc(
        "InferenceService", "iris", "serving.kserve.io/v1beta1", spec={"predictor": predictor}
    )
    applied(
        engine,
        secret("not-the-secret"),
        doc("ServiceAccount", "models", secrets=[{"name": "s3-keys"}]),
        isvc,
    )

    def status() -> dict[str, Any]:
        return engine.get("isvc")[0].get("status", {})

    def failure() -> str:
        info = status().get("modelStatus", {}).get("lastFailureInfo", {})
        return f"{info.get('reason')}: {info.get('message')}"

    until("the reason", lambda: "ModelLoadFailed: " in failure() and "key" in failure())
    assert status()["modelStatus"]["states"]["targetModelState"] == "FailedToLoad"
    assert "not-the-secret" not in json.dumps([engine.get("pods"), engine.get("events")])

    applied(engine, secret(SECRET))

    def is_ready() -> bool:
        return {"Ready": "True"}.items() <= {
            c["type"]: c["status"] for c in status().get("conditions", ())
        }.items()

    until("it is ready", is_ready)
    until("it predicts", lambda: predicts(engine))
    assert status()["modelStatus"]["states"]["activeModelState"] == "Loaded"
    (pod,) = engine.get("pods")
    (init,) = pod["status"]["initContainerStatuses"]
    assert init["state"]["terminated"]["reason"] == "Completed"
    engine.cli("delete", "isvc", "iris")
    until("it is gone", lambda: not engine.get("pods"))


def test_what_is_not_there_yet_is_said_and_found_once_it_is(engine, s3):
    applied(engine, *volume(s3, "later", "/later"), *volume(s3, "nowhere", bucket="no-such-bucket"))
    applied(engine, doc("Pod", "waits", spec=reader("later")))
    applied(engine, doc("Pod", "lost", spec=reader("nowhere")))
    until("why", lambda: told(engine, "waits", "FailedMount", "oss://tidegate-models/later"))
    until("why", lambda: told(engine, "lost", "FailedMount", "oss://no-such-bucket"))
    s3.put("tidegate-models/later/readme", b"at last")
    until("it runs", lambda: phase(engine, "waits") == "Running")
    engine.cli("delete", "pod", "waits", "lost")


def test_a_store_that_is_down_is_waited_for_and_another_replica_needs_none(engine, s3):
    s3.put("tidegate-models/away/readme", b"here and there")
    applied(engine, *volume(s3, "away", "/away"))
    s3.down()
    try:
        deployment(engine, "away", replicas=1)
        until("why", lambda: told(engine, "away", "FailedMount", "away"))
        s3.up()
        until("it runs", lambda: ready(engine, "away") == 1)
        s3.down()
        deployment(engine, "away", replicas=2)
        until("another runs too", lambda: ready(engine, "away") == 2)
    finally:
        s3.up()
    engine.cli("delete", "deployment", "away")


def test_a_quota_that_is_too_small_is_said_with_numbers_and_a_larger_one_mends_it(engine, s3):
    s3.put("tidegate-models/big/weights", b"w" * 50_000)
    keys = {"id": KEY, "secret": SECRET}
    names = {"fs.oss.accessKeyId": "id", "fs.oss.accessKeySecret": "secret"}
    encrypted = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "big", "key": key}}}
        for name, key in names.items()
    ]
    mount = {
        "mountPoint": "oss://tidegate-models/big",
        "name": "big",
        "path": "/",
        "options": {"fs.oss.endpoint": s3.url},
        "encryptOptions": encrypted,
    }

    def runtime(quota: str) -> dict[str, Any]:
        levels = [{"mediumtype": "SSD", "volumeType": "emptyDir", "path": "/x", "quota": quota}]
        spec = {"replicas": 1, "tieredstore": {"levels": levels}}
        return doc("JindoRuntime", "big", "data.fluid.io/v1alpha1", spec=spec)

    applied(
        engine,
        doc("Secret", "big", stringData=keys),
        doc("Dataset", "big", "data.fluid.io/v1alpha1", spec={"mounts": [mount]}),
        runtime("10Ki"),
        doc("Pod", "wants", spec=reader("big", "/data/weights")),
    )
    until("why", lambda: told(engine, "wants", "FailedMount", "big"))
    (why,) = set(events(engine, "wants", "FailedMount"))
    assert "KiB" in why or "50000" in why or "kB" in why
    applied(engine, runtime("1Mi"))
    until("it runs", lambda: phase(engine, "wants") == "Running")
    engine.cli("delete", "pod", "wants")
    engine.cli("delete", "dataset", "big", "--wait=false")


def test_what_pods_hold_survives_a_kill_and_is_let_go_with_them(engine, s3):
    s3.put("tidegate-models/kept/readme", b"kept")
    applied(engine, *volume(s3, "kept", "/kept"))
    applied(engine, doc("Pod", "keeps", spec=reader("kept")))
    until("it runs", lambda: phase(engine, "keeps") == "Running")
    holds = engine.home / "cache" / "holds"
    (uid,) = (p["metadata"]["uid"] for p in engine.get("pods") if p["metadata"]["name"] == "keeps")

    def held() -> bool:
        return any(uid in path.name for path in holds.glob("*/pod*"))

    assert held()
    reads = s3.reads("tidegate-models/kept/readme")
    os.kill(engine.pid("control_plane"), signal.SIGKILL)
    until("it answers again", lambda: phase(engine, "keeps") == "Running")
    assert held()
    assert s3.reads("tidegate-models/kept/readme") == reads
    engine.refresh()
    engine.cli("delete", "pod", "keeps")
    until("nothing is held", lambda: not held())
