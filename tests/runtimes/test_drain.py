import asyncio

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.drain import Drain, wait_to_close

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def test_an_idle_server_closes_as_soon_as_it_is_told(looptime):
    drain = Drain()
    drain.begin()
    await wait_to_close(drain, RealClock(), at_most_s=5)
    assert looptime == 0


async def test_a_busy_server_closes_when_its_last_request_has_left(looptime):
    drain = Drain()

    async def one(for_s):
        with drain.entered():
            await asyncio.sleep(for_s)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one(3))
        tasks.create_task(one(2))
        await asyncio.sleep(1)
        drain.begin()
        await wait_to_close(drain, RealClock(), at_most_s=5)
        assert looptime == 3


async def test_callers_who_never_stop_are_shut_out_at_the_bound(looptime):
    drain = Drain()
    with drain.entered():
        drain.begin()
        await wait_to_close(drain, RealClock(), at_most_s=5)
    assert looptime == 5
