"""The gRPC probe's own bytes, against a server that answers with bytes of ours."""

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest
from hpack import Decoder, Encoder

from tidegate.node.grpc_health import grpc_health


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def answer(status: int, *, trailers: dict[str, str] | None = None) -> bytes:
    """A unary answer as a gRPC server writes it."""
    encoder = Encoder()
    head = encoder.encode([(":status", "200"), ("content-type", "application/grpc")])
    message = b"\x08" + bytes([status]) if status else b""
    body = b"\0" + struct.pack(">I", len(message)) + message
    tail = encoder.encode(list((trailers or {"grpc-status": "0"}).items()))
    return frame(1, 4, 1, head) + frame(0, 0, 1, body) + frame(1, 5, 1, tail)


@asynccontextmanager
async def serving(reply: bytes | None):
    """A server that says `reply` to whoever asks; None: nothing, ever. Gives its port and what it heard."""
    heard: list[bytes] = []
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(24))
        while True:
            top = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(top[:3], "big"))
            heard.append(top + payload)
            if top[3] == 0:
                break
        if reply is None:
            await done.wait()
        else:
            writer.write(frame(4, 0, 0, b"") + frame(6, 0, 0, b"12345678") + reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
        done.set()


pytestmark = pytest.mark.live


async def test_a_service_that_serves_is_healthy_and_was_asked_by_name():
    async with serving(answer(1)) as (port, heard):
        assert await grpc_health(port, "model", timeout_s=20) is None
    headers = dict(Decoder().decode(heard[2][9:]))
    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert heard[3][9:] == b"\0\0\0\0\x07\x0a\x05model"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        pytest.param(
            answer(2), 'service unhealthy (responded with "NOT_SERVING")', id="not serving"
        ),
        pytest.param(answer(0), 'service unhealthy (responded with "UNKNOWN")', id="unknown"),
        pytest.param(
            answer(0, trailers={"grpc-status": "12", "grpc-message": "unknown service"}),
            "error: this server does not implement the grpc health protocol "
            "(grpc.health.v1.Health): unknown service",
            id="not implemented",
        ),
        pytest.param(
            answer(0, trailers={"grpc-status": "5", "grpc-message": "unknown"}),
            "error: health rpc failed: unknown",
            id="error",
        ),
    ],
)
async def test_what_is_wrong_is_said_as_the_kubelet_says_it(reply, problem):
    async with serving(reply) as (port, _):
        assert await grpc_health(port, "", timeout_s=20) == problem


async def test_garbage_and_a_stream_that_ends_are_failures():
    async with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100) as (port, _):
        assert "failed" in (await grpc_health(port, "", timeout_s=20) or "")
    async with serving(frame(7, 0, 0, b"\0" * 8)) as (port, _):
        assert "ended the stream" in (await grpc_health(port, "", timeout_s=20) or "")


async def test_silence_is_a_timeout():
    async with serving(None) as (port, _):
        said = await grpc_health(port, "", timeout_s=0.2)
    assert said == f'timeout: failed to connect service "127.0.0.1:{port}" within 0.2s'
