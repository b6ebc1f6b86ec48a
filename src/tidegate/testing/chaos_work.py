"""Work beside the requests of a chaos run: fetches, a batch, events, and a disk that is full.

Each is begun, hit while it goes on, and asked at the end what of it is broken.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.kit.realtime import RealClock
from tidegate.testing.chaos_processes import fetch_pids
from tidegate.testing.engine import CLI, EngineProblem, RunningEngine, wait_until
from tidegate.testing.object_server import ObjectServer

if TYPE_CHECKING:
    from tidegate.testing.broker import RunningBroker

_MODEL_BYTES = 6 * 2**20
_SLOWLY = 3e6  # bytes a second of each part: a fetch takes a second or two
_CHECK = "import hashlib,pathlib,sys;print(hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest())"


class Fetches:
    """Pods that print what they got of an object; the process that fetches it is killed."""

    def __init__(self, engine: RunningEngine, server: ObjectServer, dice: random.Random) -> None:
        self._engine, self._server, self._dice = engine, server, dice
        self._sums: dict[str, str] = {}  # by pod
        server.bytes_a_second = _SLOWLY

    def hit(self) -> list[int]:
        """Begin one and kill its process; the pids."""
        name = f"fetch-{len(self._sums)}"
        data = self._dice.randbytes(_MODEL_BYTES)
        self._server.put(f"models/{name}.bin", data)
        document = json.dumps(_fetching_pod(name, f"{self._server.url}/models/{name}.bin"))
        if "created" not in self._engine.cli("apply", "-f", "-", stdin=document, check=False):
            return []  # the control plane is just dead, or the disk full
        self._sums[name] = hashlib.sha256(data).hexdigest()
        with suppress(EngineProblem):
            wait_until("it fetches", lambda: fetch_pids(self._engine), within_s=5)
        found = fetch_pids(self._engine)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    def broken(self) -> list[str]:
        """Once nothing is hit any more."""
        engine, found = self._engine, []
        for name, wanted in self._sums.items():
            try:
                wait_until(f"{name} is through", lambda name=name: self._is_done(name), within_s=90)  # type: ignore[misc]
                got = engine.cli("logs", name, "-c", "check").strip()
            except EngineProblem as why:
                found.append(f"a fetch: {why}")
                continue
            if got != wanted:
                found.append(f"a fetch: {name} has other bytes: {got[:200]!r}")
        if self._sums:
            engine.cli("delete", "pod", *self._sums)
        staging = engine.home / "cache" / "staging"
        left = [*staging.glob("*"), *(engine.home / "cache").rglob("*.progress")]
        return found + [f"a fetch left {path}" for path in left]

    def _is_done(self, name: str) -> bool:
        (pod,) = (pod for pod in self._engine.get("pods") if pod["metadata"]["name"] == name)
        return bool(pod["status"].get("phase") == "Succeeded")


def _fetching_pod(name: str, url: str) -> dict[str, object]:
    file = f"/mnt/models/{name}.bin"
    mounts = [{"name": "model", "mountPath": "/mnt/models"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "model", "emptyDir": {}}],
            "initContainers": [
                {
                    "name": "storage-initializer",
                    "image": "kserve/storage-initializer:v0.15.0",
                    "args": [url, "/mnt/models"],
                    "volumeMounts": mounts,
                }
            ],
            "containers": [
                {
                    "name": "check",
                    "image": "python:3",
                    "command": ["python", "-c", _CHECK, file],
                    "volumeMounts": mounts,
                }
            ],
        },
    }


class Batches:
    """A batch run over a service, killed and started again; another one when it is through."""

    def __init__(self, engine: RunningEngine, service: str, folder: Path, rows: int = 4000) -> None:
        self._engine, self._service, self._rows = engine, service, rows
        self._input, self._folder = folder / "rows.jsonl", folder
        self._input.write_text("".join(f'{{"n": {n}}}\n' for n in range(rows)))
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0

    @property
    def _output(self) -> Path:
        return self._folder / f"out-{self._number}.jsonl"

    def begin(self) -> None:
        self._process = subprocess.Popen(
            [
                *(*CLI, "batch", "run", self._service, "--protocol", "raw", "--concurrency", "2"),
                *("--input", str(self._input), "--output", str(self._output)),
            ],
            env=self._engine.environ(),
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "batch.log").open("ab"),
        )

    def hit(self) -> list[int]:
        """Kill it; the same command goes on where it stopped."""
        if self._process is None:
            return []
        pid = self._process.pid
        ended = self._process.poll()
        if ended is None:
            self._process.kill()
            self._process.wait()
        elif ended == 0:
            self._number += 1
        self.begin()
        return [pid] if ended is None else []

    def broken(self) -> list[str]:
        """Once nothing is hit any more."""
        if self._process is None:
            return []
        code = self._process.wait(timeout=300)
        if code == 1:  # it had stopped, the service was away for long
            self.begin()
            code = self._process.wait(timeout=300)
        found = [f"a batch run ended with {code}"] if code else []
        for number in range(self._number + 1):
            out = self._folder / f"out-{number}.jsonl"
            lines = [json.loads(line) for line in out.read_text().splitlines()]
            if [line["output"] for line in lines] != [{"n": n} for n in range(self._rows)]:
                rows = Counter(line["row"] for line in lines)
                twice = sum(count > 1 for count in rows.values())
                found.append(f"{out.name}: {len(rows)} of {self._rows} rows, {twice} twice")
        return found

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Events:
    """Events to a KafkaSource's topic, all the time; a sink of ours counts them."""

    def __init__(self, engine: RunningEngine, broker: RunningBroker) -> None:
        self._engine, self._broker = engine, broker
        self._got: Counter[bytes] = Counter()
        self._sent = 0
        self._stop = threading.Event()
        self._server = _Sink(("127.0.0.1", 0), _counting(self._got))
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=lambda: asyncio.run(self._produce()), daemon=True),
        ]

    @property
    def handled(self) -> str:
        again = sum(self._got.values()) - len(self._got)
        return f"{self._sent} events sent, {len(self._got)} handled, {again} again"

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()
        document = json.dumps(_source(self._broker.address, self._server.server_address[1]))
        self._engine.cli("apply", "-f", "-", stdin=document)
        wait_until("events come", lambda: self._got, within_s=60)

    def broken(self) -> list[str]:
        """Once nothing is hit any more."""
        self._stop.set()
        self._threads[1].join(30)
        try:
            wait_until("all events", lambda: len(self._got) == self._sent, within_s=90)
        except EngineProblem:
            missing = {b"%d" % n for n in range(self._sent)} - self._got.keys()
            return [f"{len(missing)} events of {self._sent} are lost: {sorted(missing)[:10]}"]
        finally:
            self._engine.cli("delete", "kafkasource", "chaos")
        return []

    def end(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    async def _produce(self) -> None:
        from tidegate.testing.kafka_rig import Rig

        clock, rig = RealClock(), Rig(self._broker.address)
        await rig.make_topic("chaos", 4)
        while not self._stop.is_set():
            values = [b"%d" % n for n in range(self._sent, self._sent + 10)]
            await rig.produce(values, topic="chaos")
            self._sent += 10
            await clock.sleep(0.5)


def _source(broker: str, port: int) -> dict[str, object]:
    return {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "KafkaSource",
        "metadata": {"name": "chaos", "namespace": "default"},
        "spec": {
            "bootstrapServers": [broker],
            "topics": ["chaos"],
            "consumerGroup": "chaos",
            "initialOffset": "earliest",
            "ordering": "unordered",
            "delivery": {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT1S"},
            "sink": {"uri": f"http://127.0.0.1:{port}/"},
        },
    }


class _Sink(ThreadingHTTPServer):
    request_queue_size = (
        256  # fifty events come at once: with five places some wait for seconds to connect
    )


def _counting(got: Counter[bytes]) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                got[body] += 1
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


class Disk:
    """The file system of an engine's home, filled up and emptied again."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "filler"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free while the block runs."""
        try:
            with self._file.open("wb", buffering=0) as file:
                for size in (2**20, 2**12, 1):
                    with suppress(OSError):
                        while True:
                            file.write(b"\0" * size)
            yield
        finally:
            self._file.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[bool]:
    """A tmpfs at `folder`. False: we may not mount one."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    try:
        yield made.returncode == 0
    finally:
        if made.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
