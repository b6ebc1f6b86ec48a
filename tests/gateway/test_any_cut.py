"""Whatever way the bytes arrive, from either side, each request gets its own answer, in order.

Both protocols run as they are, over transports in memory; the replica echoes.
"""

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.gateway.chunks import Chunks, chunk
from tidegate.gateway.client import ClientConnection
from tidegate.gateway.hub import Hub
from tidegate.gateway.settings import Settings
from tidegate.kit.realtime import RealClock
from tidegate.link.gateway import Endpoint, Revision, Route, Snapshot, Split

HOST = "hello"


class MemoryTransport:
    """Collects what is written; `on_write` may answer."""

    def __init__(self, on_write=lambda data: None) -> None:
        self.written = b""
        self.closed = False
        self._on_write = on_write

    def write(self, data: bytes) -> None:
        self.written += data
        self._on_write(data)

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return ("127.0.0.1", 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = write_eof = close

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@dataclass(frozen=True)
class Ask:
    """A request and how the replica answers it."""

    method: str
    body: bytes
    chunks: int | None  # the request's body in chunks of this size; None: with its length
    answer_chunks: int | None
    answer_cut: int  # the answer comes in pieces of this size

    def wire(self, number: int) -> bytes:
        head = f"{self.method} /{number} HTTP/1.1\r\nHost: {HOST}\r\n"
        if self.chunks is not None:
            pieces = [self.body[i : i + self.chunks] for i in range(0, len(self.body), self.chunks)]
            return (
                f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
                + b"".join(chunk(piece) for piece in pieces)
                + b"0\r\n\r\n"
            )
        length = f"Content-Length: {len(self.body)}\r\n" if self.body else ""
        return f"{head}{length}\r\n".encode() + self.body

    def answer(self, number: int) -> bytes:
        body = b"%d:%b" % (number, self.body)
        if self.method == "HEAD":
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        if self.answer_chunks is None:
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        pieces = [body[i : i + self.answer_chunks] for i in range(0, len(body), self.answer_chunks)]
        return (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(chunk(piece) for piece in pieces)
            + b"0\r\n\r\n"
        )


ASKS = st.lists(
    st.builds(
        Ask,
        method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
        body=st.binary(max_size=60),
        chunks=st.none() | st.integers(1, 30),
        answer_chunks=st.none() | st.integers(1, 30),
        answer_cut=st.integers(1, 80),
    ),
    min_size=1,
    max_size=5,
)


class EchoReplica:
    """Reads whole requests off its connection and answers each as its `Ask` says."""

    def __init__(self, asks: list[Ask]) -> None:
        self._asks = asks
        self.bodies: list[bytes] = []

    async def dial(self, factory, host: str, port: int):
        protocol = factory()
        seen = b""

        def on_write(data: bytes) -> None:
            nonlocal seen
            seen += data
            body = whole_body(seen)
            if body is None:
                return
            number = int(seen.split(b" ", 2)[1].strip(b"/"))
            seen = b""
            self.bodies.append(body)
            ask = self._asks[number]
            answer = ask.answer(number)
            for at in range(0, len(answer), ask.answer_cut):
                asyncio.get_running_loop().call_soon(
                    protocol.data_received, answer[at : at + ask.answer_cut]
                )

        protocol.connection_made(MemoryTransport(on_write))
        return protocol


def whole_body(seen: bytes) -> bytes | None:
    head, end, rest = seen.partition(b"\r\n\r\n")
    if not end:
        return None
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if b"transfer-encoding" in fields:
        chunks = Chunks()
        body = b"".join(chunks.feed(rest)[0])
        return body if chunks.done else None
    length = int(fields.get(b"content-length", b"0"))
    return rest if len(rest) == length else None


def read_answers(wire: bytes, asks: list[Ask]) -> list[bytes]:
    """The bodies, by the framing that each head states; nothing may be left over."""
    bodies = []
    for ask in asks:
        head, _, wire = wire.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if ask.method == "HEAD":
            bodies.append(b"")
        elif b"transfer-encoding" in fields:
            chunks = Chunks()
            pieces, wire = chunks.feed(wire)
            assert chunks.done
            bodies.append(b"".join(pieces))
        else:
            length = int(fields[b"content-length"])
            bodies.append(wire[:length])
            wire = wire[length:]
    assert wire == b""
    return bodies


async def exchange(asks: list[Ask], parts: list[bytes]) -> tuple[bytes, list[bytes]]:
    replica, transport = EchoReplica(asks), MemoryTransport()
    async with asyncio.TaskGroup() as tasks:
        hub = Hub(clock=RealClock(), settings=Settings(), tasks=tasks, dial=replica.dial)
        endpoints = (Endpoint(id="pod", host="127.0.0.1", port=1),)
        hub.apply_snapshot(
            Snapshot(
                seq=1,
                revisions=(Revision(key="d/r", endpoints=endpoints, container_concurrency=1),),
                routes=(
                    Route(key="d/h", hosts=(HOST,), splits=(Split(revision="d/r", percent=100),)),
                ),
            )
        )
        client = ClientConnection(hub)
        client.connection_made(transport)
        for part in parts:
            client.data_received(part)
            await asyncio.sleep(0)
        for _ in range(2000):
            await asyncio.sleep(0)
            if len(replica.bodies) == len(asks) and client.exchange is None:
                break
    return transport.written, replica.bodies


@settings(max_examples=150, deadline=None)
@given(ASKS, st.data())
def test_each_request_gets_its_own_answer_however_the_bytes_are_cut(asks, data):
    wire = b"".join(ask.wire(number) for number, ask in enumerate(asks))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(wire) - 1), max_size=10, unique=True)))
    parts = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    written, got = asyncio.run(exchange(asks, parts))
    assert got == [ask.body for ask in asks]
    assert read_answers(written, asks) == [
        b"" if ask.method == "HEAD" else b"%d:%b" % (number, ask.body)
        for number, ask in enumerate(asks)
    ]
