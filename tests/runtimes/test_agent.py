"""KServe's agent: batches by size and by delay, events of requests and answers."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from tidegate.runtimes.agent.batches import Batcher, instances_of
from tidegate.runtimes.agent.flags import Batching, read_agent_flags
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
        ],
        {"PORT": "9181"},
    )
    assert (plan.port, plan.component_port) == (9181, 9000)
    assert plan.batching == Batching(8, 0.25)
    assert plan.logging is not None
    assert plan.logging.extensions == {"namespace": "default"}


@pytest.mark.parametrize(
    "flag", ["--nope=1", "--log-mode=some", "--max-latency=soon", "--log-url=ftp://x", "word"]
)
def test_a_wrong_flag_is_refused(flag):
    with pytest.raises(BadFlag):
        read_agent_flags([flag], {})
