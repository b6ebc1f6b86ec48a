"""Pods on standby: loaded, at rest, woken by losing a label. Virtual time."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from tidegate.model.conditions import find
from tidegate.model.containers import HTTPGetAction, Probe
from tidegate.model.meta import Condition
from tidegate.model.pod_columns import pod_row
from tidegate.model.pods import Pod
from tidegate.testing.fake_keeper import Script
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime

FROZEN, WARM, SLEEP = ({"tidegate.dev/standby": level} for level in ("frozen", "warm", "sleep"))
ALIVE = Probe(
    http_get=HTTPGetAction(port=8080),
    initial_delay_seconds=1,
    period_seconds=1,
    failure_threshold=1,
)


@pytest.fixture
async def world(tmp_path) -> AsyncIterator[NodeWorld]:
    async with node_world(tmp_path) as it:
        yield it


def reason(world: NodeWorld) -> str | None:
    ready = find(world.status().conditions, "Ready")
    return ready.reason if ready is not None else None


def at_rest(world: NodeWorld) -> bool:
    ready = find(world.status().conditions, "Ready")
    return ready is not None and ready.reason == "Standby" and ready.message != "loaded"


async def relabelled(world: NodeWorld, labels: dict[str, str]) -> None:
    await world.clock_to(world.now() + 1)  # what it wrote last is committed
    pod = world.pod()
    assert pod is not None
    meta = msgspec.structs.replace(pod.metadata, labels=labels)
    await world.api.update(msgspec.structs.replace(pod, metadata=meta))


async def label_gone(world: NodeWorld) -> None:
    await relabelled(world, {})


async def says_drained(world: NodeWorld) -> None:
    """As the gateway's controller does."""
    pod = world.pod()
    assert pod is not None
    drained = Condition(type="tidegate.dev/Drained", status="True")
    status = msgspec.structs.replace(pod.status, conditions=(*pod.status.conditions, drained))
    await world.api.update_status(msgspec.structs.replace(pod, status=status))


async def test_a_frozen_pod_is_loaded_stopped_and_never_ready(world):
    await world.given(main(liveness_probe=ALIVE, readiness_probe=ALIVE), labels=FROZEN)
    await world.until(world.keeper.stopped)
    assert reason(world) == "Standby"
    assert pod_row(world.pod()).status == "Standby"
    assert world.main().ready
    await world.clock_to(world.now() + 60)
    assert world.keeper.stopped() == world.keeper.running()
    assert world.main().restart_count == 0


async def test_it_wakes_at_once_when_its_label_goes(world):
    await world.given(main(liveness_probe=ALIVE, readiness_probe=ALIVE), labels=FROZEN)
    await world.until(world.keeper.stopped)
    await label_gone(world)
    asked_s = world.now()
    assert await world.until(world.is_ready) < asked_s + 0.05
    assert world.keeper.stopped() == []
    assert "woken" in world.status().tidegate.stages
    await world.clock_to(world.now() + 30)
    assert world.is_ready()


async def test_a_warm_pod_runs_and_gets_no_requests(world):
    await world.given(labels=WARM)
    await world.until(lambda: at_rest(world))
    assert world.keeper.stopped() == []
    await label_gone(world)
    await world.until(world.is_ready)


async def test_an_engine_that_can_sleep_is_told_to(world):
    asked = world.machine.asked
    await world.given(labels=SLEEP)
    await world.until(lambda: at_rest(world))
    assert [(r.method, r.path) for r in asked] == [("POST", "/sleep?level=1")]
    await label_gone(world)
    await world.until(world.is_ready)
    assert [(r.method, r.path) for r in asked][1:] == [("POST", "/wake_up")]


async def test_an_engine_that_cannot_sleep_is_kept_warm_and_that_is_said(world):
    world.scripted(Script(healthy=lambda _: False))
    await world.given(labels=SLEEP)
    await world.until(lambda: at_rest(world))
    (said,) = world.events("StandbyFailed")
    assert "kept warm instead" in said
    message = find(world.status().conditions, "Ready").message
    assert message.startswith("loaded and warm")


async def test_a_frozen_pod_that_is_deleted_ends_by_its_stop_signal(world):
    await world.given(labels=FROZEN)
    await world.until(world.keeper.stopped)
    began_s = world.now()
    await world.api.delete(Pod, "default", "p")
    assert await world.until(lambda: world.pod() is None) < began_s + 1


async def test_one_that_dies_at_rest_starts_again_and_rests_again(world):
    await world.given(labels=FROZEN)
    await world.until(world.keeper.stopped)
    world.keeper.end(world.keeper.running()[0], number=9)
    await world.until(lambda: world.main().restart_count == 1)
    await world.until(world.keeper.stopped)
    assert reason(world) == "Standby"


async def test_a_new_agent_finds_it_at_rest_and_wakes_it(world):
    await world.given(main(liveness_probe=ALIVE), labels=FROZEN)
    await world.until(world.keeper.stopped)
    await world.stop_agent()
    await world.start_agent()
    await world.clock_to(world.now() + 10)
    assert world.keeper.stopped() == world.keeper.running()
    await label_gone(world)
    await world.until(world.is_ready)
    assert world.keeper.stopped() == []
    assert world.main().restart_count == 0


async def test_a_label_that_went_while_no_agent_was_there_wakes_it_too(world):
    await world.given(labels=FROZEN, annotations={"tidegate.dev/standby": "frozen"})
    await world.until(world.keeper.stopped)
    await world.stop_agent()
    await label_gone(world)
    await world.start_agent()
    await world.until(lambda: world.is_ready() and not world.keeper.stopped())


async def test_a_replica_that_is_laid_to_rest_is_frozen_only_after_its_last_request(world):
    revision = {"serving.knative.dev/revision": "r"}
    await world.given(labels=revision)
    await world.until(world.is_ready)
    await relabelled(world, {**revision, **FROZEN})
    await world.until(lambda: not world.is_ready())
    await world.clock_to(world.now() + 10)
    assert world.keeper.stopped() == []
    await says_drained(world)
    await world.until(world.keeper.stopped)
    await relabelled(world, revision)
    await world.until(world.is_ready)
    conditions = world.status().conditions
    assert find(conditions, "tidegate.dev/Drained") is None  # or its deletion would not wait
