"""Server-side apply and watches through the clients that people use: kubectl, and three of Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tidegate.testing.kubectl import KUBECTL

pytestmark = pytest.mark.live

needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

BOTH = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1", b: "2"}
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
spec: {template: {spec: {containers: [{image: "greeter:1"}]}}}
"""


class Server:
    """The API server as a process, in a folder with its kubeconfig."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kubeconfig = folder, str(folder / "kubeconfig")

    def kubectl(self, *words: str, given: str | None = None, code: int = 0) -> str:
        """What it prints, both streams; fails when it ends with another code."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": self.kubeconfig,
            "KUBECACHEDIR": str(self.folder / "cache"),
        }
        ended = subprocess.run(
            [str(KUBECTL), *words], input=given, env=environment,
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("clients")
    with running(folder):
        pass  # after a restart the versions from before are too old to watch from
    with running(folder):
        yield Server(folder)


@contextmanager
def running(folder: Path) -> Iterator[None]:
    script = Path(__file__).with_name("api_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip().isdigit()
        yield
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0
        process.stdout.close()


@needs_kubectl
def test_kubectl_moves_from_plain_to_server_side_apply(server):
    server.kubectl("apply", "-f", "-", given=BOTH)
    less = BOTH.replace(', b: "2"', "")
    moved = server.kubectl("apply", "--server-side", "-f", "-", given=less)
    assert moved.splitlines() == [
        "configmap/settings serverside-applied",
        "deployment.apps/web serverside-applied",
        "service.serving.knative.dev/hello serverside-applied",
    ]
    assert server.kubectl("get", "cm", "settings", "-o", "jsonpath={.data}") == '{"a":"1"}'
    managers = "jsonpath={.metadata.managedFields[*].manager}"
    seen = server.kubectl("get", "cm", "settings", "-o", managers, "--show-managed-fields")
    # Both are appliers; as on a cluster the older stands first, and times count whole seconds.
    assert sorted(seen.split()) == ["kubectl", "kubectl-last-applied"]

    version = "jsonpath={.items[*].metadata.resourceVersion}"
    before = server.kubectl("get", "cm,deploy,ksvc", "-o", version)
    server.kubectl("apply", "--server-side", "-f", "-", given=less)
    assert server.kubectl("get", "cm,deploy,ksvc", "-o", version) == before
    shown = server.kubectl("diff", "--server-side", "-f", "-", given=BOTH, code=1)
    assert '+  b: "2"' in shown


@needs_kubectl
def test_kubectl_is_told_who_owns_a_field_and_can_take_it(server):
    web = BOTH.split("---")[1].replace("web", "taken")
    server.kubectl("apply", "--server-side", "-f", "-", given=web)
    server.kubectl(
        "patch", "deploy", "taken", "--field-manager=scaler", "-p", '{"spec":{"replicas":5}}'
    )
    refused = server.kubectl("apply", "--server-side", "-f", "-", given=web, code=1)
    assert (
        'Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas'
        in refused
    )
    server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=web)
    assert server.kubectl("get", "deploy", "taken", "-o", "jsonpath={.spec.replicas}") == "2"


@needs_kubectl
def test_kubectl_reads_a_list_in_pages(server):
    for name in ("page-a", "page-b", "page-c"):
        server.kubectl("create", "cm", name)
    names = server.kubectl("get", "cm", "--chunk-size=1", "-o", "name").split()
    assert [n for n in names if "page-" in n] == [f"configmap/page-{c}" for c in "abc"]


@pytest.mark.parametrize("library", ["kubernetes", "kr8s", "lightkube"])
def test_a_python_client_creates_applies_patches_and_watches(server, library):
    """In a process of its own: these libraries leave sockets and threads to the end of theirs."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    script = Path(__file__).with_name("python_clients.py")
    ended = subprocess.run(
        [sys.executable, str(script), library, server.kubeconfig],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
