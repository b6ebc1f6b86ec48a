"""Batch requests take what others leave, and give it back."""

import asyncio
import time

import pytest

from tidegate.link.gateway import Sample, Wake
from tidegate.testing.gateway import Request, Wire, gateway, replica, revision, route, say_ok

pytestmark = pytest.mark.live

BATCH = "Tidegate-Priority: batch\r\n"
PLENTY_S = 20.0


async def until(claim):
    async with asyncio.timeout(PLENTY_S):
        while not claim():
            await asyncio.sleep(0.01)


async def slow_when_told(got: Request, wire: Wire) -> None:
    """Takes for ever for /slow, and notices when nobody wants the answer."""
    if got.line.split(" ")[1] != "/slow":
        await say_ok(got, wire)
    elif await wire.reader.read(1):
        raise AssertionError("more came on a connection whose request isn't answered")


async def test_a_batch_request_gives_its_only_place_to_an_ordinary_one(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        replica(behave=slow_when_told) as pod,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1))
        batch = tasks.create_task(gate.ask("POST", "/slow", body=b"1", extra=BATCH))
        await until(lambda: pod.running == 1)
        waits = tasks.create_task(gate.ask("POST", "/quick", body=b"2", extra=BATCH))
        began = time.monotonic()
        online = await gate.ask("POST", "/quick", body=b"3")
        took = time.monotonic() - began
        assert (online.status, online.body) == (200, b"3")
        gave_way = await batch
        assert (gave_way.status, gave_way.reason) == (503, "yielded")
        assert (gave_way.header("retry-after"), (await waits).body) == ("0", b"2")
        assert took < PLENTY_S
        assert pod.most_running <= 2  # the one that was broken off may still be noticing
        assert all(got.header("tidegate-priority") is None for got in pod.got)
        sample = await control.hear(Sample, lambda s: s.batch_yielded > 0)
        assert (sample.batch_yielded, sample.errors) == (1, 0)


async def test_an_answer_that_had_begun_is_broken_off_too(tmp_path):
    async def streams(got: Request, wire: Wire) -> None:
        if got.body == b"stream":
            await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
            await wire.reader.read(1)
        else:
            await say_ok(got, wire)

    async with gateway(tmp_path) as gate, replica(behave=streams) as pod:
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1))
        wire = await gate.client()
        await wire.send(
            b"POST / HTTP/1.1\r\nHost: hello.default.localhost\r\nContent-Length: 6\r\n"
            b"Tidegate-Priority: batch\r\n\r\nstream"
        )
        await wire.head()
        assert (await gate.ask("POST", "/", body=b"now")).body == b"now"
        assert b"0\r\n\r\n" not in await wire.ended()


async def test_without_a_limit_batch_fills_its_share_and_ordinary_requests_never_wait(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        replica(behave=slow_when_told) as pod,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(revision(pod, batch_concurrency=2))
        batch = [tasks.create_task(gate.ask("POST", "/slow", extra=BATCH)) for _ in range(3)]
        sample = await control.hear(Sample, lambda s: (s.batch_running, s.batch_waiting) == (2, 1))
        assert 0 < sample.concurrency < 0.1
        assert (sample.requests, sample.waiting) == (0, 0)
        held = tasks.create_task(gate.ask("POST", "/slow"))
        answer = await gate.ask("POST", "/quick", body=b"x")
        assert answer.body == b"x"
        done, _ = await asyncio.wait(batch, timeout=PLENTY_S, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result().reason for task in done] == ["yielded"]  # above the share by one
        pod.behave = say_ok
        pod.die()
        for task in (*batch, held):
            await task


async def test_the_time_of_a_batch_request_begins_when_it_gets_its_place(tmp_path):
    may_answer = asyncio.Event()

    async def when_it_may(got: Request, wire: Wire) -> None:
        await may_answer.wait()
        may_answer.clear()
        await say_ok(got, wire)

    async with (
        gateway(tmp_path) as gate,
        replica(behave=when_it_may) as pod,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1, timeout_s=5))
        began = time.monotonic()
        first = tasks.create_task(gate.ask("POST", "/", body=b"1", extra=BATCH))
        await until(lambda: pod.running == 1)
        second = tasks.create_task(gate.ask("POST", "/", body=b"2", extra=BATCH))
        await until(lambda: time.monotonic() > began + 3)
        may_answer.set()
        assert (await first).body == b"1"
        await until(lambda: time.monotonic() > began + 5.5)  # by its arrival it were late
        may_answer.set()
        assert (await second).body == b"2"


async def test_at_zero_a_batch_request_wakes_the_revision(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision())
        asked = tasks.create_task(gate.ask("POST", "/", body=b"1", extra=BATCH))
        assert (await control.hear(Wake)).waiting == 1
        await control.change(revision(pod))
        assert (await asked).body == b"1"
        sample = await control.hear(Sample, lambda s: s.batch == 1 or s.concurrency > 0)
        assert (sample.requests, sample.cold_starts) == (0, 0)


async def test_batch_that_counts_as_demand_does_so(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.hear(Sample)  # from the first whole second on requests are counted
        extra = "Tidegate-Priority: batch-demand\r\n"
        assert (await gate.ask("POST", "/", body=b"1", extra=extra)).body == b"1"
        sample = await control.hear(Sample, lambda s: s.requests > 0)
        assert (sample.requests, sample.batch) == (1, 0)


async def test_a_priority_that_means_nothing_is_refused(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod), routes=[route()])
        answer = await gate.ask("GET", "/", extra="Tidegate-Priority: urgent\r\n")
        assert (answer.status, answer.reason) == (400, "bad-priority")
        assert (await gate.ask("GET", "/", extra="tidegate-priority: Online\r\n")).status == 200
