"""HTTP/2 clients of a real gateway that behave badly, and curl, which doesn't."""

import asyncio
import shutil

import psutil
import pytest

from tidegate.gateway.h2 import frames
from tidegate.gateway.h2.hpack import encoded
from tidegate.testing.gateway import HOST, gateway, replica, revision

pytestmark = pytest.mark.live

WITHIN_S = 60
REQUEST = b"".join(
    encoded(name, value)
    for name, value in (
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/big"),
        (b":authority", HOST.encode()),
    )
)
WHOLE = frames.END_HEADERS | frames.END_STREAM


def asks(stream, flags=WHOLE):
    return frames.frame(frames.HEADERS, flags, stream, REQUEST)


async def greeted(gate):
    """A connection that has said its preface and settings."""
    wire = await gate.client()
    await wire.send(frames.PREFACE + frames.settings_frame(()))
    return wire


async def goodbye(wire):
    """The code of the GOAWAY that the connection ends with; None: it ended without."""
    data, code = b"", None
    try:
        async with asyncio.timeout(WITHIN_S):
            while piece := await wire.reader.read(2**16):
                data += piece
    except ConnectionResetError:
        pass
    at = 0
    while at + 9 <= len(data):
        high, low, kind, _, _ = frames.HEAD.unpack_from(data, at)
        size = high << 8 | low
        if kind == frames.GOAWAY:
            code = frames.Code(frames.goaway_of(data[at + 9 : at + 9 + size])[1])
        at += 9 + size
    return code


def memory(gate):
    """Bytes that the gateway's process holds."""
    return psutil.Process(gate.process.pid).memory_info().rss


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(b"\xff" * 4096, frames.Code.FRAME_SIZE_ERROR, id="garbage"),
        pytest.param(
            asks(1, 0) + frames.frame(frames.CONTINUATION, 0, 1, bytes(16_000)) * 6,
            frames.Code.ENHANCE_YOUR_CALM,
            id="headers without an end",
        ),
    ],
)
async def test_a_client_that_talks_nonsense_is_hung_up_on_and_others_are_served(
    tmp_path, sent, code
):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await greeted(gate)
        await wire.send(sent)
        assert await goodbye(wire) == code
        assert (await gate.ask()).status == 200


async def test_what_follows_half_a_preface_is_no_request(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await goodbye(wire) == frames.Code.PROTOCOL_ERROR
        late = await gate.client()
        answered = await late.ask()
        assert answered.status == 200
        await late.send(frames.PREFACE)
        assert (await late.answer()).status == 505, "only a connection's first words can change it"
        assert len(pod.got) == 1


async def test_streams_opened_and_reset_at_once_end_the_connection_and_cost_no_memory(tmp_path):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision())  # nobody serves: each would wait
        before = memory(gate)
        wire = await greeted(gate)
        flood = b"".join(
            asks(stream) + frames.reset_frame(stream, frames.Code.CANCEL)
            for stream in range(1, 40_001, 2)
        )
        try:
            await wire.send(flood)
        except ConnectionError:
            pass
        assert await goodbye(wire) in (frames.Code.ENHANCE_YOUR_CALM, None)
        assert memory(gate) - before < 50 * 2**20
        other = await gate.client()
        await other.send(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")
        assert (await other.answer()).status == 404


async def test_a_client_that_reads_no_answer_costs_little_memory(tmp_path):
    async def endless(got, wire):
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            await wire.send(b"z" * 1_000_000)

    async with gateway(tmp_path) as gate, replica("a", endless) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        before = memory(gate)
        wire = await gate.client()
        settings = ((frames.INITIAL_WINDOW_SIZE, frames.MAX_WINDOW),)
        grown = frames.window_frame(0, frames.MAX_WINDOW - frames.DEFAULT_WINDOW)
        await wire.send(frames.PREFACE + frames.settings_frame(settings) + grown)
        wire.writer.transport.pause_reading()
        for stream in range(1, 200, 2):
            await wire.send(asks(stream))
        async with asyncio.timeout(WITHIN_S):
            while pod.running < 100:
                await asyncio.sleep(0.05)
        await asyncio.sleep(2)  # so that what could be taken has been
        assert memory(gate) - before < 150 * 2**20, "of the 10 GB that were asked for"
        wire.writer.transport.abort()
        async with asyncio.timeout(WITHIN_S):
            while pod.open:
                await asyncio.sleep(0.05)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_speaks_http2_to_a_replica_of_http1(tmp_path):
    async def count(got, wire):
        body = b"%d %b" % (len(got.body), got.header("x-forwarded-proto").encode())
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with gateway(tmp_path) as gate, replica("a", count) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        (tmp_path / "body").write_bytes(b"x" * 5_000_000)
        curl = await asyncio.create_subprocess_exec(
            *("curl", "-s", "--http2-prior-knowledge", "-H", f"Host: {HOST}"),
            *("--data-binary", f"@{tmp_path}/body", "-w", " %{http_version} %{http_code}"),
            f"http://127.0.0.1:{gate.port}/count",
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN_S):
            out, _ = await curl.communicate()
        assert out == b"5000000 http 2 200"
