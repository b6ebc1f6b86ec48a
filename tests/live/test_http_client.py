"""The client for our own senders, against a server that does as each test says."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from tidegate.kit.http_client import HttpClient, NoAnswer, Origin, split_url

pytestmark = pytest.mark.live

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def server(*answers: bytes, close_after: int = 0):
    """Gives each request the next answer (the last one for ever); `close_after`: hangs up unasked
    after so many on one connection."""
    seen: list[bytes] = []
    connections: list[object] = []

    async def serve(reader, writer):
        connections.append(writer)
        connections_open.add(writer)
        answered = 0
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((li for li in lines if li.startswith(b"content-length:")), b":0")
                body = await reader.readexactly(int(length.split(b":")[1]))
                answer = answers[min(len(seen), len(answers) - 1)]
                seen.append(head + body)
                writer.write(answer)
                answered += 1
                if b"\r\n\r\n" not in answer or close_after == answered or b"until-end" in answer:
                    break
        writer.close()
        connections_open.discard(writer)

    connections_open: set[asyncio.StreamWriter] = set()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = HttpClient(Origin("127.0.0.1", listener.sockets[0].getsockname()[1]))
    try:
        yield client, seen, connections
    finally:
        client.close()
        listener.close()
        while connections_open:  # their ends are on the way
            await asyncio.sleep(0)
        await asyncio.sleep(0)


def ask(client, **more):
    return client.send("POST", "/x", (("X-A", "b"),), b"hello", **{"timeout_s": 10.0, **more})


async def test_requests_one_after_the_other_share_a_connection():
    async with server(OK) as (client, seen, connections):
        answers = [await ask(client) for _ in range(3)]
    assert [(a.status, a.body) for a in answers] == [(200, b"ok")] * 3
    assert (len(seen), len(connections)) == (3, 1)
    assert b"X-A: b\r\n" in seen[0]
    assert seen[0].endswith(b"\r\n\r\nhello")


async def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing():
    async with server(OK, close_after=1) as (client, seen, connections):
        for _ in range(3):
            assert (await ask(client)).status == 200
    assert (len(seen), len(connections)) == (3, 3)


async def test_what_may_be_sent_only_once_is_not_sent_again_when_it_is_lost():
    async with server(OK, b"") as (client, seen, _):
        await ask(client)
        with pytest.raises(NoAnswer, match="without an answer"):
            await ask(client, once=True)
    assert len(seen) == 2


async def test_chunks_interim_answers_and_bodies_until_the_end_are_read_whole():
    chunked = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    until_end = b"HTTP/1.1 200 OK\r\nX: until-end\r\n\r\nok"
    async with server(chunked, until_end) as (client, _, _):
        assert (await ask(client)).body == b"ok"
        assert (await ask(client)).body == b"ok"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"hello\r\n\r\n", "no HTTP answer"),
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "in the middle of its answer"),
    ],
)
async def test_what_is_no_answer_says_so(answer, said):
    async with server(answer) as (client, _, _):
        with pytest.raises(NoAnswer, match=said):
            await ask(client)


async def test_a_silent_server_is_given_up_in_time_and_nobody_there_is_told_apart():
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") as (client, _, _):
        with pytest.raises(NoAnswer, match=r"within 0\.1 s") as late:
            await ask(client, timeout_s=0.1)
    with pytest.raises(NoAnswer, match="connection refused") as refused:
        await ask(HttpClient(Origin("127.0.0.1", 1)))
    assert (late.value.refused, refused.value.refused) == (False, True)


async def test_what_http_cannot_carry_is_not_sent():
    client = HttpClient(Origin("127.0.0.1", 1))
    with pytest.raises(ValueError, match="line end"):
        await client.send("GET", "/", (("A", "b\r\nC: d"),), b"", timeout_s=1.0)


def test_urls_are_split_into_server_and_target():
    assert split_url("https://h/a?b") == (Origin("h", 443, tls=True), "/a?b")
    assert split_url("http://h:81") == (Origin("h", 81), "/")
    with pytest.raises(ValueError, match="HOST"):
        split_url("h:81/a")
