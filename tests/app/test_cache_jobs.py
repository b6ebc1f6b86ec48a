"""Questions to stores that nobody waits for. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tidegate.app.cache_jobs import CacheJobs
from tidegate.modelcache.errors import Refused, Unreachable
from tidegate.modelcache.values import Progress, Stage
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime


class Store:
    """Answers with how often it was asked, or fails as it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.wrong: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def work(self, told):
        self.asked += 1
        told(Progress(Stage.FETCHING, 1, 2))
        await self.gate.wait()
        if self.wrong is not None:
            raise self.wrong
        return self.asked


@pytest.fixture
async def jobs() -> AsyncIterator[CacheJobs]:
    it = CacheJobs(LoopClock())
    task = asyncio.get_running_loop().create_task(it.run())
    yield it
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def passed(seconds: float = 0.1) -> None:
    await LoopClock().sleep(seconds)


async def test_an_answer_is_kept_until_it_is_asked_for_anew(jobs):
    store = Store()
    assert jobs.ask(("k",), store.work).value is None
    await passed()
    assert jobs.ask(("k",), store.work).value == 1
    await passed()
    assert store.asked == 1
    assert jobs.ask(("k",), store.work, anew=True).value == 1  # what is known stays
    await passed()
    assert jobs.ask(("k",), store.work).value == 2


async def test_while_it_runs_its_progress_is_seen_and_it_is_not_started_twice(jobs):
    store = Store()
    store.gate.clear()
    jobs.ask(("k",), store.work)
    await passed()
    job = jobs.ask(("k",), store.work, anew=True)
    assert (job.progress, store.asked) == (Progress(Stage.FETCHING, 1, 2), 1)
    store.gate.set()
    await passed()
    assert jobs.ask(("k",), store.work).progress is None


async def test_a_failure_is_told_and_tried_again_after_a_pause_that_grows(jobs):
    store = Store()
    store.wrong = Unreachable("nobody answers")
    jobs.ask(("k",), store.work)
    await passed()
    for pause_s, asked in ((1.0, 1), (1.1, 2), (2.0, 2), (2.1, 3)):
        await passed(pause_s)
        job = jobs.ask(("k",), store.work)
        await passed()
        assert (job.why, job.again, store.asked) == ("nobody answers", True, asked)


async def test_with_other_keys_it_is_tried_at_once_and_with_the_same_ones_after_the_pause(jobs):
    store = Store()
    store.wrong = Refused("these keys are refused")
    jobs.ask(("k",), store.work, by="wrong keys")
    await passed()
    jobs.ask(("k",), store.work, by="wrong keys")
    await passed()
    assert store.asked == 1
    store.wrong = None
    jobs.ask(("k",), store.work, by="right keys")
    await passed()
    job = jobs.ask(("k",), store.work, by="right keys")
    assert (job.value, job.why) == (2, None)


async def test_who_asks_for_the_same_with_other_keys_wakes_nobody_elses_failure(jobs):
    """Two datasets of one bucket, one with wrong keys: its store was asked at every look."""
    store, other = Store(), Store()
    store.wrong = Refused("these keys are refused")
    for _ in range(3):
        jobs.ask(("load", "a", "s3://b"), store.work, by="wrong keys")
        jobs.ask(("load", "b", "s3://b"), other.work, by="right keys")
        await passed()
    assert store.asked == 1


async def test_a_mistake_of_ours_ends_nothing_else(jobs):
    store, other = Store(), Store()
    store.wrong = ZeroDivisionError("oops")
    jobs.ask(("k",), store.work)
    await passed()
    assert jobs.ask(("k",), store.work).why == "oops"
    jobs.ask(("l",), other.work)
    await passed()
    assert jobs.ask(("l",), other.work).value == 1


async def test_what_is_forgotten_is_asked_again(jobs):
    store = Store()
    jobs.ask(("load", "me", "uri"), store.work)
    await passed()
    jobs.forget("me")
    assert jobs.ask(("load", "me", "uri"), store.work).value is None
