"""Named tokens against a server that runs, with the real kubectl."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.testing.kubectl import KUBECTL

pytestmark = pytest.mark.live

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
"""


class Running:
    """The API server in a folder, and clients with different kubeconfigs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kubectl(
        self, role: str, *words: str, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.folder / role),
            "KUBECACHEDIR": str(self.folder / "cache"),
        }
        return subprocess.run(
            [str(KUBECTL), *words], input=given, env=environment,
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def tidegate(self, *words: str) -> str:
        command = [
            sys.executable,
            "-m",
            "tidegate.cli.main",
            *words,
            "--data-dir",
            str(self.folder),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("engine")
    script = Path(__file__).with_name("api_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        running = Running(folder)
        for role in ("view", "edit"):
            made = running.tidegate("token", "create", role, "--role", role, "-o", "kubeconfig")
            (folder / role).write_text(made)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl 1.32 is not installed")


@needs_kubectl
def test_kubectl_knows_what_each_may(running):
    asked = ["create", "deployments"]
    said = [running.kubectl(who, "auth", "can-i", *asked) for who in ("view", "edit", "kubeconfig")]
    assert [one.returncode for one in said] == [1, 0, 0]
    assert said[0].stdout.strip() == "no - role view only reads"
    assert "Username    view" in running.kubectl("view", "auth", "whoami").stdout
    assert "secrets" not in running.kubectl("view", "auth", "can-i", "--list").stdout
    assert "secrets" in running.kubectl("edit", "auth", "can-i", "--list").stdout


@needs_kubectl
def test_kubectl_is_kept_from_what_a_role_does_not_allow(running):
    assert running.kubectl("edit", "create", "secret", "generic", "s").returncode == 0
    assert running.kubectl("view", "get", "pods,configmaps").returncode == 0
    for words in (
        ["get", "secrets"],
        ["get", "secret", "s", "-o", "yaml"],
        ["delete", "secret", "s"],
    ):
        refused = running.kubectl("view", *words)
        assert refused.returncode == 1
        assert 'is forbidden: User "view" cannot' in refused.stderr


@needs_kubectl
@pytest.mark.parametrize("how", [[], ["--server-side"]])
def test_applying_a_role_says_why_not_and_what_instead(running, how):
    refused = running.kubectl("kubeconfig", "apply", *how, "-f", "-", given=ROLE)
    assert refused.returncode == 1
    assert "tidegate token create --role view" in refused.stderr


@needs_kubectl
def test_a_deleted_token_lets_nobody_in(running):
    made = running.tidegate("token", "create", "gone", "--role", "admin", "-o", "kubeconfig")
    (running.folder / "gone").write_text(made)
    assert running.kubectl("gone", "get", "ns").returncode == 0
    running.tidegate("token", "delete", "gone")
    assert "Unauthorized" in running.kubectl("gone", "get", "--raw", "/api/v1/pods").stderr
