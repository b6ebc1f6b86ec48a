"""gRPC and WebSocket to Knative Services of a whole engine: documents applied, served from zero."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from websockets.sync.client import connect

from tidegate.testing.engine import RunningEngine, running_engine, service_document, wait_until

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::ResourceWarning")]

HERE = Path(__file__).parent
# With the gate always in the path, a revision without traffic goes to zero without a grace period.
FAST = {"window": "6s", "target-burst-capacity": "-1", "target": "1", "max-scale": "3"}
WITHIN_S = 90


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


def at_zero(engine: RunningEngine, name: str, server: str, port_name: str) -> None:
    """A service whose replicas run this server, ready and at zero."""
    command = ["python", str(HERE / server), "8080"]
    document = json.loads(service_document(name, scaling=FAST, command=command))
    [container] = document["spec"]["template"]["spec"]["containers"]
    container["ports"][0]["name"] = port_name
    engine.cli("apply", "-f", "-", stdin=json.dumps(document))
    engine.cli("wait", "ksvc", name, "--for", "condition=Ready", "--timeout", "60s")
    wait_until(f"{name} at zero", lambda: not engine.get("pods"), within_s=WITHIN_S)


def test_a_grpc_client_gets_through_from_zero_and_one_connection_scales_out(engine):
    at_zero(engine, "rpc", "grpc_process.py", "h2c")
    host, port = engine.gateway
    options = [("grpc.default_authority", "rpc.default.localhost")]
    with grpc.insecure_channel(f"{host}:{port}", options=options) as channel:
        call = channel.unary_unary("/tide.Echo/Unary")
        assert call(b"hello", timeout=WITHIN_S) == b"hello"
        with ThreadPoolExecutor() as threads:
            calls = [threads.submit(call, b"sleep 8", timeout=WITHIN_S) for _ in range(6)]
            wait_until(
                "replicas for calls of one connection",
                lambda: len(engine.ready_pods("rpc")) == 3,
                within_s=WITHIN_S,
            )
            assert [one.result() for one in calls] == [b"sleep 8"] * 6
    engine.cli("delete", "ksvc", "rpc")
    wait_until("pods of rpc gone", lambda: not engine.get("pods"))


def test_a_websocket_client_gets_through_from_zero(engine):
    at_zero(engine, "chat", "websocket_process.py", "http1")
    host, port = engine.gateway
    by_path = f"ws://{host}:{port}/default/chat/room"
    with connect(by_path, open_timeout=WITHIN_S, proxy=None) as client:
        client.send("hello")
        assert client.recv(timeout=WITHIN_S) == "hello"
    engine.cli("delete", "ksvc", "chat")
