"""KServe's agent: batches by size and by delay, events of requests and answers."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.agent import events
from tidegate.runtimes.agent.batches import Batcher, instances_of
from tidegate.runtimes.agent.events import REQUEST, EventLog, LoggedEvent
from tidegate.runtimes.agent.flags import Batching, Logging, read_agent_flags
from tidegate.runtimes.agent.upstream import UpstreamFailed, exchange
from tidegate.runtimes.errors import BadFlag
from tidegate.testing.clocks import LoopClock

looped = pytest.mark.looptime


class Model:
    """Doubles its instances, and remembers how many came at once."""

    def __init__(self, status: int = 200) -> None:
        self.sizes: list[int] = []
        self.status = status

    async def __call__(self, path: str, body: bytes) -> tuple[int, bytes]:
        instances = json.loads(body)["instances"]
        self.sizes.append(len(instances))
        if self.status != 200:
            return self.status, b'{"error":"no"}'
        return 200, json.dumps({"predictions": [2 * x for x in instances]}).encode()


def batcher(model: Model, *, most: int = 4, latest_s: float = 1.0) -> Batcher:
    ids = (f"batch-{n}" for n in itertools.count(1))
    return Batcher(Batching(most, latest_s), model, LoopClock(), lambda: next(ids))


async def ask(it: Batcher, instances: list[int]) -> dict[str, object]:
    status, body = await it.predict("/v1/models/m:predict", instances)
    assert status == 200
    return json.loads(body)


@looped
async def test_requests_that_come_together_are_answered_together_each_with_its_own():
    model = Model()
    it = batcher(model)
    first, second, third = await asyncio.gather(ask(it, [1]), ask(it, [2, 3]), ask(it, [4]))
    assert model.sizes == [4]
    assert first == {"message": "", "batchId": "batch-1", "predictions": [2]}
    assert second["predictions"] == [4, 6]
    assert third["predictions"] == [8]


@looped
async def test_a_batch_that_does_not_fill_goes_off_after_its_delay():
    model, loop = Model(), asyncio.get_running_loop()
    began_s = loop.time()
    answer = await ask(batcher(model, latest_s=0.5), [1])
    assert answer["predictions"] == [2]
    assert loop.time() - began_s == pytest.approx(0.5)


@looped
async def test_paths_are_batched_apart():
    model = Model()
    it = batcher(model, latest_s=0.1)
    await asyncio.gather(it.predict("/a:predict", [1]), it.predict("/b:predict", [2]))
    assert model.sizes == [1, 1]


@looped
async def test_a_failure_of_the_model_is_everybodys():
    it = batcher(Model(status=500), most=2)
    answers = await asyncio.gather(it.predict("/a:predict", [1]), it.predict("/a:predict", [2]))
    assert answers == [(500, b'{"error":"no"}')] * 2


@looped
async def test_a_mistake_of_ours_leaves_no_client_waiting():
    async def mistaken(path: str, body: bytes) -> tuple[int, bytes]:
        raise LookupError(path)

    it = Batcher(Batching(2, 1.0), mistaken, LoopClock(), lambda: "batch")
    asking = [asyncio.ensure_future(it.predict("/a:predict", [n])) for n in range(2)]
    async with asyncio.timeout(5):
        await asyncio.wait(asking)
    assert all(client.cancelled() for client in asking)


@looped
async def test_a_client_that_left_takes_nothing_from_the_others():
    model = Model()
    it = batcher(model, latest_s=0.5)
    leaves = asyncio.ensure_future(it.predict("/a:predict", [1]))
    stays = asyncio.ensure_future(it.predict("/a:predict", [2]))
    await asyncio.sleep(0.1)
    leaves.cancel()
    status, body = await stays
    assert status == 200
    assert json.loads(body)["predictions"] == [4]


@asynccontextmanager
async def a_server_that_is_silent() -> AsyncIterator[int]:
    """Takes connections and says nothing; its port."""
    held = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in held:
            writer.close()


async def test_what_can_not_be_asked_is_a_failure_of_that_request_alone():
    """It ended the whole agent, and with a batch its clients waited for ever."""
    async with a_server_that_is_silent() as port:
        with pytest.raises(UpstreamFailed, match="can't be asked"):
            async with exchange("127.0.0.1", port, b"POST", b"/a b", [], b"{}"):
                pass


async def test_a_url_that_takes_events_and_never_answers_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(events, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(events, "_LAST_S", 0.1)
    told: list[str] = []
    async with a_server_that_is_silent() as port:
        plan = Logging(f"http://127.0.0.1:{port}/", "all", "http://here/", {})
        log = EventLog(plan, RealClock(), told.append)
        for n in range(200):
            log.put(LoggedEvent(REQUEST, f"id-{n}", b"text/plain", b"x"))
        running = asyncio.ensure_future(log.run())
        async with asyncio.timeout(30):
            while not told:
                await RealClock().sleep(0.01)
            running.cancel()
            await asyncio.wait([running])
    assert told[0].startswith("event id-0 lost: ")
    assert "did not answer within 0.05 s" in told[0]
    assert "did not take them in time" in told[-1]


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"inputs": [1]}', b'{"instances": []}'])
def test_what_is_no_v1_request_is_not_batched(body):
    assert instances_of(body) is None


def test_flags_are_kserves():
    plan = read_agent_flags(
        [
            "--enable-batcher",
            "--max-batchsize",
            "8",
            "--max-latency=250",
            "--log-url=http://sink/events",
            "--log-mode=request",
            "--namespace=default",
            "--component-port=9000",
            "--metadata-headers=X-User,X-Team",
        ],
        {"PORT": "9181"},
    )
    assert (plan.port, plan.component_port) == (9181, 9000)
    assert plan.batching == Batching(8, 0.25)
    assert plan.logging is not None
    assert plan.logging.extensions == {"namespace": "default"}
    assert plan.logging.headers == ("X-User", "X-Team")


def test_an_event_tells_the_headers_that_it_is_asked_to():
    plan = Logging("http://sink/", "all", "http://here/", {}, ("X-User", "X-Team"))
    log = EventLog(plan, LoopClock(), [].append)
    given = [(b"x-user", b"bob"), (b"host", b"h"), (b"x-user", b"eve")]
    assert json.loads(log.metadata_of(given)) == {"X-User": ["bob", "eve"]}
    silent = EventLog(Logging("http://sink/", "all", "http://here/", {}), LoopClock(), [].append)
    assert silent.metadata_of(given) == b""


@pytest.mark.parametrize(
    "flag", ["--nope=1", "--log-mode=some", "--max-latency=soon", "--log-url=ftp://x", "word"]
)
def test_a_wrong_flag_is_refused(flag):
    with pytest.raises(BadFlag):
        read_agent_flags([flag], {})
