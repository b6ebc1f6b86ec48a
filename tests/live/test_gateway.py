"""The gateway as it runs: a real process, real sockets, small replicas."""

import asyncio
import json
import os
import signal
import socket
import time
from collections import Counter

import pytest
from msgspec.structs import replace

from tidegate.gateway.sockets import connect_unix
from tidegate.link.gateway import Drained, Endpoint, FirstByte, Sample, Wake
from tidegate.testing.gateway import (
    Request,
    Wire,
    gateway,
    replica,
    request,
    revision,
    route,
    say_ok,
)

pytestmark = pytest.mark.live


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Held:
    """A replica's behaviour that waits until the test lets it answer."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, got: Request, wire: Wire) -> None:
        self.came.set()
        await self.go.wait()
        await say_ok(got, wire)


async def until(claim):
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0.01)


async def written_within(seconds: float, wire: Wire, piece: bytes, *, most: int) -> int:
    """How many bytes the other side lets us write, in pieces; the last may be in our own buffer still."""
    sent = 0
    try:
        async with asyncio.timeout(seconds):
            while sent < most:
                sent += len(piece)
                await wire.send(piece)
    except TimeoutError:
        pass
    return sent


# --- holding, sharing out, draining


async def test_a_request_waits_at_zero_wakes_the_revision_each_second_and_is_served(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision())
        asked = tasks.create_task(gate.ask("POST", "/predict", body=b"[1]"))
        first = await control.hear(Wake)
        second = await control.hear(Wake)
        assert (first.revision, first.waiting) == ("default/hello-00001", 1)
        assert second.at_s - first.at_s <= 1.2
        await control.change(revision(pod))
        answer = await asked
        assert (answer.status, answer.body) == (200, b"[1]")
        begun = await control.hear(FirstByte)
        assert begun.revision == "default/hello-00001"
        assert begun.at_s >= second.at_s


async def test_short_requests_do_not_stand_behind_a_long_one(tmp_path):
    async def behave(got: Request, wire: Wire) -> None:
        if "long" in got.line:
            await asyncio.sleep(4)
        await say_ok(got, wire)

    async with (
        gateway(tmp_path) as gate,
        replica("a", behave) as a,
        replica("b", behave) as b,
        replica("c", behave) as c,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(revision(a, b, c, container_concurrency=1))
        long = tasks.create_task(gate.ask(path="/long"))
        await until(lambda: a.running + b.running + c.running == 1)

        async def timed() -> float:
            begun = time.monotonic()
            assert (await gate.ask(path="/short")).status == 200
            return time.monotonic() - begun

        taken = await asyncio.gather(*(timed() for _ in range(200)))
        assert max(taken) < 2, "a short request stood behind the long one"
        assert max(pod.most_running for pod in (a, b, c)) == 1
        assert (await long).status == 200


async def test_a_draining_replica_gets_nothing_new_and_drained_is_said_after_its_last_request(
    tmp_path,
):
    held = Held()
    async with (
        gateway(tmp_path) as gate,
        replica("old", held) as old,
        replica("new") as new,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(revision(old))
        running = tasks.create_task(gate.ask())
        await held.came.wait()
        draining = Endpoint(id="old", host="127.0.0.1", port=old.port, draining=True)
        await control.change(revision(draining, new))
        for _ in range(5):
            assert (await gate.ask()).status == 200
        assert len(old.got) == 1
        assert not [m for m in control.heard if isinstance(m, Drained)]
        held.go.set()
        assert (await running).status == 200
        assert (await control.hear(Drained)).endpoint == "old"
        await until(lambda: old.open == 0)


async def test_removing_a_revision_refuses_who_waits_and_lets_who_runs_finish(tmp_path):
    held = Held()
    async with gateway(tmp_path) as gate, replica("a", held) as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1))
        running = tasks.create_task(gate.ask())
        await held.came.wait()
        waiting = tasks.create_task(gate.ask())
        await control.hear(Sample, lambda sample: sample.waiting == 1)
        await control.remove("default/hello-00001")
        assert (await waiting).reason == "revision-gone"
        held.go.set()
        assert (await running).status == 200
        assert (await control.hear(Drained)).endpoint == "a"


async def test_a_split_sends_each_revision_its_share(tmp_path):
    async with gateway(tmp_path) as gate, replica("a") as a, replica("b") as b:
        control = await gate.control()
        await control.tell(
            revision(a, key="default/one"),
            revision(b, key="default/two"),
            routes=[route(("default/one", 80), ("default/two", 20))],
        )
        wire = await gate.client()
        for _ in range(100):
            assert (await wire.ask()).status == 200
        assert (len(a.got), len(b.got)) == (80, 20)


# --- what goes wrong at replicas


async def test_a_refused_connection_is_tried_on_another_replica_even_for_a_post(tmp_path):
    async with gateway(tmp_path) as gate, replica("alive") as alive:
        control = await gate.control()
        dead = [Endpoint(id=f"dead-{i}", host="127.0.0.1", port=free_port()) for i in range(3)]
        await control.tell(revision(*dead, alive))
        for _ in range(20):
            assert (await gate.ask("POST", body=b"once")).status == 200
        assert len(alive.got) == 20


async def test_with_only_a_refusing_replica_a_request_waits_and_is_served_when_one_comes(tmp_path):
    async with gateway(tmp_path) as gate, replica("alive") as alive, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        dead = Endpoint(id="dead", host="127.0.0.1", port=free_port())
        await control.tell(revision(dead))
        asked = tasks.create_task(gate.ask("POST", body=b"x"))
        await control.hear(Wake)
        await control.change(revision(dead, alive))
        assert (await asked).status == 200


async def test_a_replica_that_comes_back_on_its_address_is_used_again(tmp_path):
    async with gateway(tmp_path) as gate, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        async with replica() as pod:
            await control.tell(revision(pod))
            assert (await gate.ask()).status == 200
            port = pod.port
        asked = tasks.create_task(gate.ask())
        await control.hear(Wake)
        server = await asyncio.start_server(pod.serve, "127.0.0.1", port)
        assert (await asked).status == 200
        server.close()


async def test_a_replica_dying_before_its_answer_is_replaced_only_where_repeating_is_safe(tmp_path):
    async def die(got: Request, wire: Wire) -> None:
        wire.writer.transport.abort()
        raise ConnectionResetError

    async with gateway(tmp_path) as gate, replica("bad", die) as bad, replica("good") as good:
        control = await gate.control()
        await control.tell(revision(bad, good))
        answers = [await gate.ask("GET") for _ in range(6)]
        assert [answer.status for answer in answers] == [200] * 6
        assert bad.got, "the bad one was never asked"

        await control.tell(revision(bad))
        refused = await gate.ask("POST", body=b"charge my card")
        assert (refused.status, refused.reason) == (502, "replica-closed")
        assert refused.header("tidegate-error") == "gateway; replica-closed"
        assert [got.body for got in bad.got].count(b"charge my card") == 1

        await control.tell(revision(bad, good, idempotent=True))
        for _ in range(6):
            assert (await gate.ask("POST", body=b"repeat me")).status == 200


async def test_a_replica_dying_in_the_middle_of_its_answer_is_seen_as_a_broken_answer(tmp_path):
    async def half(got: Request, wire: Wire) -> None:
        if "chunked" in got.line:
            await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        else:
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await asyncio.sleep(0.05)
        raise ConnectionResetError

    async with gateway(tmp_path) as gate, replica("a", half) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.hear(Sample)  # from here on each second is observed
        for path in ("/length", "/chunked"):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await gate.ask("GET", path)
        assert len(pod.got) == 2, "an answer that had begun was asked for again"
        sample = await control.hear(Sample, lambda sample: sample.errors > 0)
        assert sample.running == 0


async def test_an_error_that_breaks_off_as_well_is_one_error(tmp_path):
    async def half(got: Request, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\nabc")
        await asyncio.sleep(0.05)
        raise ConnectionResetError

    async with gateway(tmp_path) as gate, replica("a", half) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.hear(Sample)  # from here on each second is observed
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await gate.ask()
        await control.hear(Sample, lambda sample: sample.errors > 0)
        await control.hear(Sample)
        samples = [heard for heard in control.heard if isinstance(heard, Sample)]
        assert sum(sample.errors for sample in samples) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_that_the_replica_closed_costs_no_request(tmp_path, method):
    async def once(got: Request, wire: Wire) -> None:
        await say_ok(got, wire)
        raise ConnectionResetError  # closes without having said so

    async with gateway(tmp_path) as gate, replica("a", once) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        for i in range(30):
            await asyncio.sleep(0.002)
            assert (await wire.ask(method, body=b"%d" % i)).status == 200
        assert len(pod.got) == 30


async def test_nonsense_from_a_replica_is_a_502_that_says_so(tmp_path):
    async def nonsense(got: Request, wire: Wire) -> None:
        await wire.send(b"HELO there\r\n\r\n")

    async with gateway(tmp_path) as gate, replica("a", nonsense) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (502, "bad-answer")


# --- clients: bad, slow, leaving, pipelining


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"NONSENSE\r\n\r\n", 400, id="no request line"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two hosts"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            id="length and chunks",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            400,
            id="two lengths",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", 400, id="folded"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nx: a\x00b\r\n\r\n", 400, id="control byte"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, id="space before colon"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\n\r\n\r\n", 400, id="bare line feeds"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="version"),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501, id="connect"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 431, id="huge header"
        ),
        pytest.param(b"GET /" + b"y" * 200_000, 431, id="endless request line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n", 404, id="unknown host"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: hello.default.localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            400,
            id="bad chunk",
        ),
    ],
)
async def test_a_request_that_could_be_read_in_two_ways_is_refused(tmp_path, sent, status):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(sent)
        answer = await wire.answer()
        assert answer.status == status
        assert json.loads(answer.body)["error"]["part"] == "gateway"
        assert pod.got == []
        assert (await gate.ask()).status == 200, "others are served on"


async def test_a_slow_head_is_ended_by_the_head_timeout(tmp_path):
    async with gateway(tmp_path, head_timeout_s=0.3) as gate:
        wire = await gate.client()
        answer = asyncio.ensure_future(wire.answer())
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 500:
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.01)
            if answer.done():
                break
        assert (await answer).status == 408


async def test_a_client_that_leaves_while_waiting_frees_its_place(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(queue_requests=1))
        leaver = await gate.client()
        await leaver.send(request())
        await control.hear(Sample, lambda sample: sample.waiting == 1)
        full = await gate.ask()
        assert (full.status, full.reason) == (503, "queue-full")
        assert b"pending request queue full: " in full.body
        assert int(full.header("retry-after") or 0) >= 1
        leaver.close()
        await control.hear(Sample, lambda sample: sample.waiting == 0)
        await control.change(revision(pod))
        assert (await gate.ask()).status == 200
        assert len(pod.got) == 1, "nobody waited for the leaver's answer any more"


async def test_a_client_that_leaves_while_served_frees_the_slot_and_the_replica_notices(tmp_path):
    held = Held()
    async with gateway(tmp_path) as gate, replica("a", held) as pod:
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1))
        leaver = await gate.client()
        await leaver.send(request())
        await held.came.wait()
        leaver.close()
        await control.hear(Sample, lambda sample: sample.running == 0)
        held.go.set()
        assert (await gate.ask()).status == 200
        await until(lambda: pod.open == 1)


async def test_pipelined_requests_are_answered_in_order(tmp_path):
    async def behave(got: Request, wire: Wire) -> None:
        body = got.line.encode() + got.body
        await asyncio.sleep(0.02 if "/0" in got.line else 0)
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with gateway(tmp_path) as gate, replica("a", behave) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(
            request(path="/0")
            + request("POST", "/1", body=b"one")
            + b"\r\n"
            + request(path="/2", host="nobody")
            + request("POST", "/3", extra="Transfer-Encoding: chunked\r\n").replace(
                b"Content-Length: 0\r\n", b""
            )
            + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n"
            + request("HEAD", "/4")
            + request(path="/5")
        )
        bodies = [await wire.answer(bodiless=i == 4) for i in range(6)]
        assert [answer.status for answer in bodies] == [200, 200, 404, 200, 200, 200]
        assert bodies[1].body == b"POST /1 HTTP/1.1one"
        assert bodies[3].body == b"POST /3 HTTP/1.1abc"
        assert bodies[5].body == b"GET /5 HTTP/1.1"


async def test_a_client_that_pipelines_without_end_is_not_read_without_end(tmp_path):
    held = Held()
    async with gateway(tmp_path) as gate, replica("a", held) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        one = request()
        assert await written_within(1.0, wire, one * 500, most=64 * 2**20) < 64 * 2**20
        assert len(pod.got) == 1
        wire.close()


# --- the wire in detail


async def test_the_request_is_written_anew(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod, headers=(("Knative-Serving-Revision", "hello-00001"),)))
        wire = await gate.client()
        await wire.send(
            request(
                path="/v1?x={y}|z",
                host="HELLO.default.localhost:8080",
                extra="Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                "Knative-Serving-Revision: forged\r\nK-Proxy-Request: activator\r\n"
                "Proxy-Connection: close\r\nX-Kept: Ja \r\nX-Forwarded-For: 10.0.0.9\r\n"
                "X-Forwarded-Proto: https\r\n",
            )
        )
        assert (await wire.answer()).status == 200
        [got] = pod.got
        assert got.line == "GET /v1?x={y}|z HTTP/1.1"
        assert got.header("host") == "HELLO.default.localhost:8080"
        assert got.header("x-forwarded-for") == "10.0.0.9, 127.0.0.1"
        assert got.header("x-forwarded-proto") == "https"
        assert got.header("x-forwarded-host") == "HELLO.default.localhost:8080"
        assert got.header("x-kept") == "Ja"
        assert got.header("knative-serving-revision") == "hello-00001"
        for dropped in (
            "connection",
            "x-hop",
            "keep-alive",
            "te",
            "k-proxy-request",
            "proxy-connection",
        ):
            assert got.header(dropped) is None, dropped


async def test_on_our_own_address_the_path_chooses_the_service(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(request(path="/default/hello/v1/models?a=b", host=f"127.0.0.1:{gate.port}"))
        assert (await wire.answer()).status == 200
        assert pod.got[0].line == "GET /v1/models?a=b HTTP/1.1"


async def test_chunks_stream_both_ways_as_they_come(tmp_path):
    async def upper(got: Request, wire: Wire) -> None:
        raise AssertionError("not reached: bodies are read below")

    async with gateway(tmp_path) as gate:
        pieces: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            wire = Wire(reader, writer)
            await wire.head()
            await wire.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            while size := int(await reader.readuntil(b"\r\n"), 16):
                piece = await reader.readexactly(size)
                await reader.readexactly(2)
                await wire.send(b"%x\r\n%b\r\n" % (size, piece.upper()))
                pieces.put_nowait(piece)
            await wire.send(b"0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        control = await gate.control()
        await control.tell(revision(Endpoint(id="a", host="127.0.0.1", port=port)))
        wire = await gate.client()
        await wire.send(request("PUT", extra="Transfer-Encoding: chunked\r\n"))
        await wire.send(b"3\r\nabc\r\n")
        _, headers = await wire.head()
        assert ("transfer-encoding", "chunked") in headers
        for piece in (b"abc", b"def"):
            if piece != b"abc":
                await wire.send(b"3\r\n%b\r\n" % piece)
            assert await pieces.get() == piece
            assert await wire.reader.readexactly(8) == b"3\r\n%b\r\n" % piece.upper()
        await wire.send(b"0\r\n\r\n")
        assert await wire.reader.readexactly(5) == b"0\r\n\r\n"
        server.close()


async def test_a_client_that_does_not_read_stops_the_replica_from_sending(tmp_path):
    sent = 0

    async def flood(got: Request, wire: Wire) -> None:
        nonlocal sent
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (256 * 2**20))
        for _ in range(256):
            await wire.send(bytes(2**20))
            sent += 1

    async with gateway(tmp_path) as gate, replica("a", flood) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(request())
        await until(lambda: sent > 0)
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 64, "the answer piled up in the gateway"
        _, headers = await wire.head()
        assert len(await wire.body(headers)) == 256 * 2**20, "and all of it comes once it is read"


async def test_a_replica_that_does_not_read_stops_the_client_from_sending(tmp_path):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await started.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        wire = Wire(reader, writer)
        got = len(await wire.body((await wire.head())[1]))
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n%9d" % got)
        writer.close()

    started = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**16)
    port = server.sockets[0].getsockname()[1]
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision(Endpoint(id="a", host="127.0.0.1", port=port)))
        wire = await gate.client()
        size = 64 * 2**20
        await wire.send(
            request("POST", extra=f"Content-Length: {size}\r\n").replace(
                b"Content-Length: 0\r\n", b""
            )
        )
        sent = await written_within(1.0, wire, bytes(2**18), most=size)
        assert sent < 32 * 2**20, "the body piled up in the gateway"
        started.set()
        await wire.send(bytes(size - sent))
        assert int((await wire.answer()).body) == size
    server.close()


async def test_expect_continue_is_answered_once_there_is_a_place_and_not_for_a_refusal(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        expect = "Expect: 100-continue\r\nContent-Length: 4\r\n"
        await wire.send(request("PUT", extra=expect))
        assert (await wire.answer()).status == 100
        await wire.send(b"body")
        assert (await wire.answer()).body == b"body"
        assert pod.got[0].header("expect") is None
        await wire.send(request("PUT", host="nobody", extra=expect))
        refused = await wire.answer()
        assert (refused.status, refused.header("connection")) == (404, "close")


@pytest.mark.parametrize(
    ("method", "answer", "expected"),
    [
        pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "5", id="HEAD"),
        pytest.param("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None, id="204"),
        pytest.param(
            "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "5", id="304"
        ),
    ],
)
async def test_answers_without_a_body_end_with_their_head(tmp_path, method, answer, expected):
    async def behave(got: Request, wire: Wire) -> None:
        await wire.send(answer)

    async with gateway(tmp_path) as gate, replica("a", behave) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        for _ in range(3):
            await wire.send(request(method))
            got = await wire.answer(bodiless=True)
            assert (got.header("content-length"), got.body) == (expected, b"")
        assert pod.connections == 1


async def test_an_old_client_gets_an_answer_of_unknown_length_until_the_end(tmp_path):
    async def behave(got: Request, wire: Wire) -> None:
        await wire.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        )

    async with gateway(tmp_path) as gate, replica("a", behave) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(b"GET / HTTP/1.0\r\nHost: hello.default.localhost\r\n\r\n")
        raw = await wire.ended()
        assert raw.endswith(b"\r\n\r\nab")
        assert b"chunked" not in raw


async def test_an_answer_that_ends_with_its_connection_is_chunked_for_a_new_client(tmp_path):
    async def behave(got: Request, wire: Wire) -> None:
        await wire.send(b"HTTP/1.0 200 OK\r\n\r\nabc")
        raise ConnectionResetError

    async with gateway(tmp_path) as gate, replica("a", behave) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        for _ in range(2):
            assert (await wire.ask()).body == b"abc"


# --- time limits


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        pytest.param({"timeout_s": 0.3}, "timeout", id="whole exchange"),
        pytest.param({"response_start_timeout_s": 0.3}, "response-start-timeout", id="first byte"),
        pytest.param({"idle_timeout_s": 0.3}, "idle-timeout", id="idle"),
    ],
)
async def test_a_late_answer_is_a_504_that_says_which_limit_it_broke(tmp_path, limits, reason):
    held = Held()
    async with gateway(tmp_path) as gate, replica("a", held) as pod:
        control = await gate.control()
        await control.tell(revision(pod, **limits))
        await control.hear(Sample)  # from here on each second is observed
        begun = time.monotonic()
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (504, reason)
        words = json.loads(answer.body)["error"]["message"]
        assert words.startswith("request timeout: "), "what Knative's queue-proxy says"
        assert 0.29 <= time.monotonic() - begun < 2
        await control.hear(Sample, lambda sample: sample.errors == 1 and sample.running == 0)


async def test_a_line_that_is_late_all_at_once_gets_no_replica_and_blames_none(tmp_path):
    held, reached = Held(), []

    async def count(got: Request, wire: Wire) -> None:
        reached.append(got)
        await held(got, wire)

    async with gateway(tmp_path) as gate, replica("a", count) as pod:
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1, timeout_s=5))
        asked = [asyncio.create_task(gate.ask()) for _ in range(20)]
        await control.hear(Sample, lambda sample: (sample.running, sample.waiting) == (1, 19))
        since = time.monotonic()
        os.kill(gate.process.pid, signal.SIGSTOP)  # so that it finds all of them late in one look
        await until(lambda: time.monotonic() > since + 5)
        os.kill(gate.process.pid, signal.SIGCONT)
        answers = await asyncio.gather(*asked)
        assert Counter(answer.status for answer in answers) == {504: 20}
        assert len(reached) == 1
        blamed = [b"while a replica worked on it" in answer.body for answer in answers]
        assert Counter(blamed) == {True: 1, False: 19}


async def test_who_waited_in_vain_is_told_why_there_is_no_replica(tmp_path):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision(timeout_s=0.3, trouble="ExitCode3: no such model"))
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (504, "timeout")
        words = json.loads(answer.body)["error"]["message"]
        assert words.startswith("activator request timeout: "), "what Knative's activator says"
        assert "can't start: ExitCode3: no such model" in words


async def test_who_need_not_wait_is_refused_at_once_with_the_reason(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(wait_s=0.0, trouble="no pod has these labels"))
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (503, "no-replica")
        assert b"is ready: no pod has these labels" in answer.body

        await control.tell(revision(pod, wait_s=0.0))
        assert (await gate.ask()).status == 200


async def test_who_waits_a_while_is_served_when_a_replica_comes_and_refused_when_none_does(
    tmp_path,
):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(wait_s=30.0))
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(gate.ask())
            await control.hear(Wake)
            await control.tell(revision(pod, wait_s=30.0))
        assert waiting.result().status == 200

        await control.tell(revision(wait_s=0.3))
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (503, "no-replica")
        assert b"within 0.3 s" in answer.body


async def test_who_waits_for_replicas_that_take_no_connection_waits_no_longer_than_for_none(
    tmp_path,
):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        dead = Endpoint(id="dead", host="127.0.0.1", port=free_port())
        await control.tell(revision(dead, wait_s=0.3))
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(gate.ask()) for _ in range(3)]
        for answer in (one.result() for one in asked):
            assert (answer.status, answer.reason) == (503, "no-replica")
            assert b"within 0.3 s: none of its replicas takes a connection" in answer.body


async def test_who_comes_later_does_not_put_off_those_who_have_waited_long_enough(tmp_path):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision(wait_s=1.0))
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(gate.ask())
            others = 0
            while not first.done():  # one after the other, until the first is answered
                tasks.create_task(gate.ask())
                others += 1
                await asyncio.wait([first], timeout=0.2)
                assert others < 150, "the first is put off for ever"
        assert first.result().reason == "no-replica"


async def test_a_host_that_nothing_serves_yet_is_refused_at_once_with_the_reason(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.change_route(replace(route(), splits=(), trouble="image x can't run."))
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (503, "not-ready")
        assert answer.header("retry-after") == "1"
        assert b"nothing that is ready serves hello.default.localhost yet: image x" in answer.body

        await control.change_route(route())
        assert (await gate.ask()).status == 200


async def test_waiting_at_zero_counts_towards_the_timeout(tmp_path):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision(timeout_s=0.3))
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (504, "timeout")


async def test_a_stream_that_keeps_writing_is_not_idle_and_one_past_its_time_is_cut(tmp_path):
    async def drip(got: Request, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8 if "short" in got.line else 1000):
            await asyncio.sleep(0.1)
            await wire.send(b"1\r\nx\r\n")
        await wire.send(b"0\r\n\r\n")

    async with gateway(tmp_path) as gate, replica("a", drip) as pod:
        control = await gate.control()
        await control.tell(
            revision(pod, timeout_s=1.5, idle_timeout_s=0.5, response_start_timeout_s=0.5)
        )
        assert len((await gate.ask(path="/short")).body) == 8
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await gate.ask(path="/endless")


# --- measuring


async def test_samples_integrate_concurrency_and_go_on_at_zero_while_there_are_replicas(tmp_path):
    held = Held()
    async with gateway(tmp_path) as gate, replica("a", held) as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1))
        await control.hear(Sample)
        begun = time.monotonic()
        asked = [tasks.create_task(gate.ask()) for _ in range(3)]
        full = await control.hear(Sample, lambda sample: sample.concurrency > 2.99)
        assert (full.waiting, full.running) == (2, 1)
        held.go.set()
        for one in asked:
            assert (await one).status == 200
        spent = time.monotonic() - begun
        zero = await control.hear(
            Sample, lambda sample: sample.concurrency == 0 and sample.at_s > begun + spent
        )
        assert zero.running == 0
        samples = [m for m in control.heard if isinstance(m, Sample)]
        assert sum(sample.requests for sample in samples) == 3
        assert sum(sample.concurrency for sample in samples) == pytest.approx(3 * spent, abs=0.3)
        ends = [sample.at_s for sample in samples]
        assert ends == [ends[0] + i for i in range(len(ends))]


async def test_a_new_control_plane_gets_the_seconds_it_missed(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        first = await gate.control()
        await first.tell(revision(pod))
        seen = await first.hear(Sample)
        first.close()
        assert (await gate.ask()).status == 200, "the table stays in force without a control plane"
        await asyncio.sleep(2.2)
        second = await gate.control()
        await second.tell(revision(pod), since_s=seen.at_s)
        missed = await second.hear(Sample, lambda sample: not sample.replay)
        replayed = [m for m in second.heard if isinstance(m, Sample) and m.replay]
        assert [sample.at_s for sample in replayed] == [
            seen.at_s + 1 + i for i in range(int(missed.at_s - seen.at_s) - 1)
        ]
        assert sum(sample.requests for sample in replayed) == 1


async def test_a_revision_without_replicas_and_requests_falls_silent_after_its_window(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod, keep_samples_s=2), revision(key="default/other"))
        await gate.ask()
        await control.change(revision(keep_samples_s=2))
        until_s = time.monotonic() + 5
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await control.hear(Wake)
        samples = [m for m in control.heard if isinstance(m, Sample)]
        assert {sample.revision for sample in samples} == {"default/hello-00001"}
        assert until_s - samples[-1].at_s > 1, "it went on after its window"


# --- processes that die


async def test_a_killed_gateway_serves_again_from_its_table_on_disk(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision())
        await control.change(revision(pod))
        await gate.kill()
        await gate.start()
        assert (await gate.ask()).status == 200
        again = await gate.control()
        assert again.heard[0].seq == 2


async def test_without_any_table_requests_wait_for_a_first_control_plane(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(gate.ask())
        control = await gate.control()
        await asyncio.sleep(0.1)
        assert not asked.done()
        await control.tell(revision(pod))
        assert (await asked).status == 200


async def test_without_any_table_for_too_long_the_answer_is_503(tmp_path):
    async with gateway(tmp_path, first_table_s=0.2) as gate:
        answer = await gate.ask()
        assert (answer.status, answer.reason) == (503, "no-table")


async def test_a_terminated_gateway_finishes_what_it_has_while_the_next_one_serves(tmp_path):
    held = Held()
    async with gateway(tmp_path) as gate, replica("a", held) as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision(pod))
        idle = await gate.client()
        running = tasks.create_task(gate.ask())
        await held.came.wait()
        old = gate.process
        gate.terminate()
        await control.ended()
        await gate.start()
        assert await idle.ended() == b""
        held.go.set()
        answer = await running
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert old is not None
        assert await old.wait() == 0
        assert (await gate.ask()).status == 200
        assert gate.home.gateway_socket.exists()
        assert gate.home.sockets_socket.exists()
        again = await gate.control()
        await again.tell(revision(pod))


async def test_who_waits_at_a_terminated_gateway_is_served_by_the_next_one(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision(headers=(("X-Extra", "once"),)))
        asked = [
            tasks.create_task(gate.ask("POST", "/default/hello/x", body=b"%d" % i))
            for i in range(5)
        ]
        await control.hear(Sample, lambda sample: sample.waiting == 5)
        gate.terminate()
        await gate.start()
        again = await gate.control()
        await again.tell(revision(headers=(("X-Extra", "once"),)))
        await again.hear(Sample, lambda sample: sample.waiting == 5)
        await again.change(revision(pod, headers=(("X-Extra", "once"),)))
        assert [(await one).status for one in asked] == [200] * 5
        assert sorted(got.body for got in pod.got) == [b"0", b"1", b"2", b"3", b"4"]
        assert {got.header("x-extra") for got in pod.got} == {"once"}
        assert {got.line for got in pod.got} == {"POST /default/hello/x HTTP/1.1"}


async def test_drained_is_not_said_while_an_ending_gateway_still_has_a_request_there(tmp_path):
    held = Held()
    async with gateway(tmp_path) as gate, replica("a", held) as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision(pod))
        running = tasks.create_task(gate.ask())
        await held.came.wait()
        gate.terminate()
        await gate.start()
        again = await gate.control()
        await again.tell(revision(Endpoint(id="a", host="127.0.0.1", port=pod.port, draining=True)))
        await again.hear(Sample)
        assert not [m for m in again.heard if isinstance(m, Drained)]
        held.go.set()
        assert (await running).status == 200
        assert (await again.hear(Drained)).endpoint == "a"


async def test_who_waits_when_nobody_takes_over_is_told_so(tmp_path):
    async with gateway(tmp_path) as gate, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision())
        asked = tasks.create_task(gate.ask())
        await control.hear(Sample, lambda sample: sample.waiting == 1)
        gate.release_socket()
        gate.terminate()
        answer = await asked
        assert (answer.status, answer.reason) == (503, "shutting-down")


async def test_the_listening_sockets_are_handed_to_whoever_asks(tmp_path):
    async with gateway(tmp_path / ("long" * 20)) as gate:
        with connect_unix(gate.home.sockets_socket) as sock:
            line, fds, _, _ = socket.recv_fds(sock, 1000, 8)
        assert json.loads(line) == {"fds": ["gateway", "gateway-tls"]}
        for fd, port in zip(fds, (gate.port, gate.https_port), strict=True):
            with socket.socket(fileno=fd) as given:
                assert given.getsockname()[1] == port


async def test_hosts_paths_and_load_in_a_mixed_rush_lose_nothing(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        replica("a") as a,
        replica("b") as b,
        replica("c") as c,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(revision(a, b, container_concurrency=2))

        async def client(n: int) -> Counter[int]:
            wire = await gate.client()
            return Counter([(await wire.ask("POST", body=b"%d" % i)).status for i in range(40)])

        running = [tasks.create_task(client(n)) for n in range(16)]
        for change in (
            revision(a, b, c, container_concurrency=2),
            revision(c, container_concurrency=2),
        ):
            await asyncio.sleep(0.05)
            await control.change(change)
        total: Counter[int] = sum([await one for one in running], Counter())
        assert total == {200: 640}
        assert len(a.got) + len(b.got) + len(c.got) == 640
        assert max(a.most_running, b.most_running, c.most_running) <= 2
