"""HTTP/2 between a client and a replica that both are h2, the library, over memory.

The library's ends refuse whatever RFC 9113 forbids, so what goes through has been agreed to by both.
"""

import asyncio
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tidegate.gateway.client import ClientConnection
from tidegate.gateway.h2 import frames
from tidegate.gateway.hub import Hub
from tidegate.gateway.settings import Settings
from tidegate.kit.realtime import RealClock
from tidegate.link.gateway import Endpoint, Revision, Route, Snapshot, Split

HOST = "hello"
REVISION = "d/r"


class Wire:
    """One end's transport in memory: what the gateway writes waits in `out` for the peer."""

    def __init__(self):
        self.out = b""
        self.protocol = None
        self.closed = self.aborted = self.reading_paused = False

    def write(self, data):
        assert not self.closed, "written after the end"
        self.out += data

    def set_protocol(self, protocol):
        self.protocol = protocol

    def get_extra_info(self, name):
        return ("127.0.0.1", 1) if name == "peername" else None

    def get_write_buffer_size(self):
        return len(self.out)

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.closed = True

    def pause_reading(self):
        self.reading_paused = True

    def resume_reading(self):
        self.reading_paused = False

    def give(self, data):
        """Bytes from the peer."""
        if not self.closed:
            self.protocol.data_received(data)


@dataclass
class Asked:
    """A request as the replica saw it, or an answer as the client did."""

    headers: dict = field(default_factory=dict)
    body: bytes = b""
    trailers: dict = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None


class Peer:
    """An h2 connection and what was said on its streams; sends as far as windows allow."""

    def __init__(self, wire, *, client, window=65_535, streams=100):
        config = h2.config.H2Configuration(client_side=client, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.wire = wire
        self.seen = {}
        self.unsent = {}  # stream -> [bytes, trailers or None]
        self.gone = None  # the error code of a GOAWAY
        self.acknowledges = True
        self.h2.local_settings = h2.settings.Settings(
            client=client,
            initial_values={
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window,
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams,
            },
        )
        self.h2.initiate_connection()

    def on_request_whole(self, stream):
        """For a replica to answer."""

    def take(self):
        """Read what the gateway wrote."""
        data, self.wire.out = self.wire.out, b""
        for event in self.h2.receive_data(data) if data else ():
            self.on(event)
        self.send()
        return bool(data)

    def on(self, event):
        stream = getattr(event, "stream_id", None)
        match event:
            case h2.events.RequestReceived() | h2.events.ResponseReceived():
                self.seen[stream] = Asked(headers=dict(event.headers))
            case h2.events.TrailersReceived():
                self.seen[stream].trailers = dict(event.headers)
            case h2.events.DataReceived():
                self.seen[stream].body += event.data
                if self.acknowledges:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            case h2.events.StreamEnded():
                self.seen[stream].ended = True
                self.on_request_whole(stream)
            case h2.events.StreamReset():
                self.unsent.pop(stream, None)
                self.seen.setdefault(stream, Asked()).reset = int(event.error_code)
            case h2.events.ConnectionTerminated():
                self.gone = int(event.error_code)
                self.unsent.clear()

    def say(self, stream, headers, body=b"", trailers=None):
        """Headers, body and trailers, now or when there is room."""
        if not body and trailers is None:
            self.h2.send_headers(stream, headers, end_stream=True)
            return
        self.h2.send_headers(stream, headers)
        self.unsent[stream] = [body, trailers]
        self.send()

    def send(self):
        for stream, (body, trailers) in list(self.unsent.items()):
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            while body and room > 0:
                self.h2.send_data(stream, body[:room])
                body = body[room:]
                room = min(
                    self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size
                )
            self.unsent[stream][0] = body
            if not body:
                del self.unsent[stream]
                if trailers is None:
                    self.h2.end_stream(stream)
                else:
                    self.h2.send_headers(stream, trailers, end_stream=True)

    def flush(self, cut=None):
        """Hand the gateway what there is, in pieces of `cut` bytes."""
        data = self.h2.data_to_send()
        for at in range(0, len(data), cut or len(data) or 1):
            self.wire.give(data[at : at + (cut or len(data))])
        return bool(data)


class EchoReplica(Peer):
    """Answers with what it was asked: the body, the trailers, and which status was asked for."""

    def __init__(self, wire, **options):
        super().__init__(wire, client=False, **options)

    def on_request_whole(self, stream):
        asked = self.seen[stream]
        headers = [
            (":status", asked.headers.get("x-status", "200")),
            ("x-path", asked.headers[":path"]),
        ]
        trailers = list(asked.trailers.items()) or None
        self.say(stream, headers, asked.body, trailers)


class Between:
    """The gateway's hub with one client and, once dialled, one replica."""

    def __init__(self, tasks, *, protocol="h2c", replica=None, client=None, cut=None, **limits):
        self.replicas = []
        self._replica = replica or EchoReplica
        self._cut = cut
        self.hub = Hub(clock=RealClock(), settings=Settings(), tasks=tasks, dial=self._dial)
        revision = self.revision = Revision(
            key=REVISION,
            endpoints=(Endpoint(id="pod", host="127.0.0.1", port=1),),
            protocol=protocol,
            **limits,
        )
        split = Split(revision=REVISION, percent=100)
        self.hub.apply_snapshot(
            Snapshot(
                seq=1,
                revisions=(revision,),
                routes=(Route(key="d/h", hosts=(HOST,), splits=(split,)),),
            )
        )
        wire = self.connected()
        self.client = Peer(wire, client=True, **(client or {}))

    def connected(self):
        """A client's connection without a client."""
        wire = Wire()
        wire.protocol = ClientConnection(self.hub)
        wire.protocol.connection_made(wire)
        return wire

    async def _dial(self, factory, host, port):
        wire = Wire()
        wire.protocol = factory()
        replica = self._replica(wire)
        wire.protocol.connection_made(wire)
        self.replicas.append(replica)
        return wire.protocol

    def ask(self, path="/", body=b"", trailers=None, *, method="POST", more=()):
        """Ask; the stream's number."""
        stream = self.client.h2.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", "http"), (":path", path), (":authority", HOST)]
        self.client.say(stream, [*headers, *more], body, trailers)
        return stream

    async def settle(self, turns=2000):
        """Carry bytes back and forth until nobody has anything to say."""
        quiet = 0
        for _ in range(turns):
            moved = False
            for peer in (self.client, *self.replicas):
                moved |= peer.flush(self._cut)
                moved |= peer.take()
            await asyncio.sleep(0)
            quiet = 0 if moved else quiet + 1
            if quiet > 5:
                return
        raise AssertionError("they never stop talking")


def between(test, **options):
    """Run a test with a gateway between a client and a replica."""

    async def run():
        async with asyncio.TaskGroup() as tasks:
            await test(Between(tasks, **options))

    asyncio.run(run())


GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
BODIES = st.integers(0, 700).map(lambda blocks: bytes(range(256)) * blocks)
ASKS = st.lists(
    st.tuples(BODIES, st.none() | st.just([("x-last", "1"), ("grpc-status", "0")])),
    min_size=1,
    max_size=6,
)
WINDOWS = st.sampled_from([100, 20_000, 65_535, 2**20])
MORE = st.sampled_from([65_535, 2**20])  # h2 takes no data that was sent before its settings came


@settings(max_examples=25, deadline=None)
@given(ASKS, st.none() | st.integers(500, 50_000), WINDOWS, MORE)
def test_each_stream_gets_its_own_answer_whatever_the_cuts_and_windows(asks, cut, ours, theirs):
    async def test(it):
        streams = [it.ask(f"/{n}", body, trailers) for n, (body, trailers) in enumerate(asks)]
        await it.settle(20_000)
        for stream, (number, (body, trailers)) in zip(streams, enumerate(asks), strict=True):
            answer = it.client.seen[stream]
            assert (answer.headers["x-path"], answer.ended, answer.reset) == (
                f"/{number}",
                True,
                None,
            )
            assert answer.body == body
            assert list(answer.trailers.items()) == (trailers or [])
        assert it.hub.active
        assert not it.client.h2.open_outbound_streams

    between(
        test,
        cut=cut,
        client={"window": ours},
        replica=lambda wire: EchoReplica(wire, window=theirs),
    )


class Waits(EchoReplica):
    """Answers `/first`, and everything else when it is told to."""

    def __init__(self, wire):
        super().__init__(wire, streams=2)
        self.waiting = []

    def on_request_whole(self, stream):
        if self.seen[stream].headers[":path"] == "/first":
            super().on_request_whole(stream)
        else:
            self.waiting.append(stream)

    def go_on(self):
        for stream in self.waiting:
            super().on_request_whole(stream)


def test_more_calls_than_one_connection_takes_get_further_ones():
    async def test(it):
        it.ask("/first", b"x")
        await it.settle()  # so that the replica's limit is known
        streams = [it.ask(f"/{n}", b"x") for n in range(5)]
        await it.settle()
        assert [len(replica.waiting) for replica in it.replicas] == [2, 2, 1]
        for replica in it.replicas:
            replica.go_on()
        await it.settle()
        assert [it.client.seen[stream].body for stream in streams] == [b"x"] * 5

    between(test, replica=Waits)


def test_a_slow_client_holds_the_replica_back_and_nobody_else():
    async def test(it):
        it.client.acknowledges = False
        slow = it.ask("/slow", b"s" * 3_000_000)
        await it.settle(20_000)
        assert len(it.client.seen[slow].body) == 65_535, "as much as its window"
        held = 3_000_000 - len(it.client.seen[slow].body)
        assert len(it.replicas[0].unsent[1][0]) > held - 2**20, "the rest is with the replica"

    between(test)


def test_a_replica_that_takes_nothing_holds_the_client_back():
    class TakesNothing(EchoReplica):
        def __init__(self, wire):
            super().__init__(wire)
            self.acknowledges = False

    async def test(it):
        stream = it.ask("/big", b"s" * 5_000_000)
        await it.settle(20_000)
        assert len(it.replicas[0].seen[1].body) == 65_535
        assert len(it.client.unsent[stream][0]) > 3_000_000, "the gateway holds only so much"

    between(test, replica=TakesNothing)


def test_a_body_that_was_held_goes_to_a_slow_replica_no_faster_than_it_reads():
    class TakesNothing(EchoReplica):
        def __init__(self, wire):
            super().__init__(wire)
            self.acknowledges = False

    async def test(it):
        there = it.revision
        it.hub.apply_revision(REVISION, replace(there, endpoints=()))
        stream = it.ask("/big", b"s" * 5_000_000)
        await it.settle(20_000)
        waiting = len(it.client.unsent[stream][0])
        assert waiting < 4_000_000, "some of it is held"
        it.hub.apply_revision(REVISION, there)
        await it.settle(20_000)
        assert len(it.replicas[0].seen[1].body) == 65_535
        assert len(it.client.unsent[stream][0]) > waiting - 400_000, "and not much more"

    between(test, replica=TakesNothing)


def test_a_refused_stream_is_asked_again_whatever_its_method():
    class Refuses(EchoReplica):
        refused = 0

        def on_request_whole(self, stream):
            if Refuses.refused < 2:
                Refuses.refused += 1
                self.h2.reset_stream(stream, error_code=frames.Code.REFUSED_STREAM)
            else:
                super().on_request_whole(stream)

    async def test(it):
        stream = it.ask("/", b"once")
        await it.settle()
        assert it.client.seen[stream].body == b"once"
        assert sum(len(replica.seen) for replica in it.replicas) == 3

    between(test, replica=Refuses)


def test_streams_that_a_goaway_left_out_are_asked_elsewhere():
    class Leaves(EchoReplica):
        def on_request_whole(self, stream):
            if not Leaves.left:
                Leaves.left = True
                self.h2.close_connection(last_stream_id=0)
            else:
                super().on_request_whole(stream)

        left = False

    async def test(it):
        stream = it.ask("/", b"once")
        await it.settle()
        assert it.client.seen[stream].body == b"once"
        assert len(it.replicas) == 2

    between(test, replica=Leaves)


def test_a_reset_by_the_replica_is_told_in_the_form_of_the_call():
    class Resets(EchoReplica):
        def on_request_whole(self, stream):
            self.h2.reset_stream(stream, error_code=frames.Code.INTERNAL_ERROR)

    async def test(it):
        plain, call = it.ask("/", b"x"), it.ask("/", b"x", more=GRPC)
        await it.settle()
        assert it.client.seen[plain].headers[":status"] == "502"
        assert b"reset the request's HTTP/2 stream (INTERNAL_ERROR)" in it.client.seen[plain].body
        assert it.client.seen[call].headers["grpc-status"] == "14"
        assert it.client.seen[call].headers["tidegate-error"] == "gateway; replica-reset"

    between(test, replica=Resets)


def test_a_body_of_another_length_than_announced_reaches_nobody_as_whole():
    async def test(it):
        longer = it.ask("/", b"abc", more=[("content-length", "2")])
        shorter = it.ask("/", b"abc", more=[("content-length", "4")])
        await it.settle()
        for stream in (longer, shorter):
            assert it.client.seen[stream].reset == frames.Code.PROTOCOL_ERROR
        assert not any(seen.ended for replica in it.replicas for seen in replica.seen.values())

    async def unchecked(it):
        it.client.h2.config.validate_outbound_headers = False
        await test(it)

    between(unchecked)


def test_a_client_that_resets_takes_its_request_out_of_the_queue():
    async def test(it):
        first, second = it.ask("/a", b"x" * 10), it.ask("/b", b"x" * 10)
        await it.settle()
        it.client.h2.reset_stream(first)
        await it.settle()
        assert [seen.reset for seen in it.replicas[0].seen.values()] == [frames.Code.CANCEL, None]
        assert it.replicas[0].seen[3].headers[":path"] == "/b", "its slot is free again"
        assert it.client.seen.get(second) is None

    class Never(EchoReplica):
        def on_request_whole(self, stream):
            pass

    between(test, replica=Never, container_concurrency=1)


class Http1Replica:
    """Reads one request at a time and answers each with the next of `ANSWERS`."""

    ANSWERS = (
        b"HTTP/1.1 200 OK\r\nX-Kind: whole\r\nContent-Length: 5\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nchu\r\n4\r\nnked\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nConnection: x-mine\r\nX-Mine: 1\r\n\r\n",
    )

    def __init__(self, wire):
        self.wire, self.got = wire, []

    def flush(self, cut=None):
        return False

    def take(self):
        data, self.wire.out = self.wire.out, b""
        if data:
            self.got.append(data)
            self.wire.give(self.ANSWERS[len(self.got) - 1])
        return bool(data)


def test_a_client_of_http2_reaches_a_replica_of_http1():
    async def test(it):
        whole = it.ask(
            "/1", b"abc", more=[("content-length", "3"), ("cookie", "a=1"), ("cookie", "b=2")]
        )
        await it.settle()
        chunked = it.ask("/2", b"abc", [("x-late", "1")])
        await it.settle()
        none = it.ask("/3", method="GET")
        await it.settle()
        seen = [it.client.seen[stream] for stream in (whole, chunked, none)]
        assert [one.body for one in seen] == [b"whole", b"chunked", b""]
        assert [one.headers[":status"] for one in seen] == ["200", "200", "204"]
        assert (seen[0].headers["x-kind"], seen[0].headers["content-length"]) == ("whole", "5")
        assert not {"connection", "x-mine", "transfer-encoding"} & {
            *seen[1].headers,
            *seen[2].headers,
        }
        [replica] = it.replicas
        first, second, third = replica.got
        assert first.startswith(b"POST /1 HTTP/1.1\r\nHost: hello\r\ncookie: a=1; b=2\r\n")
        assert first.endswith(b"Content-Length: 3\r\n\r\nabc")
        assert second.endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert b"\r\nX-Forwarded-Host: hello\r\n" in third
        assert b"content-length" not in third.lower()

    between(test, protocol="http1", replica=Http1Replica)


def test_a_client_of_http1_reaches_a_replica_of_http2():
    async def test(it):
        wire = it.connected()
        wire.give(
            b"POST /1 HTTP/1.1\r\nHost: hello\r\nTE: trailers\r\nConnection: TE, X-Hop\r\nX-Hop: 1\r\n"
            b"Content-Length: 3\r\n\r\nabc"
        )
        await it.settle()
        assert wire.out == (
            b"HTTP/1.1 200 OK\r\nx-path: /1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        wire.out = b""
        wire.give(b"HEAD /2 HTTP/1.1\r\nHost: hello\r\nX-Status: 404\r\n\r\n")
        await it.settle()
        assert wire.out == b"HTTP/1.1 404 Not Found\r\nx-path: /2\r\ncontent-length: 0\r\n\r\n"
        [replica] = it.replicas
        asked = replica.seen[1].headers
        assert (asked[":authority"], asked["te"], asked["x-forwarded-proto"]) == (
            "hello",
            "trailers",
            "http",
        )
        assert "x-hop" not in asked
        assert not wire.closed

    between(test)


def raw(it, *written):
    """A client that writes these bytes after the preface and its settings."""
    wire = it.connected()
    wire.give(frames.PREFACE + frames.settings_frame(()))
    for data in written:
        wire.give(data)
    return wire


def ended_with(wire):
    """The code of the GOAWAY that the gateway sent, if any."""
    at, code = 0, None
    while at < len(wire.out):
        high, low, kind, _, _ = frames.HEAD.unpack_from(wire.out, at)
        payload = wire.out[at + 9 : at + 9 + (high << 8 | low)]
        if kind == frames.GOAWAY:
            code = frames.Code(frames.goaway_of(payload)[1])
        at += 9 + len(payload)
    return code


SMALL_BLOCK = bytes((0x83, 0x86, 0x84, 0x41, 5)) + HOST.encode()  # POST / at the host


def headers(stream, flags=frames.END_HEADERS, block=SMALL_BLOCK):
    return frames.frame(frames.HEADERS, flags, stream, block)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(b"\xff" * 100, frames.Code.FRAME_SIZE_ERROR, id="garbage"),
        pytest.param(headers(2), frames.Code.PROTOCOL_ERROR, id="an even stream"),
        pytest.param(headers(0), frames.Code.PROTOCOL_ERROR, id="headers on stream 0"),
        pytest.param(
            frames.frame(frames.DATA, 0, 7, b"x"),
            frames.Code.PROTOCOL_ERROR,
            id="data from nowhere",
        ),
        pytest.param(
            headers(1, block=b"\xbf\xff\xff\xff\xff\x0f"),
            frames.Code.COMPRESSION_ERROR,
            id="a field that isn't in the table",
        ),
        pytest.param(
            headers(1, 0) + frames.frame(frames.PING, 0, 0, bytes(8)),
            frames.Code.PROTOCOL_ERROR,
            id="a block broken off",
        ),
        pytest.param(
            headers(1, 0) + frames.frame(frames.CONTINUATION, 0, 1, b"") * 40,
            frames.Code.ENHANCE_YOUR_CALM,
            id="continuations without an end",
        ),
        pytest.param(
            headers(1, 0) + frames.frame(frames.CONTINUATION, 0, 1, bytes(16_000)) * 10,
            frames.Code.ENHANCE_YOUR_CALM,
            id="a block without an end",
        ),
        pytest.param(
            headers(1, block=b"\x00\x05ab"),
            frames.Code.COMPRESSION_ERROR,
            id="a truncated literal",
        ),
        pytest.param(
            headers(1, block=SMALL_BLOCK + b"\x40\x01b\x7f\x81\x1e" + b"y" * 4000 + b"\xbe" * 8000),
            frames.Code.ENHANCE_YOUR_CALM,
            id="a bomb of header fields",
        ),
        pytest.param(
            b"".join(
                headers(n) + frames.reset_frame(n, frames.Code.CANCEL) for n in range(1, 10_001, 2)
            ),
            frames.Code.ENHANCE_YOUR_CALM,
            id="rapid reset",
        ),
        pytest.param(
            frames.frame(frames.PING, 0, 0, bytes(8)) * 20_000,
            frames.Code.ENHANCE_YOUR_CALM,
            id="pings",
        ),
        pytest.param(
            frames.settings_frame(()) * 20_000, frames.Code.ENHANCE_YOUR_CALM, id="settings"
        ),
        pytest.param(
            headers(1) + frames.frame(frames.DATA, 0, 1, b"") * 20_000,
            frames.Code.ENHANCE_YOUR_CALM,
            id="empty data",
        ),
        pytest.param(
            frames.settings_frame(((frames.INITIAL_WINDOW_SIZE, 2**31),)),
            frames.Code.FLOW_CONTROL_ERROR,
            id="a window too large",
        ),
        pytest.param(
            frames.window_frame(0, 2**31 - 1), frames.Code.FLOW_CONTROL_ERROR, id="window overflow"
        ),
        pytest.param(
            frames.frame(frames.PUSH_PROMISE, 0, 1, bytes(4)),
            frames.Code.PROTOCOL_ERROR,
            id="a promise from a client",
        ),
        pytest.param(
            frames.frame(frames.SETTINGS, 0, 0, b"12345"),
            frames.Code.FRAME_SIZE_ERROR,
            id="half a setting",
        ),
        pytest.param(
            frames.frame(frames.DATA, frames.PADDED, 1, b"\x09x"),
            frames.Code.PROTOCOL_ERROR,
            id="padding from nowhere",
        ),
    ],
)
def test_who_breaks_the_protocol_is_told_so_and_hung_up_on(sent, code):
    async def test(it):
        wire = raw(it, sent)
        assert (ended_with(wire), wire.closed) == (code, True)
        assert len(wire.out) < 2**20
        stream = it.ask("/", b"others")
        await it.settle()
        assert it.client.seen[stream].body == b"others", "others are served on"

    between(test)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\x83\x86\x41\x05hello", id="without a path"),
        pytest.param(SMALL_BLOCK + b"\x00\x0aconnection\x05close", id="a field of HTTP/1"),
        pytest.param(SMALL_BLOCK + b"\x00\x01A\x01b", id="a name in upper case"),
        pytest.param(SMALL_BLOCK + b"\x00\x01a\x03b\rc", id="a line end in a value"),
        pytest.param(SMALL_BLOCK + b"\x00\x01a\x03b\x01c", id="a control byte in a value"),
        pytest.param(SMALL_BLOCK + b"\x84", id="two paths"),
        pytest.param(b"\x00\x01a\x01b" + SMALL_BLOCK, id="pseudo-headers behind others"),
        pytest.param(SMALL_BLOCK + b"\x00\x02te\x04gzip", id="another te than trailers"),
        pytest.param(SMALL_BLOCK + b"\x00\x04host\x05other", id="another host"),
    ],
)
def test_a_malformed_request_ends_its_stream_only(block):
    async def test(it):
        wire = raw(it, headers(1, block=block), headers(3, frames.END_HEADERS | frames.END_STREAM))
        assert frames.reset_frame(1, frames.Code.PROTOCOL_ERROR) in wire.out
        assert ended_with(wire) is None
        await it.settle()
        assert [len(replica.seen) for replica in it.replicas] == [1]

    between(test)


def test_the_headers_of_a_request_may_take_64_kib_and_no_more():
    async def test(it):
        fits = it.ask("/", b"x", more=[(f"x-{n}", "y" * 4000) for n in range(14)])
        large = it.ask("/", b"x", more=[(f"x-{n}", "y" * 4000) for n in range(18)])
        await it.settle()
        assert it.client.seen[fits].body == b"x"
        assert it.client.seen[large].headers[":status"] == "431"

    between(test)


def test_more_streams_at_once_than_we_said_are_refused_one_by_one():
    async def test(it):
        wire = raw(it, *(headers(n) for n in range(1, 602, 2)))
        refused = frames.reset_frame(0, frames.Code.REFUSED_STREAM)[5:]
        assert frames.reset_frame(501, frames.Code.REFUSED_STREAM) in wire.out
        assert frames.reset_frame(499, frames.Code.REFUSED_STREAM) not in wire.out
        assert refused
        assert not wire.closed

    between(test)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 9), st.integers(0, 255), st.integers(0, 5))
def test_no_frame_makes_us_fail(payload, kind, flags, stream):
    async def test(it):
        wire = raw(it, headers(1), frames.frame(kind, flags, stream, payload))
        if not wire.closed:
            wire.give(frames.frame(kind, flags, stream, payload))
        wire.protocol.connection_lost(None)
        assert not it.hub.clients or it.client.wire.protocol

    between(test)


def test_an_answer_that_is_never_read_is_not_kept_for_ever():
    async def test(it):
        it.client.acknowledges = False
        stream = it.ask("/", b"s" * 200_000)
        await it.settle(20_000)
        connection = it.client.wire.protocol
        connection.check(it.hub.monotonic() + 10)
        await it.settle()
        assert it.client.seen[stream].reset is None
        connection.check(it.hub.monotonic() + 80)
        await it.settle()
        assert it.client.seen[stream].reset == frames.Code.CANCEL
        assert not connection.streams

    between(test)


def test_a_connection_on_which_nothing_happens_is_ended_politely():
    async def test(it):
        stream = it.ask("/", b"x")
        await it.settle()
        connection = it.client.wire.protocol
        connection.check(it.hub.monotonic() + 60)
        assert not it.client.wire.closed
        connection.check(it.hub.monotonic() + 80)
        await it.settle()
        assert (it.client.seen[stream].body, it.client.gone) == (b"x", frames.Code.NO_ERROR)
        assert it.client.wire.closed

    between(test)


def test_a_client_that_never_says_its_settings_is_let_go():
    async def test(it):
        wire = it.connected()
        wire.give(frames.PREFACE[:20])
        assert not wire.closed
        wire.protocol.check(it.hub.monotonic() + 31)
        assert wire.closed

    between(test)


def test_calls_that_are_refused_before_they_are_complete_are_nobodys_attack():
    async def test(it):
        wire = raw(it)
        nobody = SMALL_BLOCK.replace(HOST.encode(), b"other")
        for stream in range(1, 20_001, 2):
            wire.give(headers(stream, block=nobody))
            wire.give(frames.frame(frames.DATA, frames.END_STREAM, stream, b"late"))
            wire.give(frames.reset_frame(stream, frames.Code.CANCEL))
        assert ended_with(wire) is None
        assert not wire.closed

    between(test)
