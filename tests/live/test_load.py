"""The load generator against a real server that misbehaves on purpose."""

import asyncio

import pytest

from tidegate.cli.load_engine import Plan, run_load, target_of
from tidegate.cli.load_summary import Tally

pytestmark = pytest.mark.live

ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "/busy": b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno",
    "/chunked": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "/close": b"HTTP/1.1 200 OK\r\n\r\nok",
    "/junk": b"hello\r\n\r\n",
    "/hang": b"",
    "/die": None,
}


class Server(asyncio.Protocol):
    """Answers by path; remembers what it was sent and over how many connections."""

    seen: list[bytes]
    connections: int

    @classmethod
    async def start(cls):
        kind = type("Fresh", (cls,), {"seen": [], "connections": 0})
        server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0)
        return kind, server, server.sockets[0].getsockname()[1]

    def connection_made(self, transport):
        type(self).connections += 1
        self.transport = transport

    def data_received(self, data):  # on loopback a small request comes in one piece
        self.seen.append(data)
        answer = ANSWERS[data.split(b" ", 2)[1].decode()]
        if answer is None:
            self.transport.abort()
            return
        self.transport.write(answer)
        if b" 200 OK\r\n\r\n" in answer:
            self.transport.close()


async def load(path, *, method="GET", headers=(), body=b"", host=None, **plan):
    server, listener, port = await Server.start()
    tally = Tally()
    target = target_of(
        f"http://127.0.0.1:{port}{path}",
        method=method, host=host, headers=headers, body=body, content_type="text/plain",
    )  # fmt: skip
    asked = {"connections": 2, "requests": 10, "duration_s": None, "timeout_s": 5.0} | plan
    total_s = await run_load(target, Plan(**asked), tally)
    listener.close()
    return tally, server, total_s


@pytest.mark.parametrize(
    ("path", "statuses", "connections"),
    [
        ("/ok", {200: 10}, 2),
        ("/busy", {503: 10}, 2),
        ("/chunked", {200: 10}, 2),
        ("/close", {200: 10}, 10),
    ],
)
async def test_every_request_is_answered_and_connections_are_kept_where_they_can_be(
    path, statuses, connections
):
    tally, server, _ = await load(path)
    assert (dict(tally.statuses), tally.errors) == (statuses, {})
    assert (len(tally.latencies_s), tally.body_bytes) == (10, 20)
    assert server.connections == connections


@pytest.mark.parametrize(
    ("path", "said"),
    [("/die", "connection closed before the answer"), ("/junk", "not an HTTP answer")],
)
async def test_what_is_no_answer_is_an_error_and_the_run_goes_on(path, said):
    tally, _, _ = await load(path)
    ((text, count),) = tally.errors.items()
    assert text.startswith(said)
    assert (count, tally.latencies_s) == (10, [])


async def test_a_server_that_says_nothing_is_given_up_in_time():
    tally, _, total_s = await load("/hang", requests=2, timeout_s=0.2)
    assert tally.errors == {"no answer within 0.2 s": 2}
    assert total_s < 2


async def test_nobody_listens():
    tally = Tally()
    target = target_of(
        "http://127.0.0.1:1/", method="GET", host=None, headers=(), body=b"", content_type=""
    )
    await run_load(target, Plan(2, 4, None, 1.0), tally)
    assert tally.errors == {"connect 127.0.0.1:1: connection refused": 4}


async def test_a_run_by_the_clock_ends_in_time_and_a_rate_is_kept():
    tally, _, total_s = await load("/ok", requests=None, duration_s=0.5, per_s=20.0)
    assert 0.4 < total_s < 1.4
    assert 10 <= len(tally.latencies_s) <= 22  # 2 connections, half a second, 20 a second each


async def test_without_keep_alive_each_request_has_its_connection():
    _, server, _ = await load("/ok", requests=5, keep_alive=False)
    assert server.connections in (5, 6)  # the last may be opened as the count runs out


async def test_the_request_is_the_one_asked_for():
    _, server, _ = await load(
        "/ok",
        method="put",
        headers=["X-A: b", "content-type: x/y"],
        body=b"hi",
        host="me",
        requests=1,
    )
    assert server.seen == [
        b"PUT /ok HTTP/1.1\r\nHost: me\r\nX-A: b\r\ncontent-type: x/y\r\n"
        b"User-Agent: tidegate-load\r\nContent-Length: 2\r\n\r\nhi"
    ]
