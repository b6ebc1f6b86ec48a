"""Standby of level imported: zygotes stay while a ReplicaSet says so."""

import sys
from collections.abc import AsyncIterator

import msgspec
import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.model.apps import ReplicaSet, ReplicaSetSpec
from tidegate.model.containers import EnvVar, EnvVarSource, KeySelector
from tidegate.model.core import ConfigMap
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import PodSpec, PodTemplateSpec
from tidegate.node.zygote_kinds import kind_id
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime
HELD = "tidegate.dev/standby-held"
ZYGOTES = "tidegate.dev/standby-zygotes"
SKLEARN = main(image="kserve/sklearnserver:v0.15", command=(), args=("--model_dir=/m",))


@pytest.fixture
async def world(tmp_path) -> AsyncIterator[NodeWorld]:
    async with node_world(tmp_path) as it:
        await ensure_namespaces(it.api, {"tidegate-system"})
        it.machine.programs = {sys.executable}
        yield it


async def given(world, *containers, name="r", held="imported:0:idle", annotations=None):
    labels = {"app": name}
    template = PodTemplateSpec(
        metadata=ObjectMeta(name="", labels=labels, annotations=annotations or {}),
        spec=PodSpec(containers=containers or (SKLEARN,)),
    )
    return await world.api.create(
        ReplicaSet(
            metadata=ObjectMeta(name=name, namespace="default", annotations={HELD: held}),
            spec=ReplicaSetSpec(
                replicas=0, selector=LabelSelector(match_labels=labels), template=template
            ),
        )
    )


def zygotes(world):
    return [name for name in world.keeper.running() if name.startswith("zygote/")]


async def test_its_zygote_is_there_before_any_pod_and_stays(world):
    await given(world)
    await world.until(lambda: zygotes(world))
    await world.clock_to(world.now() + 5000)
    (zygote,) = zygotes(world)
    await world.given(SKLEARN)
    await world.until(world.is_ready)
    assert world.keeper.spawned[0].zygote == zygote


def noted(world, name="r"):
    return world.api.get(ReplicaSet, "default", name).metadata.annotations.get(ZYGOTES)


async def test_its_replica_set_says_which_zygote_is_kept_or_that_its_server_has_none(world):
    await given(world)
    await given(world, main(), name="other")
    await given(world, name="frozen", held="frozen:1:idle")
    await world.until(lambda: noted(world) is not None and noted(world, "other") is not None)
    (zygote,) = zygotes(world)
    assert noted(world) == kind_id(zygote)
    assert noted(world, "other") == ""
    assert noted(world, "frozen") is None


async def test_two_of_one_kind_share_it_and_the_last_one_lets_it_go(world):
    await given(world, name="a")
    await given(world, name="b")
    await world.until(lambda: zygotes(world))
    await world.api.delete(ReplicaSet, "default", "a")
    await world.clock_to(world.now() + 2000)
    assert len(zygotes(world)) == 1
    await world.api.delete(ReplicaSet, "default", "b")
    await world.until(lambda: not zygotes(world), within_s=1000)


async def test_another_level_holds_none(world):
    await given(world, held="frozen:1:idle")
    await world.clock_to(world.now() + 5)
    assert zygotes(world) == []


async def test_one_that_dies_is_started_again(world):
    await given(world)
    await world.until(lambda: zygotes(world))
    (first,) = zygotes(world)
    world.keeper.end(first, number=9)
    await world.until(lambda: zygotes(world))
    assert zygotes(world) != [first]


async def test_the_next_agent_holds_the_same_one(world):
    await given(world)
    await world.until(lambda: zygotes(world))
    held = zygotes(world)
    await world.stop_agent()
    await world.start_agent()
    await world.clock_to(world.now() + 5000)
    assert zygotes(world) == held


async def test_what_its_pods_can_not_be_forked_from_is_not_started(world):
    await given(world, main(), name="other")
    await given(world, name="never", annotations={"tidegate.dev/zygote": "never"})
    waits = msgspec.structs.replace(
        SKLEARN,
        env=(
            EnvVar(
                name="A",
                value_from=EnvVarSource(config_map_key_ref=KeySelector(name="absent", key="a")),
            ),
        ),
    )
    await given(world, waits, name="waits")
    await world.clock_to(world.now() + 60)
    assert zygotes(world) == []


async def test_turned_off_zygotes_are_not_held_either(world):
    meta = ObjectMeta(name="config-zygotes", namespace="tidegate-system")
    config = await world.api.create(ConfigMap(metadata=meta, data={"enabled": "false"}))
    await given(world)
    await world.clock_to(world.now() + 30)
    assert zygotes(world) == []
    await world.api.update(msgspec.structs.replace(config, data={}))
    await world.until(lambda: zygotes(world), within_s=30)
    config = world.api.get(ConfigMap, "tidegate-system", "config-zygotes")
    await world.api.update(msgspec.structs.replace(config, data={"enabled": "false"}))
    await world.until(lambda: not zygotes(world), within_s=30)
