"""The API server as a process: real kubectl, real kills."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tidegate.client.http import Access, Client, NoApi, path_of, read_kubeconfig
from tidegate.model.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    Invalid,
    NotFound,
    TooLarge,
    Unauthorized,
)
from tidegate.testing.kubectl import KUBECTL

pytestmark = pytest.mark.live

needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
CONFIGS = path_of("v1", "configmaps", "default")

DOCUMENTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    spec:
      containers: [{image: "greeter:1"}]
"""


@dataclass
class Engine:
    """A running API server."""

    folder: Path
    process: subprocess.Popen[str]

    @property
    def client(self) -> Client:
        return Client(read_kubeconfig(self.folder / "kubeconfig"))

    def kubectl(self, *arguments: str, given: str | None = None, code: int = 0) -> str:
        """What it prints, both streams; fails when it ends with another code."""
        ended = subprocess.run(
            [str(KUBECTL), *arguments],
            input=given,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        printed = ended.stdout + ended.stderr
        assert ended.returncode == code, printed
        return printed

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "KUBECACHEDIR": str(self.folder / "cache"),
        }


def start(folder: Path, port: int = 0) -> Engine:
    script = Path(__file__).with_name("api_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    return Engine(folder, process)


@contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Engine]:
    engine = start(folder, port)
    try:
        yield engine
    finally:
        engine.process.terminate()
        assert engine.process.wait(timeout=20) == 0
        assert engine.process.stdout is not None
        engine.process.stdout.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    with engine.client as client:
        yield client


def config(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


# --- kubectl


@needs_kubectl
def test_kubectl_applies_reads_scales_patches_and_deletes(engine):
    applied = engine.kubectl("apply", "-f", "-", given=DOCUMENTS).splitlines()
    assert applied == [
        "configmap/settings created",
        "deployment.apps/web created",
        "service.serving.knative.dev/hello created",
    ]
    version = "jsonpath={.metadata.resourceVersion}"
    before = engine.kubectl("get", "ksvc", "hello", "-o", version)
    again = engine.kubectl("apply", "-f", "-", given=DOCUMENTS)
    # kubectl sends the list of containers again because the server's defaults are in it
    assert again.count("unchanged") == 2
    assert engine.kubectl("get", "ksvc", "hello", "-o", version) == before

    assert engine.kubectl("scale", "deploy/web", "--replicas=5") == "deployment.apps/web scaled\n"
    web = json.loads(engine.kubectl("get", "deploy", "web", "-o", "json"))
    assert (web["spec"]["replicas"], web["metadata"]["generation"]) == (5, 2)

    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}}
    engine.kubectl("patch", "deploy", "web", "-p", json.dumps(side))
    names = "jsonpath={.spec.template.spec.containers[*].name}"
    assert sorted(engine.kubectl("get", "deploy", "web", "-o", names).split()) == ["main", "side"]
    engine.kubectl("set", "image", "deploy/web", "main=nginx:2")
    images = "jsonpath={.spec.template.spec.containers[*].image}"
    assert "nginx:2" in engine.kubectl("get", "deploy", "web", "-o", images)

    merged = engine.kubectl("patch", "cm", "settings", "--type=merge", "-p", '{"data":{"b":"2"}}')
    assert merged == "configmap/settings patched\n"
    unchanged = engine.kubectl(
        "patch", "cm", "settings", "--type=merge", "-p", '{"data":{"b":"2"}}'
    )
    assert unchanged == "configmap/settings patched (no change)\n"

    listed = engine.kubectl("get", "deploy,cm,ksvc")
    assert "NAME" in listed
    assert "AGE" in listed
    assert "greeter:1" in engine.kubectl("get", "ksvc", "hello", "-o", "yaml")
    assert engine.kubectl("delete", "-f", "-", given=DOCUMENTS).count("deleted") == 3
    gone = engine.kubectl("get", "deploy", "web", code=1)
    assert gone == 'Error from server (NotFound): deployments.apps "web" not found\n'


@needs_kubectl
def test_kubectl_watches(engine, client):
    client.create(CONFIGS, config("watched", v="1"))
    watching = subprocess.Popen(
        [str(KUBECTL), "get", "cm", "watched", "-w", "-o", "jsonpath={.data.v} "],
        env=engine.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    try:
        assert watching.stdout.read(2) == "1 "
        # kubectl prints what it got, then watches, and drops the first event as what it had: a change in
        # between is never shown, so another follows until one is.
        for value in range(2, 10):
            client.patch(f"{CONFIGS}/watched", {"data": {"v": str(value)}})
            if select.select([watching.stdout], [], [], 3)[0]:
                break
        assert watching.stdout.read(2) in {f"{shown} " for shown in range(2, value + 1)}
    finally:
        watching.kill()
        watching.wait(timeout=10)
        watching.stdout.close()


@needs_kubectl
def test_kubectl_is_told_of_unknown_fields(engine):
    wrong = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", **config("odd"), "dataz": {}})
    refused = engine.kubectl("apply", "-f", "-", given=wrong, code=1)
    assert (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
        'strict decoding error: unknown field "dataz"' in refused
    )
    warned = engine.kubectl("apply", "--validate=warn", "-f", "-", given=wrong)
    assert 'Warning: unknown field "dataz"' in warned


@needs_kubectl
def test_kubectl_dry_runs_leave_nothing_behind(engine):
    engine.kubectl("apply", "--dry-run=server", "-f", "-", given=DOCUMENTS)
    assert "NotFound" in engine.kubectl("get", "deploy", "web", code=1)


@needs_kubectl
def test_kubectl_creates_by_name(engine, client):
    engine.kubectl("create", "ns", "made")
    engine.kubectl("create", "cm", "made", "--from-literal=a=1")
    engine.kubectl("create", "secret", "generic", "made", "--from-literal=p=q")
    engine.kubectl("create", "deployment", "made", "--image=x:1", "--replicas=0", "--port=80")
    engine.kubectl("create", "service", "clusterip", "made", "--tcp=80:8080")
    assert client.get(f"{CONFIGS}/made")["data"] == {"a": "1"}
    assert client.get(path_of("v1", "secrets", "default", "made"))["data"] == {"p": "cQ=="}
    made = client.get(path_of("apps/v1", "deployments", "default", "made"))
    assert made["spec"]["replicas"] == 0
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["ports"][0]["containerPort"]) == ("x:1", 80)
    service = client.get(path_of("v1", "services", "default", "made"))
    assert service["spec"]["ports"][0]["targetPort"] == 8080


@needs_kubectl
def test_kubectl_explains_fields_and_what_they_do_not_do_here(engine):
    told = engine.kubectl("explain", "deploy.spec.template.spec.affinity")
    assert "kept, but it only has an effect on a cluster" in told
    assert "containerConcurrency" in engine.kubectl("explain", "ksvc.spec.template.spec")


@needs_kubectl
def test_kubectl_reads_logs(engine, client):
    pod = {"metadata": {"name": "talker"}, "spec": {"containers": [{"name": "m", "image": "x"}]}}
    client.create(path_of("v1", "pods", "default"), pod)
    assert engine.kubectl("logs", "talker") == "default/talker/m\nsecond\n"
    assert engine.kubectl("logs", "-f", "talker").endswith("followed\n")
    refused = engine.kubectl("logs", "talker", "-c", "other", code=1)
    assert "container other is not valid for pod talker" in refused


@needs_kubectl
def test_kubectl_deletes_a_namespace_with_all_that_is_in_it(engine, client):
    client.create("/api/v1/namespaces", {"metadata": {"name": "team"}})
    client.create(path_of("v1", "configmaps", "team"), config("inside"))
    assert engine.kubectl("delete", "ns", "team", "--timeout=20s") == 'namespace "team" deleted\n'
    with pytest.raises(NotFound):
        client.get(path_of("v1", "configmaps", "team", "inside"))


# --- our own client


def test_errors_come_back_as_the_types_that_the_server_raised(client):
    client.create(CONFIGS, config("twice", a="1"))
    with pytest.raises(AlreadyExists, match='configmaps "twice" already exists'):
        client.create(CONFIGS, config("twice"))
    stale = client.get(f"{CONFIGS}/twice")
    client.patch(f"{CONFIGS}/twice", {"data": {"a": "2"}})
    with pytest.raises(Conflict) as conflict:
        client.update(f"{CONFIGS}/twice", {**stale, "data": {"a": "3"}})
    assert (conflict.value.resource, conflict.value.name) == ("configmaps", "twice")
    with pytest.raises(Invalid) as invalid:
        client.create(CONFIGS, config("Not A Name"))
    assert invalid.value.causes[0].field == "metadata.name"
    with pytest.raises(ApiError, match="could not find the requested resource"):
        client.get("/apis/nope/v1/things")
    with pytest.raises(TooLarge):
        client.create(CONFIGS, config("huge", a="x" * 4_000_000))


def test_without_the_token_nothing_is_told(client):
    stranger = Access(client.access.server, client.access.ca, token="guessed")
    with Client(stranger) as other, pytest.raises(Unauthorized):
        other.get("/api/v1/namespaces")
    with Client(stranger) as other:
        assert other.get("/healthz") == "ok"


def test_a_certificate_of_another_engine_is_not_trusted(client):
    with (
        Client(Access(client.access.server, None, "x")) as other,
        pytest.raises(NoApi, match="a certificate that this kubeconfig does not know"),
    ):
        other.get("/version")


def test_no_engine_is_said_plainly(tmp_path):
    with pytest.raises(NoApi, match="start the engine with `tidegate up`"):
        read_kubeconfig(tmp_path / "kubeconfig")
    with (
        Client(Access("https://127.0.0.1:1")) as nobody,
        pytest.raises(NoApi, match=r"no API at https://127\.0\.0\.1:1: start the engine"),
    ):
        nobody.get("/version")


def test_a_watch_goes_on_where_a_list_ended(client):
    version = client.get(CONFIGS)["metadata"]["resourceVersion"]
    client.create(CONFIGS, config("followed", a="1"))
    client.patch(f"{CONFIGS}/followed", {"data": {"a": "2"}})
    client.delete(f"{CONFIGS}/followed")
    events = client.watch(CONFIGS, {"resourceVersion": version}, timeout_s=1)
    seen = [(type_, obj["data"]["a"]) for type_, obj in events]
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


def test_a_watch_by_label_sees_objects_come_and_go(client):
    version = client.get(CONFIGS)["metadata"]["resourceVersion"]
    client.create(CONFIGS, {**config("tagged"), "metadata": {"name": "tagged"}})
    client.patch(f"{CONFIGS}/tagged", {"metadata": {"labels": {"in": "yes"}}})
    client.patch(f"{CONFIGS}/tagged", {"metadata": {"labels": {"in": None}}})
    query = {"resourceVersion": version, "labelSelector": "in=yes"}
    assert [t for t, _ in client.watch(CONFIGS, query, timeout_s=1)] == ["ADDED", "DELETED"]


def test_a_streaming_list_ends_its_state_with_a_bookmark(client):
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    events = list(client.watch("/api/v1/namespaces", query, timeout_s=1))
    *state, end, last = [t for t, _ in events]
    assert (set(state), end, last) == ({"ADDED"}, "BOOKMARK", "BOOKMARK")
    assert len(state) == len(client.get("/api/v1/namespaces")["items"])
    annotations = events[-2][1]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}
    assert "annotations" not in events[-1][1]["metadata"]  # the watch's own end


def test_yaml_is_taken_as_well(client):
    body = b"metadata:\n  name: from-yaml\ndata:\n  a: '1'\n"
    answer = client.send_raw("POST", CONFIGS, body, "application/yaml")
    assert answer.body["data"] == {"a": "1"}


# --- kills


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path):
    engine = start(tmp_path)
    acknowledged: list[list[str]] = [[], []]

    def write(number: int) -> None:
        with engine.client as client:
            try:
                for i in range(100_000):
                    name = f"w{number}-{i}"
                    client.create(CONFIGS, config(name, i=str(i)))
                    acknowledged[number].append(name)
                    if number == 0 and i == 150:
                        engine.process.kill()
            except ApiError:
                return

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert engine.process.wait(timeout=10) == -signal.SIGKILL
    assert engine.process.stdout is not None
    engine.process.stdout.close()
    with running(tmp_path) as again, again.client as client:
        items = client.get(CONFIGS)["items"]
        versions = [int(i["metadata"]["resourceVersion"]) for i in items]
        kept = {i["metadata"]["name"] for i in items}
        assert {*acknowledged[0], *acknowledged[1]} <= kept
        assert len(kept) - len(acknowledged[0]) - len(acknowledged[1]) <= 2
        new = client.create(CONFIGS, config("later")).body
        assert int(new["metadata"]["resourceVersion"]) > max(versions)
        with pytest.raises(Expired):
            list(client.watch(CONFIGS, {"resourceVersion": str(max(versions))}, timeout_s=1))


def test_a_client_goes_on_after_a_restart_on_the_same_port(tmp_path):
    with running(tmp_path) as first, first.client as client:
        client.create(CONFIGS, config("before"))
        port = urlsplit(client.access.server).port
        assert port is not None
        first.process.terminate()
        first.process.wait(timeout=20)
        with running(tmp_path, port):
            client.create(CONFIGS, config("after"))
            names = [i["metadata"]["name"] for i in client.get(CONFIGS)["items"]]
    assert names == ["after", "before"]


def test_a_stop_ends_watches_and_the_process(tmp_path):
    with running(tmp_path) as engine, engine.client as client:
        seen: list[str] = []

        all_seen = threading.Event()

        def follow() -> None:
            for type_, _ in client.watch("/api/v1/namespaces"):
                seen.append(type_)
                if len(seen) == 3:
                    all_seen.set()

        watcher = threading.Thread(target=follow)
        watcher.start()
        assert all_seen.wait(timeout=30)
        engine.process.terminate()
        watcher.join(timeout=15)
        assert not watcher.is_alive()
    assert seen == ["ADDED"] * 3
