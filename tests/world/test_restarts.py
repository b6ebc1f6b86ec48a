"""What a control plane that comes back, or a link that broke, must not change."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.ingress.replicas import endpoint, serving_port
from tidegate.link.gateway import Drained
from tidegate.model.changes import Change
from tidegate.model.conditions import is_true
from tidegate.model.meta import Condition
from tidegate.model.pods import Pod, PodStatus
from tidegate.model.serving import Service
from tidegate.testing.builders import service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

FAST = {"window": "6s", "target": "1", "target-utilization-percentage": "100"}
ROUTED = {"min-scale": "1", "max-scale": "1"}


def has_drained(pod: Pod) -> bool:
    return pod.status is not None and is_true(pod.status.conditions, "tidegate.dev/Drained")


async def say_ready(it: World, name: str, truth: str) -> None:
    pod = it.the(Pod, name)
    assert pod.status is not None
    others = tuple(c for c in pod.status.conditions if c.type != "Ready")
    status: PodStatus = msgspec.structs.replace(
        pod.status, conditions=(*others, Condition(type="Ready", status=truth))
    )
    await it.api.update_status(msgspec.structs.replace(pod, status=status))
    await it.settle(0.5)


async def test_a_pod_that_drained_while_it_was_not_ready_is_not_drained_when_it_goes_later():
    """The gateway had no request left there then; it has now. (It was stopped at once.)"""
    async with world() as it:
        await it.given(service("hello", scaling=ROUTED))
        (pod,) = it.pods("hello-00001")
        known = endpoint(pod, serving_port(pod))
        assert known is not None
        await say_ready(it, pod.metadata.name, "False")
        it.gateway.tell(Drained(revision="default/hello-00001", endpoint=known.id))
        await say_ready(it, pod.metadata.name, "True")
        it.gateway.busy.add(known.id)
        await it.api.delete(Pod, *pod.key)
        await it.settle(5)
        assert not has_drained(it.the(Pod, pod.metadata.name))
        it.gateway.busy.clear()
        it.gateway.tell(Drained(revision="default/hello-00001", endpoint=known.id))
        await it.settle(1)
        assert it.api.get(Pod, *pod.key) is None


async def test_what_drained_while_no_control_plane_was_there_is_said_to_the_next_one():
    async with world() as it:
        await it.given(service("hello", scaling=ROUTED))
        (pod,) = it.pods("hello-00001")
        known = endpoint(pod, serving_port(pod))
        assert known is not None
        it.gateway.busy.add(known.id)
        await it.api.delete(Pod, *pod.key)
        await it.settle(1)
        await it.kill_plane()
        it.gateway.busy.clear()
        await it.settle(5)
        assert it.the(Pod, pod.metadata.name)
        await it.start_plane()
        await it.settle(1)
        assert it.api.get(Pod, *pod.key) is None


async def test_a_restarted_control_plane_never_says_that_a_service_is_not_ready():
    async with world() as it:
        await it.given(service("hello", scaling=ROUTED))
        seen: list[str] = []

        def note(change: Change) -> None:
            assert isinstance(change.object, Service)
            seen.append(it.condition(change.object, "Ready").status)

        stop = it.api.subscribe([Service], note)
        await it.kill_plane()
        await it.settle(2)
        await it.start_plane()
        await it.settle(5)
        stop()
        assert set(seen) <= {"True"}


async def test_while_the_gateway_is_away_nothing_is_scaled_down():
    async with world() as it:
        await it.given(service("hello", scaling=FAST))
        it.load("hello-00001", in_flight=6)
        await it.settle(10)
        assert len(it.pods("hello-00001")) == 6
        it.gateway.connected = False
        it.gateway.mute = True
        await it.settle(60)
        assert len(it.pods("hello-00001")) == 6
