"""When zygotes are started, which pods come from them, and when they go."""

import os
import sys
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.model.containers import EnvVar
from tidegate.model.core import ConfigMap, Event
from tidegate.model.meta import ObjectMeta
from tidegate.node.zygote_kinds import kind_id
from tidegate.testing.clocks import EPOCH_S
from tidegate.testing.fake_keeper import Script
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime
SKLEARN = "kserve/sklearnserver:v0.15"


@pytest.fixture
async def world(tmp_path) -> AsyncIterator[NodeWorld]:
    async with node_world(tmp_path) as it:
        await ensure_namespaces(it.api, {"tidegate-system"})
        yield it


def server(**more):
    return main(image=SKLEARN, command=(), args=("--model_dir=/m",), **more)


async def given_server(world: NodeWorld, name="p", annotations=None, **more):
    await world.given(server(**more), name=name, annotations=annotations)
    await world.until(lambda: world.is_ready(name))


def zygotes(world):
    return [name for name in world.keeper.running() if name.startswith("zygote/")]


def origin(world, name="p"):
    return world.status(name).tidegate.origin


def notes(world):
    return [event.message for event in world.api.list(Event)]


async def configured(world, **data):
    meta = ObjectMeta(name="config-zygotes", namespace="tidegate-system")
    await world.api.create(ConfigMap(metadata=meta, data=data))


async def test_logs_of_zygotes_that_are_long_gone_are_removed(world):
    await given_server(world)
    (zygote,) = zygotes(world)
    names = [f"zygote-{kind_id(zygote)}.log", "zygote-old-0.log", "zygote-old-0.log.1"]
    for name in names:
        (world.home.logs / name).touch()
        os.utime(world.home.logs / name, (0, 0))
    (world.home.logs / "zygote-new-1.log").touch()
    os.utime(world.home.logs / "zygote-new-1.log", (EPOCH_S, EPOCH_S))
    await world.stop_agent()
    await world.start_agent()
    await world.until(lambda: not (world.home.logs / names[1]).exists())
    left = {path.name for path in world.home.logs.glob("zygote-*")}
    assert left == {names[0], "zygote-new-1.log"}


async def test_without_room_for_a_zygote_pods_start_fresh_and_say_so(world):
    (world.home.root / "zygotes").write_text("in the way")
    await given_server(world)
    assert "its folder can't be made" in origin(world)[0]
    assert zygotes(world) == []


async def test_the_first_pod_of_a_server_starts_its_zygote_and_all_come_from_it(world):
    await given_server(world, "a")
    await given_server(world, "b", env=(EnvVar(name="X", value="1"),))
    (zygote,) = zygotes(world)
    assert [spec.zygote for spec in world.keeper.spawned] == [zygote, zygote]
    pid = world.keeper.processes[zygote].pid
    assert (
        origin(world, "a")
        == origin(world, "b")
        == (f"forked from zygote sklearnserver (pid {pid})",)
    )


async def test_a_zygote_has_the_variables_that_are_read_at_import_and_no_others(world):
    env = (EnvVar(name="PYTHONHASHSEED", value="1"), EnvVar(name="SECRET", value="x"))
    await given_server(world, env=env)
    (spec,) = world.keeper.zygotes
    assert spec.env["PYTHONHASHSEED"] == "1"
    assert "SECRET" not in spec.env
    assert spec.argv[:4] == (
        sys.executable,
        "-m",
        "tidegate.runtimes.zygote",
        "tidegate.runtimes.sklearnserver",
    )


async def test_a_program_that_is_not_ours_is_started_by_exec_and_nothing_is_said(world):
    await world.given()
    await world.until(world.is_ready)
    assert (zygotes(world), origin(world)) == ([], ())
    assert world.keeper.spawned[0].zygote is None


async def test_a_pod_that_says_never_starts_fresh(world):
    await given_server(world, annotations={"tidegate.dev/zygote": "never"})
    assert (zygotes(world), world.keeper.spawned[0].zygote) == ([], None)


async def test_zygotes_can_be_turned_off(world):
    await configured(world, enabled="false")
    await given_server(world)
    assert (zygotes(world), world.keeper.spawned[0].zygote) == ([], None)


async def test_turning_them_off_ends_those_that_are_there_but_no_pod(world):
    await given_server(world)
    await configured(world, enabled="false")
    await world.until(lambda: not zygotes(world))
    assert world.is_ready()


async def test_an_idle_zygote_stays_for_a_while_and_goes(world):
    await configured(world, keep="5m")
    await given_server(world)
    began_s = world.now()
    gone_s = await world.until(lambda: not zygotes(world))
    assert 299 <= gone_s - began_s <= 302
    assert world.is_ready()


async def test_a_zygote_that_somebody_holds_stays_until_it_is_let_go(world):
    await configured(world, keep="1m")
    await given_server(world)
    kind = world.zygotes.kind_of(world.keeper.spawned[0])
    with world.zygotes.held(kind):
        await world.clock_to(world.now() + 1000)
        assert [(zygote.kind, zygote.holders) for zygote in world.zygotes.living()] == [
            (kind.id, 1)
        ]
    await world.until(lambda: not zygotes(world))


async def test_one_can_be_made_ready_before_any_pod_needs_it(world):
    await given_server(world, annotations={"tidegate.dev/zygote": "never"})
    kind = world.zygotes.kind_of(world.keeper.spawned[0])
    await world.zygotes.warm(kind)
    (zygote,) = zygotes(world)
    await given_server(world, "b")
    assert world.keeper.spawned[1].zygote == zygote


async def test_of_too_many_the_one_that_was_idle_longest_goes(world):
    await configured(world, most="2")
    for number in range(3):
        env = (EnvVar(name="PYTHONHASHSEED", value=str(number)),)
        await given_server(world, f"p{number}", env=env)
        await world.clock_to(world.now() + 1)
    await world.until(lambda: len(zygotes(world)) == 2)
    assert world.keeper.zygotes[0].name not in zygotes(world)


async def test_a_zygote_that_can_not_fork_costs_a_pod_nothing_but_its_speed(world):
    world.keeper.fork_fails = lambda spec: "did not answer within 3 s"
    await given_server(world)
    assert [spec.zygote for spec in world.keeper.spawned] == [None]
    assert origin(world)[0].startswith("started fresh, not forked: its zygote did not answer")
    await world.until(lambda: any("did not answer within 3 s" in note for note in notes(world)))
    assert zygotes(world) == []


async def test_a_zygote_that_failed_once_is_replaced_at_the_next_need(world):
    await given_server(world, "a")
    world.keeper.end(zygotes(world)[0], number=9)
    await given_server(world, "b")
    assert origin(world, "b")[0].startswith("forked from")
    assert len(world.keeper.zygotes) == 2


async def test_a_server_whose_zygotes_fail_again_and_again_is_left_alone_for_longer_and_longer(
    world,
):
    world.keeper.fork_fails = lambda spec: "died, or its child did"
    began_s, tried_s = world.now(), []
    for number in range(12):
        await given_server(world, f"p{number}")
        tried_s += [world.now()] * (len(world.keeper.zygotes) - len(tried_s))
        await world.clock_to(began_s + 20 * (number + 1))
    waits = [round(b - a, -1) for a, b in pairwise(tried_s)]
    assert waits == [20, 20, 60]


async def test_one_that_finds_out_that_it_can_not_fork_says_why_and_is_not_tried_again_soon(world):
    def refuses(spec):
        log = world.home.logs / f"{spec.zygote.split('/')[0]}-{spec.zygote.split('/')[1]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        said = "zygote: importing torch starts 2 thread(s)\\n"
        log.write_text(f'{{"log":"{said}","stream":"stderr","time":"t"}}\n')
        world.keeper.end(spec.zygote, code=3)
        return "died, or its child did"

    world.keeper.fork_fails = refuses
    await given_server(world, "a")
    await given_server(world, "b")
    assert len(world.keeper.zygotes) == 1
    assert origin(world, "b") == ("started fresh, not forked: importing torch starts 2 thread(s)",)


async def test_the_next_agent_takes_over_zygotes_and_ends_them_when_their_time_is_up(world):
    await configured(world, keep="5m")
    await given_server(world, "a")
    (zygote,) = zygotes(world)
    await world.stop_agent()
    await world.start_agent()
    assert origin(world, "a")[0].startswith("forked from")
    await given_server(world, "b")
    assert zygotes(world) == [zygote]
    assert world.keeper.spawned[-1].zygote == zygote
    await world.until(lambda: not zygotes(world))


async def test_what_is_wrong_with_the_container_itself_is_told_as_for_any(world):
    def script(spec):
        raise FileNotFoundError(2, "No such file or directory", spec.cwd)

    world.keeper.script = script
    await world.given(server())
    await world.until(lambda: world.main().last_state or world.main().restart_count)
    assert len(zygotes(world)) == 1


@pytest.mark.parametrize("ends", [Script(exits_after_s=1.0, code=1)])
async def test_a_container_that_crashes_is_forked_again_each_time(world, ends):
    world.scripted(ends)
    await world.given(server())
    await world.until(lambda: world.main().restart_count == 2)
    (zygote,) = zygotes(world)
    assert {spec.zygote for spec in world.keeper.spawned} == {zygote}
