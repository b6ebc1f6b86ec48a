"""Pods of several containers, their volumes and files, with a real kubectl and real processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from tidegate.kit.home import Home
from tidegate.testing.engine import (
    Load,
    running_engine,
    service_document,
    wait_until,
)
from tidegate.testing.kubectl import KUBECTL, Kubectl

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]

POD = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: multi}
spec:
  terminationGracePeriodSeconds: 5
  initContainers:
  - name: first
    image: python:3
    command: [sh, -c, "echo from-init > $0/f", /data]
    volumeMounts: [{name: d, mountPath: /data}]
  - name: side
    image: python:3
    restartPolicy: Always
    command: [python, -m, http.server, "9090"]
    ports: [{containerPort: 9090}]
  containers:
  - name: web
    image: python:3
    command: [python, -m, http.server, "8080", --directory, /data]
    ports: [{containerPort: 8080}]
    readinessProbe: {exec: {command: [cat, /data/f]}, periodSeconds: 1}
    lifecycle: {postStart: {exec: {command: [cp, /data/f, /data/g]}}}
    volumeMounts: [{name: d, mountPath: /data}]
  - {name: tick, image: "python:3", command: [sh, -c, "echo tick; exec sleep 1000"]}
  volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Pod
metadata: {name: waiter}
spec:
  containers:
  - {name: w, image: "python:3", command: [sleep, "1000"]}
  volumes: [{name: d, persistentVolumeClaim: {claimName: none}}]
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with running_engine() as engine:
        kubectl = Kubectl(engine)
        kubectl("apply", "-f", "-", given=POD)
        kubectl("wait", "--for=condition=Ready", "pod/multi", "--timeout=60s")
        yield kubectl


def test_all_containers_and_the_sidecar_count(kubectl):
    assert "3/3" in kubectl("get", "pod", "multi", "--no-headers")
    assert kubectl("logs", "multi", "-c", "tick") == "tick\n"


def test_hooks_and_exec_see_the_containers_paths(kubectl):
    shown = kubectl("exec", "multi", "-c", "web", "--", "cat", "/data/f", "/data/g")
    assert shown == "from-init\n" * 2


def test_a_claim_is_bound_and_its_folder_survives_its_pods(kubectl):
    claim = json.loads(kubectl("get", "pvc", "data", "-o", "json"))
    assert claim["status"]["phase"] == "Bound"
    folder = kubectl.engine.home / "volumes" / claim["spec"]["volumeName"]
    assert (folder / "f").read_text() == "from-init\n"


def test_a_pod_waits_for_a_claim_that_is_not_there_and_says_so(kubectl):
    wait_until(
        "the scheduler names the claim",
        lambda: 'persistentvolumeclaim "none" not found' in kubectl("describe", "pod/waiter"),
    )
    assert "Pending" in kubectl("get", "pod", "waiter", "--no-headers")


def test_files_are_copied_both_ways(kubectl, tmp_path):
    sent, back = tmp_path / "sent.txt", tmp_path / "back"
    sent.write_text("there and back\n")
    kubectl("cp", str(sent), "multi:/data/deep.txt", "-c", "web")
    kubectl("cp", "multi:/data/deep.txt", str(back / "one.txt"), "-c", "web")
    assert (back / "one.txt").read_text() == "there and back\n"
    kubectl("cp", "multi:/data", str(back / "all"), "-c", "web")
    assert {"f", "g", "deep.txt"} <= {path.name for path in (back / "all").iterdir()}


def test_attach_and_debug_are_refused_with_what_to_do_instead(kubectl):
    assert "use kubectl logs -f" in kubectl.run("attach", "multi", "-c", "web")[2]
    code, _, err = kubectl.run("debug", "multi", "--image=busybox", "--target=web")
    assert code == 1
    assert "use `kubectl exec`" in err


def test_another_image_restarts_that_container_alone(kubectl):
    def restarts() -> dict[str, int]:
        pod = json.loads(kubectl("get", "pod", "multi", "-o", "json"))
        return {c["name"]: c["restartCount"] for c in pod["status"]["containerStatuses"]}

    before = restarts()
    kubectl("set", "image", "pod/multi", "tick=python:3.12")
    wait_until("it is started again", lambda: restarts()["tick"] == before["tick"] + 1)
    assert restarts()["web"] == before["web"]


def test_a_replica_that_stops_finishes_what_it_has_and_gets_nothing_new(kubectl):
    """Requests in flight at a pod that is deleted are answered, and none of the others fails."""
    engine = kubectl.engine
    document = service_document("calm", scaling={"min-scale": "2", "max-scale": "2"})
    engine.cli("apply", "-f", "-", stdin=document)
    wait_until("two replicas", lambda: len(engine.ready_pods("calm")) == 2, within_s=90)
    slow: list[tuple[int, bytes]] = []
    clients = [
        threading.Thread(target=lambda: slow.append(engine.ask("calm", "/sleep/3")))
        for _ in range(4)  # so that each replica has some
    ]
    with Load(engine, "calm", clients=2) as load:
        for client in clients:
            client.start()
        wait_until("requests are on their way", lambda: load.ok > 20, within_s=60)
        going = engine.ready_pods("calm")[0]["metadata"]["name"]
        kubectl("delete", "pod", going, "--timeout=80s")
        for client in clients:
            client.join(60)
    assert load.failures == []
    assert [code for code, _ in slow] == [200] * 4
    assert len({pid for _, pid in slow}) == 2


MEMORY = """
apiVersion: v1
kind: Pod
metadata: {name: quick}
spec:
  containers:
  - name: c
    image: python:3
    command: [sh, -c, "echo here > $0/f; exec sleep 1000", /cache]
    volumeMounts: [{name: m, mountPath: /cache}]
  volumes: [{name: m, emptyDir: {medium: Memory}}]
"""


def test_volumes_in_memory_are_on_tmpfs_and_end_with_the_engine():
    with running_engine() as engine:
        engine.cli("apply", "-f", "-", stdin=MEMORY)
        memory = Home(engine.home).memory
        wait_until("the pod wrote", lambda: list(memory.glob("*/m/f")), within_s=60)
        engine.cli("down")
        assert not memory.exists()
