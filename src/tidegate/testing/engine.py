"""A real engine for tests and programmes: own home, free ports, everything ended with the block."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

CLI = (sys.executable, "-c", "import sys; from tidegate.cli.main import main; sys.exit(main())")
SERVER = Path(__file__).with_name("pod_server.py")


class EngineProblem(AssertionError):
    """The engine did not do what the test needs to go on."""


@dataclass
class RunningEngine:
    """An engine that answers. All waiting is bounded."""

    home: Path
    status: dict[str, Any] = field(default_factory=dict)

    def cli(self, *args: str, stdin: str | None = None, check: bool = True) -> str:
        """Run a `tidegate` command; its output."""
        done = subprocess.run(
            [*CLI, *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            env=self.environ(),
            check=False,
        )
        if check and done.returncode != 0:
            raise EngineProblem(f"tidegate {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    def environ(self) -> dict[str, str]:
        return {**os.environ, "TIDEGATE_HOME": str(self.home), "NO_COLOR": "1"}

    def refresh(self) -> dict[str, Any]:
        """Ask for pids and addresses anew."""
        self.status = json.loads(self.cli("status", "-o", "json"))
        return self.status

    def pid(self, part: str) -> int:
        return int(self.status[part]["pid"])

    @property
    def gateway(self) -> tuple[str, int]:
        parts = urlsplit(self.status["gateway"]["url"])
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def get(self, kind: str, namespace: str = "default") -> list[dict[str, Any]]:
        """All objects of a kind, as JSON values."""
        found = json.loads(self.cli("get", kind, "-n", namespace, "-o", "json"))
        return list(found["items"]) if "items" in found else [found]

    def ready_pods(self, service: str) -> list[dict[str, Any]]:
        return [
            pod
            for pod in self.get("pods")
            if pod["metadata"].get("labels", {}).get("serving.knative.dev/service") == service
            and "deletionTimestamp" not in pod["metadata"]
            and any(
                c["type"] == "Ready" and c["status"] == "True"
                for c in pod.get("status", {}).get("conditions", ())
            )
        ]

    def ask(
        self, service: str, path: str = "/", *, body: bytes | None = None, timeout_s: float = 30.0
    ) -> tuple[int, bytes]:
        """One request through the gateway on a connection of its own."""
        connection = HTTPConnection(*self.gateway, timeout=timeout_s)
        try:
            host = {"Host": f"{service}.default.localhost"}
            connection.request("POST" if body else "GET", path, body=body, headers=host)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def pod_pids(self) -> set[int]:
        """Processes that belong to pods of this engine (by the mark in their environment)."""
        found = set()
        for process in psutil.process_iter():
            try:
                environ = process.environ()
            except psutil.Error:
                continue
            tmp = environ.get("TMPDIR", "")
            mark = environ.get("TIDEGATE_POD", "zygote/")  # one of no pod
            if not mark.startswith("zygote/") and tmp.startswith(str(self.home)):
                found.add(process.pid)
        return found


def wait_until(what: str, true: Callable[[], object], *, within_s: float = 30.0) -> None:
    """Look every 50 ms until it is so. Raises EngineProblem."""
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            raise EngineProblem(f"not within {within_s:g} s: {what}")
        time.sleep(0.05)


@contextmanager
def running_engine(*asked: str, home: Path | None = None) -> Iterator[RunningEngine]:
    """An engine on free ports in a folder of its own. `asked`: further options of `up`."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        engine = RunningEngine(home or Path(folder) / "home")
        engine.cli("up", "--detach", "--port", "0", "--api-port", "0", *asked)
        try:
            engine.refresh()
            yield engine
        finally:
            engine.cli("down", check=False)
            for pid in engine.pod_pids():
                os.kill(pid, signal.SIGKILL)


def service_document(
    name: str,
    *,
    scaling: dict[str, str] | None = None,
    concurrency: int = 0,
    environ: dict[str, str] | None = None,
    command: list[str] | None = None,
    image: str = "python:3",
    annotations: dict[str, str] | None = None,
) -> str:
    """A Knative Service that runs `pod_server.py` (or another command), as JSON (which is YAML)."""
    noted = {f"autoscaling.knative.dev/{k}": v for k, v in (scaling or {}).items()}
    container: dict[str, Any] = {
        "image": image,
        "command": command or ["python", str(SERVER), "8080"],
        "ports": [{"containerPort": 8080}],
        "env": [{"name": k, "value": v} for k, v in (environ or {}).items()],
    }
    return json.dumps(
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "template": {
                    "metadata": {"annotations": {**noted, **(annotations or {})}},
                    "spec": {"containerConcurrency": concurrency, "containers": [container]},
                }
            },
        }
    )


@dataclass
class Load:
    """Clients in threads, each sending one request after the other on a kept connection."""

    engine: RunningEngine
    service: str
    clients: int = 8
    path: str = "/"
    timeout_s: float = 30.0
    ok: int = 0
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        for _ in range(self.clients):
            thread = threading.Thread(target=self._run, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout_s + 5)

    def _run(self) -> None:
        connection = HTTPConnection(*self.engine.gateway, timeout=self.timeout_s)
        host = {"Host": f"{self.service}.default.localhost"}
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                connection.request("GET", self.path, headers=host)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    self.ok += 1
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                else:
                    self.failures.append(f"{answer.status} {body[:200]!r}")
                if answer.getheader("connection") == "close":
                    connection.close()
            except (OSError, HTTPException) as why:
                self.failures.append(f"{type(why).__name__}: {why}")
                connection.close()
        connection.close()
