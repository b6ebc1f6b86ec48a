"""What people do with pods: exec, port-forward, top, with a real kubectl and real processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException

import psutil
import pytest

from tidegate.testing.engine import (
    running_engine,
    service_document,
    wait_until,
)
from tidegate.testing.kubectl import KUBECTL, Kubectl

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - name: main
    image: python:3
    command: [python, -m, http.server, "8080", --bind, 127.0.0.1]
    ports: [{containerPort: 8080, name: http}]
    env: [{name: GREETING, value: hello}]
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec:
  containers:
  - {name: busy, image: "python:3", command: [python, -c, "while True: pass"]}
  - {name: idle, image: "python:3", command: [sleep, "1000"]}
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with running_engine() as engine:
        kubectl = Kubectl(engine)
        kubectl("apply", "-f", "-", given=PODS)
        kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s")
        yield kubectl


def test_exec_runs_in_the_pods_environment_and_ends_with_its_code(kubectl):
    script = "echo $GREETING; echo trouble >&2; exit 7"
    code, out, err = kubectl.run("exec", "web", "--", "sh", "-c", script)
    assert (code, out) == (7, "hello\n")
    assert err == "trouble\ncommand terminated with exit code 7\n"


def test_exec_takes_input_to_its_end_and_gives_all_output(kubectl):
    given = "all of it\n" * 100_000
    assert kubectl.run("exec", "-i", "web", "--", "cat", given=given) == (0, given, "")


def test_exec_in_one_of_several_containers(kubectl):
    show = ("--", "sh", "-c", "echo $TIDEGATE_POD")
    assert "/idle/" in kubectl("exec", "two", "-c", "idle", *show)
    assert "not valid for pod two" in kubectl.run("exec", "two", "-c", "none", *show)[2]


def test_exec_tells_of_a_program_that_is_not_there(kubectl):
    code, _, err = kubectl.run("exec", "web", "--", "nope")
    assert code == 1
    assert 'exec: "nope": executable file not found in $PATH' in err


def test_exec_on_a_terminal(kubectl):
    line = (
        *kubectl.line,
        "exec",
        "-it",
        "web",
        "--",
        "sh",
        "-c",
        "tty && stty size && tty </dev/tty",
    )
    master, theirs = os.openpty()
    with subprocess.Popen(line, stdin=theirs, stdout=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        out = process.communicate(timeout=30)[0]
    os.close(master)
    assert process.returncode == 0
    first, size, controlling = out.splitlines()
    assert first.startswith("/dev/pts/")
    assert (size, controlling) == ("24 80", "/dev/tty")


@contextmanager
def sleeping(kubectl: Kubectl, pod: str, seconds: str) -> Iterator[subprocess.Popen[str]]:
    """A client whose command sleeps in a pod; in a group of its own, for a dispatcher has a child."""
    line = (*kubectl.line, "exec", pod, "--", "sleep", seconds)
    client = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_until("the command", lambda: _sleeps(seconds), within_s=10.0)
        yield client
    finally:
        with suppress(ProcessLookupError):
            os.killpg(client.pid, signal.SIGKILL)
        client.communicate(timeout=10)


def _sleeps(seconds: str) -> list[int]:
    """Pids of commands in pods that sleep for so long."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cmdline()[1:] == [seconds] and "TIDEGATE_POD" in process.environ():
                found.append(process.pid)
    return found


def test_a_command_ends_with_the_client_that_asked_for_it(kubectl):
    seconds = f"600.{os.getpid()}"
    with sleeping(kubectl, "web", seconds):
        pass
    wait_until("its end", lambda: not _sleeps(seconds), within_s=10.0)


def test_a_command_ends_with_its_pod(kubectl):
    pod = PODS.partition("---")[0].replace("name: web", "name: brief")
    kubectl("apply", "-f", "-", given=pod)
    kubectl("wait", "--for=condition=Ready", "pod/brief", "--timeout=30s")
    seconds = f"700.{os.getpid()}"
    with sleeping(kubectl, "brief", seconds) as client:
        kubectl("delete", "pod", "brief")
        assert "exit code 137" in client.communicate(timeout=20)[1]
    assert not _sleeps(seconds)


def test_attach_is_refused_with_the_way_out(kubectl):
    code, _, err = kubectl.run("attach", "web")
    assert code == 1
    assert "kubectl logs -f" in err


@contextmanager
def forwarding(kubectl: Kubectl, target: str, port: str) -> Iterator[int]:
    """The local port of a port-forward."""
    client = subprocess.Popen(
        [*kubectl.line, "port-forward", "--address=127.0.0.1", target, f":{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert client.stdout is not None
        said = client.stdout.readline()
        assert said.startswith("Forwarding from 127.0.0.1:"), said
        yield int(said.split()[2].rpartition(":")[2])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(client.pid, signal.SIGKILL)
        client.communicate(timeout=10)


def fetch(port: int, path: str = "/") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_port_forward_to_a_pod_also_many_connections_at_a_time(kubectl):
    with forwarding(kubectl, "pod/web", "8080") as port:
        assert fetch(port)[0] == 200
        with ThreadPoolExecutor(8) as clients:
            seen = list(clients.map(lambda _: fetch(port), range(40)))
        assert {code for code, _ in seen} == {200}
        assert fetch(port, "/not-there")[0] == 404


def test_port_forward_to_a_port_where_nothing_listens_fails_that_connection_only(kubectl):
    with forwarding(kubectl, "pod/web", "81") as port:
        for _ in range(2):
            with pytest.raises((HTTPException, OSError)):
                fetch(port)


def test_port_forward_to_a_pod_of_a_knative_service(kubectl):
    scaling = {"min-scale": "1"}
    document = service_document("hello", scaling=scaling)
    kubectl("apply", "-f", "-", given=document)
    wait_until("a pod", lambda: kubectl.engine.ready_pods("hello"))
    pod = kubectl.engine.ready_pods("hello")[0]["metadata"]["name"]
    with forwarding(kubectl, f"pod/{pod}", "8080") as port:
        code, body = fetch(port)
    assert (code, body.isdigit()) == (200, True)  # the pod's pid


def test_top_tells_what_pods_and_the_node_use(kubectl):
    used: dict[tuple[str, str], int] = {}

    def measured() -> bool:
        out = kubectl("top", "pods", "--containers", "--no-headers")
        rows = [line.split() for line in out.splitlines()]
        used.update({(row[0], row[1]): int(row[2].removesuffix("m")) for row in rows})
        return set(used) >= {("two", "busy"), ("two", "idle"), ("web", "main")}

    wait_until("all containers", measured)
    assert used["two", "busy"] > 100
    assert used["two", "idle"] < 50
    (node,) = [line.split() for line in kubectl("top", "nodes", "--no-headers").splitlines()]
    assert int(node[1].removesuffix("m")) > 100
    assert node[3].endswith("Mi")
