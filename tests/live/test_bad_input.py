"""What a user gets for what can't work: the object, the reason and the way out; and nothing stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, IncompleteRead
from typing import Any

import psutil
import pytest

from tidegate.testing.engine import (
    CLI,
    RunningEngine,
    running_engine,
    service_document,
    wait_until,
)

pytestmark = pytest.mark.live

PARTS = ("keeper", "control_plane", "gateway")
FRAIL = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000" if self.path == "/die" else "2")
        self.end_headers()
        self.wfile.write(b"ok")
        if self.path == "/die":
            os._exit(9)

time.sleep(float(os.environ.get("START_S", "0")))
while os.path.exists(os.environ.get("HOLD", "")):
    time.sleep(0.05)
sys.exit(os.environ["REFUSE"]) if os.path.exists(os.environ.get("REFUSE", "")) else None
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    """An engine, and afterwards the proof that none of the tests left anything in it."""
    with running_engine() as it:
        warm_up(it)
        before = descriptors(it)
        yield it
        it.refresh()
        wait_until("no services", lambda: not it.get("ksvc"))
        wait_until("no pods", lambda: not it.get("pods"))
        wait_until("no pod processes", lambda: not it.pod_pids())
        wait_until("no files of pods", lambda: not files_of_pods(it))
        wait_until(
            f"descriptors as at the start {before}", lambda: no_more(descriptors(it), before)
        )


def warm_up(engine: RunningEngine) -> None:
    """One service come and gone: what the parts open once, they have open now."""
    with applied(engine, service_document("warm", scaling={"min-scale": "1"})):
        wait_until("an answer", lambda: engine.ask("warm")[0] == 200)
    wait_until("its pod gone", lambda: not engine.get("pods"))


def files_of_pods(engine: RunningEngine) -> list[str]:
    """All but the folder that the keeper has for the pods' output."""
    found = (engine.home / "pods").rglob("*")
    return [str(path) for path in found if path.name != ".output"]


def descriptors(engine: RunningEngine) -> dict[str, int]:
    return {part: psutil.Process(engine.pid(part)).num_fds() for part in PARTS}


def no_more(now: dict[str, int], before: dict[str, int]) -> bool:
    # The control plane keeps an idle connection or two of the last commands for some seconds.
    return all(now[part] <= before[part] + 2 for part in PARTS)


@contextmanager
def applied(engine: RunningEngine, document: str) -> Iterator[str]:
    """A service for the length of a block; its name."""
    engine.cli("apply", "-f", "-", stdin=document)
    name = json.loads(document)["metadata"]["name"]
    try:
        yield name
    finally:
        engine.cli("delete", "ksvc", name)


def changed(
    document: str,
    *,
    container: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
) -> str:
    """The document with these fields of its template set."""
    raw = json.loads(document)
    template = raw["spec"]["template"]
    template["spec"]["containers"][0].update(container or {})
    template["spec"].update(spec or {})
    template["metadata"]["annotations"].update(annotations or {})
    return json.dumps(raw)


def frail(name: str, *, scaling: dict[str, str] | None = None, **environ: str) -> str:
    return service_document(
        name, command=["python", "-c", FRAIL], scaling=scaling, environ=environ or None
    )


def ready_message(engine: RunningEngine, name: str) -> str:
    (service,) = (s for s in engine.get("ksvc") if s["metadata"]["name"] == name)
    conditions = service.get("status", {}).get("conditions", [])
    return next((c.get("message", "") for c in conditions if c["type"] == "Ready"), "")


def pods_of(engine: RunningEngine, service: str) -> list[dict[str, Any]]:
    label = "serving.knative.dev/service"
    return [pod for pod in engine.get("pods") if pod["metadata"]["labels"].get(label) == service]


def kill_pods_of(engine: RunningEngine, service: str) -> None:
    for pid in engine.pod_pids():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if psutil.Process(pid).environ().get("K_SERVICE") == service:
                os.kill(pid, signal.SIGKILL)


def refused(engine: RunningEngine, *args: str, stdin: str | None = None) -> tuple[int, str]:
    """Exit code and stderr of a command."""
    done = subprocess.run(
        [*CLI, *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=engine.environ(),
        check=False,
    )
    return done.returncode, done.stderr


# --- documents


SEVERAL = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: good}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: torn
data: {}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: typo}
spec:
  template:
    spec:
      containers:
      - image: python:3
        comand: [python]
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: typed}
spec:
  template:
    spec:
      containers:
      - image: python:3
        ports: [{containerPort: xxx}]
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ranged}
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/min-scale: "5"
        autoscaling.knative.dev/max-scale: "2"
    spec:
      containers:
      - image: python:3
        resources: {limits: {cpu: abc}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: also-good}
"""


def test_of_several_documents_the_bad_ones_are_reported_one_by_one_and_the_others_applied(engine):
    code, said = refused(engine, "apply", "-f", "-", stdin=SEVERAL)
    assert code == 1
    torn, typo, typed, ranged = said.splitlines()
    assert "stdin:8:5: not YAML" in torn
    assert "stdin:18: document 3, Service/typo" in typo
    assert 'unknown field "spec.template.spec.containers[0].comand"' in typo
    assert "stdin:28: document 4, Service/typed" in typed
    assert "spec.template.spec.containers[0].ports[0].containerPort: expected int, got str" in typed
    assert "max-scale=2 is less than min-scale=5: " in ranged
    assert "spec.template.spec.containers[0].resources.limits[cpu]" in ranged
    found = {one["metadata"]["name"] for one in engine.get("configmaps")}
    assert found >= {"good", "also-good"}
    assert engine.get("ksvc") == []
    engine.cli("delete", "configmap", "good", "also-good")


def test_settings_out_of_range_are_refused_in_knatives_words(engine):
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config-autoscaler", "namespace": "knative-serving"},
        "data": {"stable-window": "1s"},
    }
    code, said = refused(engine, "apply", "-f", "-", stdin=json.dumps(document))
    assert code == 1
    assert "stable-window = 1s, must be in [6s; 1h0m0s] range" in said


# --- services that can't run


def python(code: str) -> list[str]:
    return ["python", "-c", code]


BROKEN = {
    "image": (
        service_document(
            "image",
            image="nginx:1.25",
            command=["nginx"],
            annotations={"tidegate.dev/runtime": "process"},  # also where podman could pull it
        ),
        "can't run on this machine: it is not in the table of runtimes. Three ways out: ",
    ),
    "command": (
        service_document("command", command=["nosuchprogram"]),
        'exec: "nosuchprogram": executable file not found in $PATH',
    ),
    "ends": (
        service_document("ends", command=python("raise SystemExit('no such model')")),
        "Container failed with: no such model",
    ),
    "elsewhere": (
        service_document("elsewhere", command=["python", "-m", "http.server", "0"]),
        "but its port 8080 is",
    ),
    "nowhere": (
        service_document("nowhere", command=python("import time; time.sleep(100)")),
        "container user-container listens on no port",
    ),
    "volume": (
        changed(
            service_document("volume"),
            container={"volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}]},
            spec={"volumes": [{"name": "v", "configMap": {"name": "nosuch"}}]},
        ),
        'configmap "nosuch" not found',
    ),
    "room": (
        changed(service_document("room"), container={"resources": {"requests": {"cpu": "4000"}}}),
        "Insufficient cpu",
    ),
    "children": (
        changed(service_document("children"), container={"env": [{"name": "A=B", "value": "1"}]}),
        "spec.template.spec.containers[0].env[0].name",
    ),
}


@pytest.fixture(scope="module")
def broken(engine: RunningEngine) -> Iterator[None]:
    """All of them at once: some take seconds to show what is wrong."""
    everything = "\n---\n".join(document for document, _ in BROKEN.values())
    engine.cli("apply", "-f", "-", stdin=everything)
    yield
    engine.cli("delete", "ksvc", *BROKEN)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", BROKEN)
def test_a_service_that_cannot_run_says_why_in_its_status_and_in_the_answer(engine, name):
    reason = BROKEN[name][1]
    wait_until(f"{name} says why", lambda: reason in ready_message(engine, name))

    def told() -> bool:
        status, body = engine.ask(name)
        return status == 503 and reason in json.loads(body)["error"]["message"]

    wait_until(f"the gateway says why for {name}", told)


def test_who_waits_at_zero_for_what_no_longer_starts_is_told_why(engine, tmp_path):
    flag = tmp_path / "the model is gone"
    document = frail("frail", scaling={"window": "6s", "scale-to-zero-pod-retention-period": "0s"})
    document = changed(
        document,
        spec={"timeoutSeconds": 3},
        container={"env": [{"name": "REFUSE", "value": str(flag)}]},
    )
    with applied(engine, document):
        wait_until("an answer", lambda: engine.ask("frail")[0] == 200)
        flag.touch()
        kill_pods_of(engine, "frail")
        wait_until("it failed", lambda: "the model is gone" in ready_message(engine, "frail"))
        status, body = engine.ask("frail")
        assert status == 504
        assert "which can't start: Container failed with" in json.loads(body)["error"]["message"]
        assert "the model is gone" in json.loads(body)["error"]["message"]


def test_a_port_that_a_stranger_takes_is_given_up_for_another(engine):
    with applied(engine, frail("robbed", START_S="1.5")):
        port: list[int] = []

        def known() -> bool:
            for pod in pods_of(engine, "robbed"):
                here = pod.get("status", {}).get("tidegate", {})
                port.extend(one["localPort"] for one in here.get("ports", ()))
            return bool(port)

        wait_until("its port", known)
        with socket.create_server(("127.0.0.1", port[0])):
            wait_until("an answer", lambda: engine.ask("robbed")[0] == 200)
            reasons = [event["reason"] for event in engine.get("events")]
            assert "PortStolen" in reasons


# --- requests


def test_a_replica_that_dies_in_its_answer_fails_that_answer_only(engine):
    with applied(engine, frail("dying")):
        wait_until("an answer", lambda: engine.ask("dying")[0] == 200)
        with pytest.raises(IncompleteRead):
            engine.ask("dying", "/die")
        assert engine.ask("dying")[0] == 200


def test_a_service_deleted_in_its_cold_start_refuses_who_waits_and_leaves_nothing(engine, tmp_path):
    answers: list[tuple[int, bytes]] = []
    flag = tmp_path / "starts no more"
    waiting = threading.Thread(target=lambda: answers.append(engine.ask("brief")))
    with applied(engine, frail("brief", HOLD=str(flag))):
        wait_until("ready", lambda: engine.ask("brief")[0] == 200)
        flag.touch()
        kill_pods_of(engine, "brief")
        waiting.start()
        time.sleep(0.3)
    waiting.join(10)
    assert [status for status, _ in answers] == [503]
    assert json.loads(answers[0][1])["error"]["reason"] == "revision-gone"
    wait_until("its pods gone", lambda: not pods_of(engine, "brief"))
    status, body = engine.ask("brief")
    assert (status, json.loads(body)["error"]["reason"]) == (404, "no-route")


def test_nonsense_slowness_and_leaving_early_cost_the_others_nothing(engine):
    with applied(engine, service_document("calm")):
        wait_until("an answer", lambda: engine.ask("calm")[0] == 200)
        host = b"Host: calm.default.localhost\r\n"
        bad = {
            b"\x16\x03\x01 not TLS here\r\n\r\n": b"400",
            b"GET / HTTP/1.1\r\n\r\n": b"400",
            b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 70_000 + b"\r\n\r\n": b"431",
            b"POST / HTTP/1.1\r\n"
            + host
            + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab": b"400",
        }
        for sent, code in bad.items():
            with socket.create_connection(engine.gateway, timeout=5) as client:
                client.sendall(sent)
                assert client.recv(65536).split(b" ")[1] == code
        slow = [socket.create_connection(engine.gateway, timeout=5) for _ in range(50)]
        for client in slow:
            client.sendall(b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 100\r\n\r\nabc")
        early = HTTPConnection(*engine.gateway)
        early.request("GET", "/sleep/5", headers={"Host": "calm.default.localhost"})
        early.close()
        began = time.monotonic()
        assert engine.ask("calm")[0] == 200
        assert time.monotonic() - began < 2.0
        for client in slow:
            client.close()


# --- the engine itself


def test_up_on_a_running_engine_exits_with_0_and_changes_nothing(engine):
    before = engine.refresh()
    assert "already running" in engine.cli("up", "--detach")
    assert engine.refresh() == before


@pytest.mark.parametrize("option", ["--port", "--api-port"])
def test_up_on_a_taken_port_says_which_and_leaves_nothing(tmp_path, option):
    other = RunningEngine(tmp_path / "home")
    ports = {"--port": "0", "--api-port": "0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports[option] = str(taken.getsockname()[1])
        code, said = refused(other, "up", "--detach", *(word for o in ports.items() for word in o))
    assert code == 1
    assert f"port {ports[option]} on 127.0.0.1" in said
    assert f"choose another with {option}" in said
    assert refused(other, "down")[0] == 0


def test_an_impossible_folder_and_a_missing_document_stop_up_before_anything_starts(tmp_path):
    (tmp_path / "file").touch()
    code, said = refused(RunningEngine(tmp_path / "file"), "up", "--detach")
    assert (code, "choose another with --data-dir" in said) == (1, True)
    home = tmp_path / "home"
    code, said = refused(RunningEngine(home), "up", "--detach", "-f", "nothere.yaml")
    assert (code, said) == (1, "tidegate: nothere.yaml: no such file\n")
    assert not home.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("kubeconfig",),
        ("get", "pods"),
        ("describe", "ksvc", "x"),
        ("delete", "ksvc", "x"),
        ("logs", "x"),
        ("wait", "ksvc/x", "--for=delete"),
        ("load", "-n", "1", "x/"),
        ("url", "x"),
    ],
    ids=" ".join,
)
def test_a_command_without_an_engine_says_how_to_start_one(tmp_path, command):
    code, said = refused(RunningEngine(tmp_path / "home"), *command)
    assert code == 1
    assert "`tidegate up`" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_down_twice_is_done_twice(tmp_path):
    other = RunningEngine(tmp_path / ("long" * 40) / "home")
    other.cli("up", "--detach", "--port", "0", "--api-port", "0")
    try:
        parts = other.refresh()
        pids = [parts[part]["pid"] for part in PARTS]
    finally:
        assert refused(other, "down")[0] == 0
    assert refused(other, "down") == (0, "")
    wait_until("its processes gone", lambda: not any(map(psutil.pid_exists, pids)))
