"""The intent example, trained and served in the form in which people write such documents."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tidegate.testing.engine import RunningEngine, running_engine, wait_until

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed"
    ),
]
EXAMPLE = Path(__file__).parents[2] / "examples" / "intent"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """With one simulated GPU, and a document for a GPU cluster applied twice, under two names."""
    example = tmp_path_factory.mktemp("examples") / "intent"
    shutil.copytree(EXAMPLE, example, ignore=shutil.ignore_patterns("build", "__pycache__"))
    subprocess.run([sys.executable, str(example / "prepare.py")], check=True, timeout=120)
    with running_engine("--simulate-gpus", "1x15GiB") as engine:
        engine.cli("apply", "-f", str(example / "service.yaml"))
        yield engine, example


def answer(engine: RunningEngine, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
    connection = HTTPConnection(*engine.gateway, timeout=60)
    try:
        method = "POST" if body else "GET"
        headers = {"Host": "intent.default.localhost", "Content-Type": "application/json"}
        connection.request(method, path, body=body, headers=headers)
        got = connection.getresponse()
        return got.status, got.getheader("Content-Type") or "", got.read()
    finally:
        connection.close()


def why_waiting(engine: RunningEngine) -> str:
    states = [
        status["state"].get("waiting", {}).get("message", "")
        for pod in engine.get("pods")
        for status in pod.get("status", {}).get("containerStatuses", ())
    ]
    return " ".join(states)


def test_an_unknown_image_runs_as_soon_as_the_table_has_it(engine):
    engine, example = engine
    # Without podman it says what to do; with it, why no registry has the image.
    told = ("config-images", "registry.example.com")
    wait_until("the pod says why", lambda: any(w in why_waiting(engine) for w in told))
    engine.cli("apply", "-f", str(example / "build" / "intent.yaml"))
    wait_until("it is ready", lambda: engine.ready_pods("intent"), within_s=90)
    assert answer(engine, "/predict?query=music") == (
        200,
        "text/html; charset=utf-8",
        b"PlayMusic",
    )
    assert answer(engine, "/predict", b'{"query": "will it rain"}')[2] == b"GetWeather"
    assert answer(engine, "/predict")[0] == 400


def test_gpus_are_simulated_and_say_so_and_are_never_oversubscribed(engine):
    engine, _ = engine
    (node,) = engine.get("nodes")
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert node["metadata"]["labels"]["tidegate.dev/gpus"] == "simulated"
    assert any(c["type"] == "SimulatedGPUs" for c in node["status"]["conditions"])
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "greedy", "namespace": "default"},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "python:3",
                    "command": ["sleep", "1000"],
                    "resources": {"limits": {"aliyun.com/gpu-mem": "3"}},
                }
            ]
        },
    }
    engine.cli("apply", "-f", "-", stdin=json.dumps(pod))
    wait_until(
        "the card is taken",
        lambda: "Insufficient aliyun.com/gpu-mem" in json.dumps(engine.get("events")),
        within_s=60,
    )
