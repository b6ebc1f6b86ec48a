"""A control plane that is killed in the middle of a burst decides afterwards as one that was not."""

from __future__ import annotations

import pytest

from tidegate.model.apps import Deployment
from tidegate.testing.builders import service
from tidegate.testing.world import world

pytestmark = pytest.mark.looptime

SCALING = {
    "window": "20s",
    "panic-window-percentage": "20",
    "target": "1",
    "target-utilization-percentage": "100",
    "scale-down-delay": "12s",
    "max-scale": "12",
}


async def counts(*, killed: bool) -> list[int]:
    """The replica count at each second after the time of the kill, until all is calm again."""
    out: list[int] = []
    async with world() as it:
        await it.given(service("hello", scaling=SCALING))
        it.load("hello-00001", in_flight=1)
        await it.settle(21)
        it.load("hello-00001", in_flight=9)
        await it.settle(9)
        if killed:
            await it.kill_plane()
        it.load("hello-00001", in_flight=3)
        await it.settle(5)
        if killed:
            await it.start_plane()
        for _ in range(60):
            await it.settle(1)
            replicas = it.the(Deployment, "hello-00001-deployment").spec.replicas
            out.append(-1 if replicas is None else replicas)
    return out


async def test_the_replica_counts_after_a_kill_in_mid_burst_are_those_without_it():
    straight = await counts(killed=False)
    assert max(straight) > 3
    assert straight[-1] == 3
    assert await counts(killed=True) == straight
