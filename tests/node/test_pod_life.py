"""Pods of several containers: sidecars, deadlines, messages, images that change. Virtual time."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tidegate.model.conditions import find
from tidegate.model.containers import (
    Container,
    ContainerPort,
    EnvVar,
    ExecAction,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    ObjectFieldSelector,
    Probe,
    SleepAction,
    VolumeMount,
)
from tidegate.model.meta import Condition
from tidegate.model.pod_columns import pod_row
from tidegate.model.pods import Pod, PodReadinessGate
from tidegate.model.volumes import (
    DownwardAPIFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    Volume,
)
from tidegate.testing.fake_keeper import Script, no_such_program
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime


@pytest.fixture
async def world(tmp_path) -> AsyncIterator[NodeWorld]:
    async with node_world(tmp_path) as it:
        yield it


def aside(name: str = "side", **changes) -> Container:
    """A sidecar that listens on a port of its own."""
    return main(
        name=name, ports=(ContainerPort(container_port=9090),), restart_policy="Always", **changes
    )


def started(world: NodeWorld) -> list[str]:
    """The names of the containers in the order of their starts."""
    return [spec.name.split("/")[1] for spec in world.keeper.spawned]


def running(world: NodeWorld) -> list[str]:
    """The names of the containers that run now."""
    return [name.split("/")[1] for name in world.keeper.running()]


def by_container(world: NodeWorld, **scripts: Script) -> None:
    world.keeper.script = lambda spec: scripts.get(spec.name.split("/")[1], Script())


# --- sidecars


async def test_a_sidecar_starts_first_and_the_next_waits_for_its_startup_probe(world):
    by_container(world, side=Script(healthy=lambda age_s: age_s > 5), init=Script(exits_after_s=1))
    startup = Probe(http_get=HTTPGetAction(port=9090), period_seconds=1, failure_threshold=30)
    side = aside(startup_probe=startup)
    await world.given(init_containers=(side, main(name="init", ports=())))
    await world.until(lambda: started(world) == ["side"])
    assert pod_row(world.pod()).status == "Init:0/2"
    assert world.status().phase == "Pending"
    assert await world.until(lambda: started(world) == ["side", "init"]) > 5
    await world.until(world.is_ready)
    assert started(world) == ["side", "init", "main"]
    assert pod_row(world.pod()).ready_text == "2/2"


async def test_a_sidecar_that_ends_is_started_again_whatever_the_pods_policy(world):
    by_container(world, side=Script(exits_after_s=3))
    await world.given(init_containers=(aside(),), restart_policy="Never")
    await world.until(lambda: started(world).count("side") == 2)
    assert world.status().phase == "Running"
    row = pod_row(world.pod())
    assert row.restarts == 1


async def test_a_sidecar_that_is_not_ready_keeps_the_pod_from_being_ready(world):
    by_container(world, side=Script(listens_after_s=7))
    await world.given(init_containers=(aside(),))
    await world.until(lambda: world.main().ready)
    assert not world.is_ready()
    assert find(world.status().conditions, "Ready").message == (
        "containers with unready status: [side]"
    )
    await world.until(world.is_ready)


async def test_sidecars_stop_after_the_containers_the_last_one_first(world):
    slow = Script(stops_after_s=3)
    by_container(world, main=Script(exits_after_s=2), **{"side-one": slow, "side-two": slow})
    sides = (aside("side-one"), aside("side-two"))
    await world.given(init_containers=sides, restart_policy="Never")
    await world.until(lambda: "main" in running(world))
    await world.until(lambda: "main" not in running(world))
    assert world.status().phase == "Running"
    await world.until(lambda: "side-two" not in running(world))
    assert running(world) == ["side-one"]
    await world.until(lambda: world.status().phase == "Succeeded")
    assert world.keeper.running() == []


async def test_on_deletion_a_sidecar_outlives_the_containers(world):
    by_container(world, main=Script(stops_after_s=4))
    await world.given(init_containers=(aside(),))
    await world.until(world.is_ready)
    await world.api.delete(Pod, "default", "p")
    await world.until(lambda: len(world.keeper.running()) == 1)
    assert world.keeper.running()[0].split("/")[1] == "side"
    await world.until(lambda: world.pod() is None)


async def test_an_adopted_pod_keeps_its_sidecar(world):
    await world.given(init_containers=(aside(),))
    await world.until(world.is_ready)
    before = world.keeper.running()
    await world.stop_agent()
    await world.start_agent()
    await world.until(world.is_ready)
    assert world.keeper.running() == before


# --- deadlines


async def test_a_pod_past_its_deadline_fails_and_says_why(world):
    await world.given(active_deadline_seconds=20, restart_policy="Never")
    await world.until(world.is_ready)
    at_s = await world.until(lambda: world.status().phase == "Failed")
    assert 20 <= at_s < 22
    status = world.status()
    assert status.reason == "DeadlineExceeded"
    assert status.message == "Pod was active on the node longer than the specified deadline"
    assert world.keeper.running() == []
    assert pod_row(world.pod()).status == "Error"


async def test_a_deadline_also_ends_a_pod_that_waits_for_its_start(world):
    await world.given(main(image="nowhere/nothing:1"), active_deadline_seconds=5)
    await world.until(lambda: world.status().phase == "Failed")
    assert world.status().reason == "DeadlineExceeded"


# --- messages, hooks, images


async def test_what_a_container_writes_at_its_end_is_told(world):
    await world.given(
        main(
            args=("--log", "/dev/termination-log"), termination_message_path="/dev/termination-log"
        ),
        restart_policy="Never",
    )
    await world.until(world.is_ready)
    spec = world.keeper.spawned[0]
    assert spec.argv[-1] == spec.env["TERMINATION_LOG"]
    Path(spec.argv[-1]).write_text("out of luck")
    world.keeper.end(spec.name, code=3)
    await world.until(lambda: world.status().phase == "Failed")
    assert world.main().state.terminated.message == "out of luck"


async def test_a_pre_stop_hook_may_sleep(world):
    hook = LifecycleHandler(sleep=SleepAction(seconds=6))
    await world.given(main(lifecycle=Lifecycle(pre_stop=hook)))
    await world.until(world.is_ready)
    began_s = world.now()
    await world.api.delete(Pod, "default", "p")
    assert 6 <= await world.until(lambda: world.pod() is None) - began_s < 8


async def test_another_image_starts_the_container_again_with_it(world):
    pod = await world.given(restart_policy="Never")
    await world.until(world.is_ready)
    pod = world.pod()
    other = msgspec.structs.replace(pod.spec.containers[0], image="python:3.12")
    spec = msgspec.structs.replace(pod.spec, containers=(other,))
    await world.api.update(msgspec.structs.replace(pod, spec=spec))
    await world.until(lambda: world.main().restart_count == 1 and world.is_ready())
    assert world.main().image == "python:3.12"
    assert world.events("Killing") == ["Container main definition changed, will be restarted"]
    assert world.main().last_state.terminated.signal == signal.SIGTERM


async def test_an_image_that_can_run_replaces_one_that_can_not_at_once(world):
    await world.given(main(image="nowhere/nothing:1"))
    await world.until(lambda: world.waiting()[0] == "ImageNotRunnable")
    pod = world.pod()
    right = msgspec.structs.replace(pod.spec.containers[0], image="python:3")
    spec = msgspec.structs.replace(pod.spec, containers=(right,))
    began_s = world.now()
    await world.api.update(msgspec.structs.replace(pod, spec=spec))
    assert await world.until(world.is_ready) - began_s < 1


async def test_probes_and_hooks_see_the_containers_own_paths(world):
    probe = Probe(exec=ExecAction(command=("cat", "/data/ready")), period_seconds=1)
    mount = (VolumeMount(name="v", mount_path="/data"),)
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    await world.given(main(readiness_probe=probe, volume_mounts=mount), volumes=(volume,))
    await world.until(world.is_ready)
    real = world.home.pods / world.pod().metadata.uid / "volumes" / "v"
    assert ("cat", f"{real}/ready") in world.machine.ran


# --- volumes


async def test_a_downward_volume_follows_the_pods_labels(world):
    item = DownwardAPIFile(
        path="labels", field_ref=ObjectFieldSelector(field_path="metadata.labels")
    )
    volume = Volume(name="v", downward_api=DownwardAPIVolumeSource(items=(item,)))
    mount = (VolumeMount(name="v", mount_path="/info"),)
    await world.given(
        main(volume_mounts=mount, args=("/info/labels",)), volumes=(volume,), labels={"tier": "a"}
    )
    await world.until(world.is_ready)
    file = Path(world.keeper.spawned[0].argv[-1])
    assert file.read_text() == 'tier="a"'
    pod = world.pod()
    meta = msgspec.structs.replace(pod.metadata, labels={"tier": "b"})
    await world.api.update(msgspec.structs.replace(pod, metadata=meta))
    await world.until(lambda: file.read_text() == 'tier="b"')


async def test_a_sub_path_is_made_of_the_environment(world):
    mount = (VolumeMount(name="v", mount_path="/data", sub_path_expr="$(WHO)/x"),)
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    env = (EnvVar(name="WHO", value="me"),)
    await world.given(main(volume_mounts=mount, env=env, args=("/data",)), volumes=(volume,))
    await world.until(world.is_ready)
    assert world.keeper.spawned[0].argv[-1].endswith("/volumes/v/me/x")


async def test_a_sub_path_of_an_unknown_variable_waits_and_names_it(world):
    mount = (VolumeMount(name="v", mount_path="/data", sub_path_expr="$(NOBODY)"),)
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    await world.given(main(volume_mounts=mount), volumes=(volume,))
    await world.until(lambda: "$(NOBODY)" in (world.waiting()[1] or ""))


async def test_memory_is_a_folder_on_tmpfs_and_goes_with_the_pod(world):
    mount = (VolumeMount(name="v", mount_path="/cache"),)
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource(medium="Memory"))
    await world.given(main(volume_mounts=mount, args=("/cache",)), volumes=(volume,))
    await world.until(world.is_ready)
    real = Path(world.keeper.spawned[0].argv[-1])
    assert real.is_dir()
    assert str(real).startswith("/dev/shm/")
    await world.api.delete(Pod, "default", "p")
    await world.until(lambda: world.pod() is None)
    assert not real.exists()


async def test_a_readiness_gate_is_opened_by_somebody_else(world):
    await world.given(readiness_gates=(PodReadinessGate(condition_type="warm"),))
    await world.until(lambda: world.main().ready)
    ready = find(world.status().conditions, "Ready")
    assert ready.reason == "ReadinessGatesNotReady"
    assert find(world.status().conditions, "ContainersReady").status == "True"
    pod = world.pod()
    opened = (*pod.status.conditions, Condition(type="warm", status="True"))
    status = msgspec.structs.replace(pod.status, conditions=opened)
    await world.api.update_status(msgspec.structs.replace(pod, status=status))
    await world.until(world.is_ready)


# --- an agent that is replaced in the middle


async def test_initialisation_goes_on_where_it_was(world):
    by_container(world, init=Script(exits_after_s=20))
    await world.given(init_containers=(aside(), main(name="init", ports=())))
    await world.until(lambda: started(world) == ["side", "init"])
    await world.stop_agent()
    await world.start_agent()
    await world.until(world.is_ready)
    assert started(world) == ["side", "init", "main"]


async def test_a_deadline_is_counted_from_the_first_start(world):
    await world.given(active_deadline_seconds=20, restart_policy="Never")
    await world.until(world.is_ready)
    await world.clock_to(12)
    await world.stop_agent()
    await world.start_agent()
    assert 20 <= await world.until(lambda: world.status().phase == "Failed") < 23
    assert world.status().reason == "DeadlineExceeded"


async def test_an_image_changed_meanwhile_is_taken_over(world):
    await world.given()
    await world.until(world.is_ready)
    await world.stop_agent()
    pod = world.pod()
    other = msgspec.structs.replace(pod.spec.containers[0], image="python:3.12")
    spec = msgspec.structs.replace(pod.spec, containers=(other,))
    await world.api.update(msgspec.structs.replace(pod, spec=spec))
    await world.start_agent()
    await world.until(lambda: world.main().image == "python:3.12" and world.is_ready())
    assert started(world) == ["main", "main"]


async def test_an_image_whose_program_is_missing_backs_off(world):
    await world.given()
    await world.until(world.is_ready)
    world.keeper.script = no_such_program
    pod = world.pod()
    other = msgspec.structs.replace(pod.spec.containers[0], image="python:3.12")
    spec = msgspec.structs.replace(pod.spec, containers=(other,))
    await world.api.update(msgspec.structs.replace(pod, spec=spec))
    began_s = world.now()
    await world.until(lambda: world.main().restart_count == 3)
    assert world.now() - began_s >= 10


async def test_a_pod_that_a_finalizer_holds_says_how_it_ended_and_is_ended_once(world):
    await world.start_agent()
    pod = await world.given(main(), name="p")
    held = msgspec.structs.replace(pod.metadata, finalizers=("example.com/counted",))
    await world.api.update(msgspec.structs.replace(pod, metadata=held))
    await world.until(lambda: world.status().phase == "Running")
    await world.api.delete(Pod, "default", "p")
    await world.until(lambda: world.status().phase == "Failed")
    await world.clock_to(world.now() + 60)
    there = world.pod()
    assert there is not None
    assert there.metadata.deletion_grace_period_seconds == 0
    assert world.keeper.running() == []
    let_go = msgspec.structs.replace(there.metadata, finalizers=())
    await world.api.update(msgspec.structs.replace(there, metadata=let_go))
    await world.until(lambda: world.pod() is None)
    assert started(world) == ["main"]
