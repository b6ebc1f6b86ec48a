"""What the control plane says about its own decisions, and that it goes on saying it."""

from __future__ import annotations

import pytest

from tidegate.model.core import Event
from tidegate.model.serving import PodAutoscaler, PodAutoscalerStatus
from tidegate.testing.builders import service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

FAST = {"window": "6s", "target": "1", "target-utilization-percentage": "100", "max-scale": "3"}


def status_of(it: World, revision: str) -> PodAutoscalerStatus:
    status = it.the(PodAutoscaler, revision).status
    assert status is not None
    return status


async def test_decisions_name_the_rule_that_had_the_last_word():
    async with world() as it:
        await it.given(service("hello", scaling=FAST))
        it.load("hello-00001", in_flight=5)
        await it.settle(10)
        last = status_of(it, "hello-00001").decisions[-1]
        assert (last.was, last.replicas, last.wanted, last.rule) == (1, 3, 5, "max-scale")
        assert last.message.startswith("5 replicas, because")
        assert last.message.endswith("max-scale allows 3.")
        scaled = [e.message or "" for e in it.api.list(Event) if e.reason == "Scaled"]
        assert [text for text in scaled if text.startswith("1 -> 3 replicas: 5 replicas")]


async def test_a_cold_start_is_told_in_stages():
    async with world(start_s=2.0) as it:
        await it.given(service("hello", scaling=FAST))
        await it.settle(90)
        assert it.pods("hello-00001") == []
        it.load("hello-00001", in_flight=1)
        await it.settle(5)
        (start,) = status_of(it, "hello-00001").cold_starts
        assert start.decided_s is not None
        assert start.seen_s is not None
        assert start.ready_s is not None
        assert 0 <= start.decided_s <= start.seen_s
        assert 2.0 <= start.ready_s < 3.0
        assert start.first_byte_s is not None
        assert start.ready_s <= start.first_byte_s
        (event,) = [e for e in it.api.list(Event) if e.reason == "ColdStart"]
        assert event.involved_object is not None
        assert event.involved_object.name == "hello-00001"


async def test_a_restarted_control_plane_has_forgotten_nothing_of_it():
    async with world() as it:
        await it.given(service("hello", scaling=FAST))
        it.load("hello-00001", in_flight=2)
        await it.settle(10)
        before = status_of(it, "hello-00001").decisions
        await it.kill_plane()
        await it.start_plane()
        await it.settle(10)
        assert status_of(it, "hello-00001").decisions == before
        it.load("hello-00001", in_flight=3)
        await it.settle(10)
        after = status_of(it, "hello-00001").decisions
        assert after[: len(before)] == before
        assert after[-1].replicas == 3
