"""SPDY as bytes and frames, and the streams of a port-forward over it."""

from __future__ import annotations

import asyncio
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.apiserver import spdy
from tidegate.apiserver.sessions import Closed
from tidegate.apiserver.spdytunnel import TUNNEL, Tunnel
from tidegate.model.errors import BadRequest

HEADERS = {"streamtype": "data", "port": "8080", "requestid": "0"}


def test_the_dictionary_is_the_one_that_everybody_has():
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_frames_are_found_however_the_bytes_are_cut(cuts):
    writer = spdy.Writer()
    data = b"".join(
        (
            writer.opened(1, HEADERS | {"streamtype": "error"}),
            spdy.sent(1, b"", fin=True),
            writer.opened(3, HEADERS),
            spdy.sent(3, b"GET / HTTP/1.1\r\n\r\n"),
            spdy.ping(7),
            spdy.reset(3, 5),
        )
    )
    reader, found = spdy.Reader(), []
    for size in [*cuts, len(data)]:
        found += reader.feed(data[:size])
        data = data[size:]
    assert found == [
        spdy.Opened(1, HEADERS | {"streamtype": "error"}),
        spdy.Sent(1, b"", fin=True),
        spdy.Opened(3, HEADERS),
        spdy.Sent(3, b"GET / HTTP/1.1\r\n\r\n"),
        spdy.Ping(7),
        spdy.Reset(3, 5),
    ]


def test_what_a_client_does_not_need_is_passed_over():
    settings = struct.pack(">HHI", 0x8003, 4, 4) + bytes(4)
    window = struct.pack(">HHI", 0x8003, 9, 8) + bytes(8)
    assert spdy.Reader().feed(settings + window + spdy.ping(1)) == [spdy.Ping(1)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (struct.pack(">HHI", 0x8002, 1, 0), "version 2"),
        (struct.pack(">II", 1, 0xFFFFFF), "a frame of 16777215 bytes"),
        (struct.pack(">HHI", 0x8003, 6, 1) + b"x", "type 6 is too short"),
        (struct.pack(">HHI", 0x8003, 1, 14) + b"\0" * 14, "can't be unpacked"),
        (struct.pack(">HHI", 0x8003, 1, 0), "type 1 is too short"),
    ],
)
def test_other_bytes_are_refused(data, says):
    with pytest.raises(spdy.SpdyError, match=says):
        spdy.Reader().feed(data)


def test_headers_that_unpack_to_much_more_than_they_are_get_refused():
    writer = spdy.Writer()
    with pytest.raises(spdy.SpdyError, match="more than 65536"):
        spdy.Reader().feed(writer.opened(1, {"a": "x" * 200_000}))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_in_another_way(data):
    try:
        spdy.Reader().feed(data)
    except spdy.SpdyError:
        pass


class Client:
    """The other end of a tunnel: sends in turn, then leaves when it has been told enough."""

    protocol = TUNNEL

    def __init__(self, *sends: bytes, enough: int) -> None:
        self.sends, self.enough = list(sends), enough
        self.told: list[bytes] = []
        self._said_all = asyncio.Event()

    async def receive(self) -> bytes:
        if self.sends:
            return self.sends.pop(0)
        await asyncio.wait_for(self._said_all.wait(), 5)
        raise Closed

    async def send(self, message: bytes) -> None:
        self.told.append(message)
        if len(self.told) >= self.enough:
            self._said_all.set()


async def nobody(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raise BadRequest(f"nothing listens on {port}")


async def run(client: Client) -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        await Tunnel(client, nobody).run()
    assert raised.group_contains(Closed)


async def test_a_connection_that_can_not_be_made_says_why_on_its_error_stream():
    writer = spdy.Writer()
    client = Client(
        writer.opened(1, HEADERS | {"streamtype": "error"}),
        spdy.sent(1, b"", fin=True),
        writer.opened(3, HEADERS),
        enough=4,
    )
    await run(client)
    assert client.told[2:] == [
        spdy.sent(3, b"", fin=True),
        spdy.sent(1, b"nothing listens on 8080", fin=True),
    ]


async def test_a_stream_that_is_no_port_forwards_is_reset_and_a_ping_answered():
    writer = spdy.Writer()
    client = Client(
        writer.opened(1, {"streamtype": "data", "port": "99999"}),
        writer.opened(3, {"streamtype": "other", "port": "80"}),
        spdy.ping(9),
        enough=3,
    )
    await run(client)
    assert client.told == [spdy.reset(1, 3), spdy.reset(3, 3), spdy.ping(9)]
