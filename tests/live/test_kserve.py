"""InferenceServices on a real engine: documents as people with KServe have them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tidegate.testing.engine import SERVER, RunningEngine, running_engine, wait_until

pytestmark = pytest.mark.live

TWO_FLOWERS = {"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}
SMALL = {"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    joblib = pytest.importorskip("joblib")
    datasets = pytest.importorskip("sklearn.datasets")
    svm = pytest.importorskip("sklearn.svm")
    folder = tmp_path_factory.mktemp("iris")
    x, y = datasets.load_iris(return_X_y=True)
    joblib.dump(svm.SVC(gamma="scale").fit(x, y), folder / "model.joblib")
    return folder


def isvc(name: str, predictor: dict[str, Any], **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default", "annotations": more.pop("annotations", {})}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": meta,
        "spec": {"predictor": predictor, **more},
    }


def given(engine: RunningEngine, document: dict[str, Any]) -> dict[str, Any]:
    """Apply it and wait until it is ready; the object as it is then."""
    engine.cli("apply", "-f", "-", stdin=json.dumps(document))
    name = document["metadata"]["name"]
    wait_until(f"{name} ready", lambda: condition(engine, name)["status"] == "True", within_s=90)
    return seen(engine, name)


def seen(engine: RunningEngine, name: str) -> dict[str, Any]:
    return next(o for o in engine.get("isvc") if o["metadata"]["name"] == name)


def condition(engine: RunningEngine, name: str, type_: str = "Ready") -> dict[str, Any]:
    conditions = seen(engine, name).get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == type_), {"status": ""})


def ask(engine: RunningEngine, url: str, path: str, body: Any = None) -> tuple[int, bytes]:
    """As a client does that has the URL of a status and the gateway's address."""
    connection = HTTPConnection(*engine.gateway, timeout=60)
    try:
        host = {"Host": urlsplit(url).netloc}
        payload = None if body is None else json.dumps(body)
        connection.request("POST" if payload else "GET", path, body=payload, headers=host)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def found_by(engine: RunningEngine, name: str) -> tuple[str, str]:
    """The host and the path that the command line names for it."""
    said = json.loads(engine.cli("url", name, "-o", "json"))
    assert said["url"].startswith(said["gateway"])
    return said["host"], said["url"].removeprefix(said["gateway"])


def inside(engine: RunningEngine, name: str, folder: Path) -> str:
    """Where a batch Job would send its rows."""
    (folder / "in.jsonl").write_text("{}\n")
    files = ("--input", str(folder / "in.jsonl"), "--output", str(folder / "out.jsonl"))
    said = engine.cli("batch", "run", name, *files, "--as-job", "--dry-run", "-o", "json")
    args = json.loads(said)["spec"]["template"]["spec"]["containers"][0]["args"]
    return str(args[args.index("--url") + 1])


def gone(engine: RunningEngine, name: str) -> None:
    engine.cli("delete", "isvc", name)
    wait_until("its pods gone", lambda: not engine.get("pods"), within_s=60)
    assert engine.get("deployments") == []
    assert engine.get("hpa") == []
    assert engine.get("ingresses.networking.k8s.io") == []


def test_a_sklearn_model_in_standard_mode_answers_as_kserves(engine, model):
    storage = f"file://{model}"
    predictor = {"sklearn": {"storageUri": storage, "resources": SMALL}, "maxReplicas": 3}
    status = given(engine, isvc("iris", predictor))["status"]
    assert status["url"] == "http://iris-default.example.com"
    wait_until("the route", lambda: ask(engine, status["url"], "/v1/models")[0] == 200, within_s=30)
    code, body = ask(engine, status["url"], "/v1/models/iris:predict", TWO_FLOWERS)
    assert (code, body) == (200, b'{"predictions":[1,1]}')
    of_component = status["components"]["predictor"]["url"]
    assert ask(engine, of_component, "/v1/models/iris:predict", TWO_FLOWERS)[0] == 200
    hpa = engine.get("hpa")[0]
    assert hpa["spec"]["scaleTargetRef"]["name"] == "iris-predictor"
    assert "in Standard mode" in engine.cli("explain", "iris", check=False)
    assert found_by(engine, "iris") == ("iris-default.example.com", "/default/iris-predictor")
    assert inside(engine, "iris", model) == "http://iris-predictor.default.svc.cluster.local"
    assert "iris ready on" in engine.cli("logs", "isvc/iris", "--since", "1h")
    report = engine.cli("load", "-n", "2", "-c", "1", "-o", "json", "isvc/iris/v1/models/iris")
    assert json.loads(report)["statuses"] == {"200": 2}
    gone(engine, "iris")


def test_a_sklearn_model_in_knative_mode_is_a_knative_service(engine, model):
    mode = {"serving.kserve.io/deploymentMode": "Serverless"}
    predictor = {"sklearn": {"storageUri": str(model), "resources": SMALL}}
    status = given(engine, isvc("iris", predictor, annotations=mode))["status"]
    assert status["components"]["predictor"]["latestReadyRevision"] == "iris-predictor-00001"
    of_component = status["components"]["predictor"]["url"]
    for url in (status["url"], of_component):
        wait_until(f"{url}", lambda url=url: ask(engine, url, "/v1/models")[0] == 200)
        code, body = ask(engine, url, "/v1/models/iris:predict", TWO_FLOWERS)
        assert (code, body) == (200, b'{"predictions":[1,1]}')
    assert "iris-predictor-00001: 100% of the traffic" in engine.cli("explain", "iris")
    assert "iris-predictor-00001" in engine.cli("revisions", "isvc/iris")
    assert "canaryTrafficPercent" in engine.cli("rollback", "iris", check=False)
    gone(engine, "iris")


def test_a_transformer_stands_in_front_of_its_predictor(engine, tmp_path):
    """Both are the same small server, which answers its own pid: they are two."""
    container = {"image": "python:3", "command": ["python", str(SERVER), "8080"]}
    document = isvc("pair", {"containers": [container]}, transformer={"containers": [container]})
    document["spec"]["transformer"]["containers"][0] = {**container, "resources": SMALL}
    document["spec"]["predictor"]["containers"][0] = {**container, "resources": SMALL}
    status = given(engine, document)["status"]
    first = status["components"]["transformer"]["url"]
    second = status["components"]["predictor"]["url"]
    wait_until("both", lambda: {ask(engine, u, "/")[0] for u in (first, second)} == {200})
    assert ask(engine, status["url"], "/")[1] == ask(engine, first, "/")[1]
    assert ask(engine, first, "/")[1] != ask(engine, second, "/")[1]
    _, path = found_by(engine, "isvc/pair")
    assert ask(engine, "http://127.0.0.1", path)[1] == ask(engine, first, "/")[1]
    assert inside(engine, "pair", tmp_path) == "http://pair-transformer.default.svc.cluster.local"
    gone(engine, "pair")


TRANSFORMER = """
import json, sys, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
told = dict(zip(sys.argv[1::2], sys.argv[2::2]))

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        url = "http://" + told["--predictor_host"] + self.path
        headers = {"content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            seen = json.loads(answer.read())
        out = json.dumps({**seen, "by": "transformer"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

HTTPServer(("127.0.0.1", int(told["--http_port"])), Handler).serve_forever()
"""


@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_a_transformer_reaches_its_predictor_by_the_host_it_is_told(engine, model, tmp_path, mode):
    program = tmp_path / "transformer.py"
    program.write_text(TRANSFORMER)
    command = ["python", str(program)]
    front = {"image": "python:3", "command": command, "resources": SMALL}
    front["ports"] = [{"containerPort": 8080}]
    predictor = {"sklearn": {"storageUri": str(model), "resources": SMALL}}
    annotations = {"serving.kserve.io/deploymentMode": mode}
    name = f"led-{mode.lower()}"
    document = isvc(name, predictor, annotations=annotations, transformer={"containers": [front]})
    url = given(engine, document)["status"]["url"]
    path = f"/v1/models/{name}:predict"
    wait_until("an answer", lambda: ask(engine, url, path, TWO_FLOWERS)[0] == 200)
    seen = json.loads(ask(engine, url, path, TWO_FLOWERS)[1])
    assert seen == {"predictions": [1, 1], "by": "transformer"}
    gone(engine, name)


class Sink:
    """Takes events; bounded by the test."""

    def __init__(self) -> None:
        self.events: list[dict[str, str]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                sink.events.append({k.lower(): v for k, v in self.headers.items()})
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("mode", ["Standard", "Serverless"])
def test_an_agent_batches_predictions_and_tells_of_them(engine, model, mode):
    sink = Sink()
    predictor = {
        "sklearn": {"storageUri": str(model), "resources": SMALL},
        "batcher": {"maxBatchSize": 2, "maxLatency": 200},
        "logger": {"url": sink.url, "mode": "all"},
    }
    try:
        noted = {"serving.kserve.io/deploymentMode": mode}
        url = given(engine, isvc("batched", predictor, annotations=noted))["status"]["url"]
        wait_until("the route", lambda: ask(engine, url, "/v1/models")[0] == 200)
        one = {"instances": TWO_FLOWERS["instances"][:1]}
        code, body = ask(engine, url, "/v1/models/batched:predict", one)
        assert code == 200
        answer = json.loads(body)
        assert answer.pop("batchId")
        assert answer == {"message": "", "predictions": [1]}
        wait_until("both events", lambda: len(sink.events) == 2)
        request, response = sorted(sink.events, key=lambda event: event["ce-type"])
        assert request["ce-type"] == "org.kubeflow.serving.inference.request"
        assert response["ce-type"] == "org.kubeflow.serving.inference.response"
        assert request["ce-id"] == response["ce-id"]
        assert request["ce-inferenceservicename"] == "batched"
    finally:
        sink.close()
    gone(engine, "batched")


def test_a_model_that_is_not_there_says_so(engine, tmp_path):
    predictor = {"sklearn": {"storageUri": f"file://{tmp_path}/none", "resources": SMALL}}
    engine.cli("apply", "-f", "-", stdin=json.dumps(isvc("lost", predictor)))
    wait_until(
        "the failure to be told",
        lambda: "no model at" in condition(engine, "lost").get("message", ""),
        within_s=60,
    )
    model_status = seen(engine, "lost")["status"]["modelStatus"]
    assert model_status["transitionStatus"] == "BlockedByFailedLoad"
    assert model_status["lastFailureInfo"]["reason"] == "ModelLoadFailed"
    assert "url" not in seen(engine, "lost")["status"]
    gone(engine, "lost")


def test_what_cannot_be_done_here_is_refused_with_its_path(engine):
    told = engine.cli(
        "apply",
        "-f",
        "-",
        stdin=json.dumps(isvc("far", {"sklearn": {"storageUri": "hdfs://models/iris"}})),
        check=False,
    )
    assert "spec.predictor.model.storageUri: hdfs:// is not fetched here" in told


def test_a_model_that_is_not_there_is_told_and_no_port_is_blamed(engine, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [{"containerPort": taken.getsockname()[1]}]
        model = {"modelFormat": {"name": "sklearn"}, "storageUri": str(tmp_path), "ports": ports}
        engine.cli("apply", "-f", "-", stdin=json.dumps(isvc("modelless", {"model": model})))
        why = "the folder holds no file that ends in .joblib"
        wait_until(
            "it says why",
            lambda: why in condition(engine, "modelless").get("message", ""),
            within_s=60,
        )
        events = [
            event["reason"]
            for event in engine.get("events")
            if event["involvedObject"]["name"].startswith("modelless")
        ]
        assert "Started" in events
        assert "FixedPort" not in events  # it listens on $PORT, had it come so far
    gone(engine, "modelless")
