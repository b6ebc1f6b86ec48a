"""The agent over the true API, with fake processes, on virtual time."""

import asyncio
import errno
import signal
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tidegate.model.conditions import find
from tidegate.model.containers import (
    ContainerPort,
    EnvVar,
    EnvVarSource,
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    KeySelector,
    Lifecycle,
    LifecycleHandler,
    Probe,
    VolumeMount,
)
from tidegate.model.core import ConfigMap, Node
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import Pod, PodStatus
from tidegate.model.volumes import ConfigMapVolumeSource, PersistentVolumeClaimVolumeSource, Volume
from tidegate.testing.fake_keeper import Script, no_such_program
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime


@pytest.fixture
async def world(tmp_path) -> AsyncIterator[NodeWorld]:
    async with node_world(tmp_path) as it:
        yield it


# --- the node


async def test_the_node_says_what_the_machine_has(world):
    await world.until(lambda: world.api.get(Node, "", "node"))
    await world.until(lambda: world.api.get(Node, "", "node").status)
    node = world.api.get(Node, "", "node")
    assert node.status.allocatable == {"cpu": "4", "memory": "8388608Ki", "pods": "110"}
    assert node.metadata.labels["kubernetes.io/arch"] == "amd64"
    assert find(node.status.conditions, "Ready").status == "True"


async def test_a_deleted_node_registers_again(world):
    await world.until(lambda: world.api.get(Node, "", "node"))
    first = world.api.get(Node, "", "node").metadata.uid
    await world.api.delete(Node, "", "node")
    await world.until(lambda: world.api.get(Node, "", "node") is not None)
    assert world.api.get(Node, "", "node").metadata.uid != first


# --- starting


async def test_a_pod_is_ready_within_ten_milliseconds_of_listening(world):
    world.scripted(Script(listens_after_s=0.123))
    await world.given()
    await world.until(world.is_ready)
    stages = world.status().tidegate.stages
    assert stages["listening"] - stages["spawned"] <= 0.123 + 0.010 + 1e-9
    assert stages["ready"] == stages["listening"]
    status = world.status()
    assert (status.phase, status.pod_ip) == ("Running", "127.0.0.1")
    assert world.main().container_id == f"process://{world.pod().metadata.uid}/main/0"
    assert world.main().restart_count == 0


async def test_its_environment_is_its_own_and_names_its_port(world, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_ENGINE", "x")
    await world.given(main(args=("--port=8080",), env=(EnvVar(name="A", value="$(PORT)"),)))
    await world.until(world.is_ready)
    spec, port = world.keeper.spawned[0], str(world.status().tidegate.ports[0].local_port)
    assert "SECRET_OF_THE_ENGINE" not in spec.env
    assert (spec.env["PORT"], spec.env["A"], spec.env["HOSTNAME"]) == (port, port, "p")
    assert spec.argv[-1] == f"--port={port}"
    assert spec.env["TMPDIR"].startswith(str(world.home.pods))


async def test_two_pods_get_two_ports(world):
    await world.given(name="a")
    await world.given(name="b")
    await world.until(lambda: world.is_ready("a") and world.is_ready("b"))
    ports = {world.status(name).tidegate.ports[0].local_port for name in "ab"}
    assert len(ports) == 2


async def test_a_container_without_ports_is_ready_when_it_runs(world):
    world.scripted(Script(listens_after_s=None))
    await world.given(main(ports=()))
    assert await world.until(world.is_ready) < 0.1


async def test_a_routed_container_without_ports_must_listen_on_8080(world):
    world.scripted(Script(listens_after_s=2))
    await world.given(main(ports=()), labels={"serving.knative.dev/revision": "r"})
    await world.until(world.is_ready)
    assert world.status().tidegate.ports[0].container_port == 8080
    assert world.now() >= 2


async def test_a_startup_probe_comes_before_readiness(world):
    world.scripted(Script(healthy=lambda age_s: age_s >= 5))
    startup = Probe(http_get=HTTPGetAction(port=8080), failure_threshold=100, period_seconds=1)
    await world.given(main(startup_probe=startup))
    await world.until(lambda: world.status().phase == "Running")
    assert not world.main().started
    assert 5 <= await world.until(world.is_ready) <= 5.3


async def test_a_readiness_probe_that_fails_turns_it_not_ready_and_back(world):
    world.scripted(Script(healthy=lambda age_s: not 20 <= age_s < 60))
    readiness = Probe(http_get=HTTPGetAction(port=8080), period_seconds=5, failure_threshold=2)
    await world.given(main(readiness_probe=readiness))
    await world.until(world.is_ready)
    gone_s = await world.until(lambda: not world.is_ready())
    assert 25 <= gone_s <= 30.1
    assert 60 <= await world.until(world.is_ready) <= 65.1
    assert world.events("Unhealthy") == [
        "Readiness probe failed: HTTP probe failed with statuscode: 503"
    ]
    assert world.main().restart_count == 0


async def test_a_post_start_hook_comes_first(world):
    hook = LifecycleHandler(exec=ExecAction(command=("warm", "up")))
    await world.given(main(lifecycle=Lifecycle(post_start=hook)))
    await world.until(world.is_ready)
    assert world.machine.ran == [("warm", "up")]


# --- what stands in the way


async def test_a_missing_reference_waits_by_name_and_goes_on_when_it_appears(world):
    ref = EnvVarSource(config_map_key_ref=KeySelector(name="settings", key="mode"))
    await world.given(main(env=(EnvVar(name="MODE", value_from=ref),)))
    await world.until(lambda: world.waiting()[0] == "CreateContainerConfigError")
    assert world.waiting()[1] == 'configmap "settings" not found'
    meta = ObjectMeta(name="settings", namespace="default")
    config = await world.api.create(ConfigMap(metadata=meta))
    await world.until(lambda: "couldn't find key mode" in world.waiting()[1])
    await world.api.update(msgspec.structs.replace(config, data={"mode": "fast"}))
    await world.until(world.is_ready)
    assert world.keeper.spawned[0].env["MODE"] == "fast"
    assert world.main().restart_count == 0


async def test_an_unknown_image_is_not_runnable_and_says_so(world):
    await world.given(main(image="nginx:1"))
    await world.until(lambda: world.waiting()[0] == "ImageNotRunnable")
    assert "Three ways out" in world.waiting()[1]
    assert world.status().phase == "Pending"
    await world.until(lambda: len(world.events("ImageNotRunnable")) == 1)


async def test_a_program_that_is_not_there_is_named_and_tried_again(world):
    world.machine.programs = set()
    await world.given(main(command=("frobnicate",)))
    await world.until(lambda: world.waiting()[0] == "RunContainerError")
    assert 'exec: "frobnicate": executable file not found in $PATH' in world.waiting()[1]
    assert world.status().phase == "Running"
    assert world.main().last_state.terminated.reason == "StartError"
    world.machine.programs = None
    await world.until(world.is_ready)


async def test_an_exec_that_fails_ends_a_pod_that_may_not_restart(world):
    world.keeper.script = no_such_program
    await world.given(restart_policy="Never")
    await world.until(lambda: world.status().phase == "Failed")
    assert world.main().state.terminated.exit_code == 128
    assert world.main().state.terminated.reason == "StartError"


async def test_a_machine_without_room_is_asked_again_and_nothing_counts_as_a_crash(world):
    full = [True]

    def no_room(spec):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device", spec.argv[0])
        return Script()

    world.keeper.script = no_room
    await world.given()
    await world.until(lambda: "No space left" in (world.waiting()[1] or ""))
    full[0] = False
    await world.until(lambda: world.main().ready)
    assert world.main().restart_count == 0


async def test_where_a_folder_can_not_be_made_the_container_says_so_and_is_tried_again(world):
    """The worker failed each second, its trace in the log, and the pod said nothing."""
    await world.given()
    await world.until(lambda: world.main().ready)
    home = world.home.pods / world.pod().metadata.uid / "home"
    home.rmdir()
    home.write_text("in the way")
    (name,) = world.keeper.running()
    await world.keeper.kill_tree(name)
    await world.until(lambda: world.waiting()[0] == "CreateContainerError")
    assert "File exists" in world.waiting()[1]
    home.unlink()
    await world.until(lambda: world.main().ready)
    assert world.main().restart_count == 1


async def test_while_the_machine_can_make_no_probe_nobody_is_unhealthy(world):
    """The control plane was out of descriptors: each failed probe of its own counted against the pods."""
    probe = Probe(http_get=HTTPGetAction(port=8080), period_seconds=1, failure_threshold=2)
    await world.given(main(liveness_probe=probe, readiness_probe=probe))
    await world.until(world.is_ready)
    world.machine.short = True
    await world.clock_to(world.now() + 60)
    assert world.is_ready()
    world.machine.short = False
    world.machine.asked.clear()
    await world.until(lambda: len(world.machine.asked) > 2)
    assert world.main().restart_count == 0


async def test_a_grpc_probe_decides_readiness(world):
    world.scripted(Script(healthy=lambda age_s: age_s > 3))
    await world.given(main(readiness_probe=Probe(grpc=GRPCAction(port=8080), period_seconds=1)))
    assert 3 < await world.until(world.is_ready) < 5


async def test_a_claim_keeps_the_pod_pending_and_is_named(world):
    claim = PersistentVolumeClaimVolumeSource(claim_name="weights")
    mount = (VolumeMount(name="v", mount_path="/m"),)
    await world.given(
        main(volume_mounts=mount), volumes=(Volume(name="v", persistent_volume_claim=claim),)
    )
    await world.until(lambda: world.events("FailedMount"))
    assert 'persistentvolumeclaim "weights" not found' in world.events("FailedMount")[0]
    assert world.status().phase == "Pending"
    await world.api.delete(Pod, "default", "p")
    await world.until(lambda: world.pod() is None)


async def test_a_config_map_that_comes_late_is_mounted_without_delay(world):
    mount = (VolumeMount(name="v", mount_path="/m"),)
    volume = Volume(name="v", config_map=ConfigMapVolumeSource(name="late"))
    await world.given(main(volume_mounts=mount, args=("/m/key",)), volumes=(volume,))
    await world.until(lambda: world.events("FailedMount"))
    began_s = world.now()
    meta = ObjectMeta(name="late", namespace="default")
    await world.api.create(ConfigMap(metadata=meta, data={"key": "value"}))
    assert await world.until(world.is_ready) - began_s < 0.5
    assert Path(world.keeper.spawned[0].argv[-1]).read_text() == "value"


# --- ending and starting again


async def test_a_crash_loop_keeps_the_kubelets_rhythm(world):
    world.scripted(Script(exits_after_s=1, code=3, listens_after_s=None))
    await world.given()
    starts = [await world.until(lambda n=n: len(world.keeper.spawned) > n) for n in range(5)]
    gaps = [round(b - a) for a, b in pairwise(starts)]
    assert gaps == [1, 11, 21, 41]
    assert world.main().restart_count == 4
    assert world.main().last_state.terminated.exit_code == 3
    await world.until(lambda: world.waiting()[0] == "CrashLoopBackOff")
    assert world.waiting()[1].startswith("back-off 80s restarting failed container=main pod=p_")


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 1, "Failed"), ("OnFailure", 0, "Succeeded")],
)
async def test_a_pod_may_end_for_good(world, policy, code, phase):
    world.scripted(Script(exits_after_s=1, code=code))
    await world.given(restart_policy=policy)
    await world.until(lambda: world.status().phase == phase)
    ready = find(world.status().conditions, "Ready")
    assert (ready.status, ready.reason) == (
        "False",
        "PodCompleted" if phase == "Succeeded" else "PodFailed",
    )
    await asyncio.sleep(1000)
    assert len(world.keeper.spawned) == 1


async def test_a_failed_liveness_probe_restarts_by_signal_then_by_force(world):
    world.scripted(Script(healthy=lambda age_s: age_s < 10, stops_after_s=None))
    liveness = Probe(http_get=HTTPGetAction(port=8080), period_seconds=1, failure_threshold=3)
    await world.given(main(liveness_probe=liveness), termination_grace_period_seconds=5)
    await world.until(world.is_ready)
    again_s = await world.until(lambda: world.main().restart_count == 1)
    assert 17 <= again_s <= 18.1  # 10 s well, three failures, 5 s of grace
    assert world.main().last_state.terminated.signal == signal.SIGKILL


async def test_a_stranger_on_the_port_sends_the_pod_to_another(world):
    world.scripted(Script(listens_after_s=None))
    await world.given()
    await world.until(lambda: world.status().phase == "Running")
    stolen = world.status().tidegate.ports[0].local_port
    world.scripted(Script())
    world.machine.strangers.add(stolen)
    await world.until(world.is_ready)
    assert world.status().tidegate.ports[0].local_port != stolen
    assert world.main().restart_count == 1
    assert world.keeper.spawned[-1].env["PORT"] != str(stolen)
    assert len(world.events("PortStolen")) == 1


async def test_what_listens_elsewhere_is_told_once_and_never_ready(world):
    world.scripted(Script(port=9999))
    await world.given()
    await asyncio.sleep(60)
    assert not world.is_ready()
    assert "listens on 9999 but its port 8080 is" in world.events("ListensElsewhere")[0]
    assert len(world.events("ListensElsewhere")) == 1
    assert "listens on 9999" in world.status().tidegate.trouble[0]


async def test_what_listens_nowhere_is_told_once_and_no_longer_when_it_is_ready(world):
    world.scripted(Script(listens_after_s=30))
    await world.given()
    await asyncio.sleep(20)
    assert "listens on no port 10 s after its start" in world.events("ListensNowhere")[0]
    assert len(world.events("ListensNowhere")) == 1
    assert world.status().tidegate.trouble == tuple(world.events("ListensNowhere"))
    await world.until(world.is_ready)
    assert world.status().tidegate.trouble == ()


async def test_init_containers_run_in_order_and_a_failed_one_is_tried_again(world):
    codes = iter([1, 0, 0])

    def script(spec):
        return Script(exits_after_s=1, code=next(codes)) if "/i" in spec.name else Script()

    world.keeper.script = script
    inits = tuple(main(name=name, ports=()) for name in ("i1", "i2"))
    await world.given(init_containers=inits)
    await world.until(lambda: world.main().state is not None)
    assert world.waiting()[0] == "PodInitializing"
    await world.until(world.is_ready)
    names = [spec.name.partition("/")[2] for spec in world.keeper.spawned]
    assert names == ["i1/0", "i1/1", "i2/0", "main/0"]


async def test_a_failed_init_container_of_a_pod_that_may_not_restart_fails_it(world):
    world.keeper.script = lambda _: Script(exits_after_s=1, code=1)
    await world.given(init_containers=(main(name="init", ports=()),), restart_policy="Never")
    await world.until(lambda: world.status().phase == "Failed")
    assert [spec.name.rpartition("/")[0][-4:] for spec in world.keeper.spawned] == ["init"]


async def test_all_containers_run_and_the_pod_is_ready_when_all_are(world):
    world.keeper.script = lambda spec: Script(listens_after_s=3 if "/side/" in spec.name else 1)
    side = main(name="side", ports=(ContainerPort(container_port=9090),))
    await world.given(main(), side)
    await world.until(lambda: world.main().ready)
    assert (
        find(world.status().conditions, "Ready").message == "containers with unready status: [side]"
    )
    assert await world.until(world.is_ready) >= 3


# --- leaving


async def test_a_deleted_pod_is_not_ready_at_once_and_gone_when_it_ended(world):
    world.scripted(Script(stops_after_s=4))
    pod = await world.given(termination_grace_period_seconds=30)
    await world.until(world.is_ready)
    began_s = world.now()
    await world.api.delete(Pod, "default", "p")
    assert await world.until(lambda: not world.is_ready()) - began_s <= 0.01
    assert 3.9 <= await world.until(lambda: world.pod() is None) - began_s <= 4.1
    assert world.keeper.processes == {}
    assert not (world.home.pods / pod.metadata.uid).exists()
    assert world.events("Killing") == ["Stopping container main"]


async def test_what_ignores_the_signal_is_killed_at_the_end_of_its_grace(world):
    world.scripted(Script(stops_after_s=None))
    await world.given(termination_grace_period_seconds=7)
    await world.until(world.is_ready)
    began_s = world.now()
    await world.api.delete(Pod, "default", "p")
    assert 6 <= await world.until(lambda: world.pod() is None) - began_s <= 7.1


async def test_a_forced_deletion_kills_at_once(world):
    world.scripted(Script(stops_after_s=None))
    await world.given()
    await world.until(world.is_ready)
    await world.api.delete(Pod, "default", "p", grace_s=0)
    await world.until(lambda: world.keeper.processes == {}, within_s=0.1)


async def test_a_forced_deletion_hurries_a_slow_one(world):
    world.scripted(Script(stops_after_s=None))
    await world.given()
    await world.until(world.is_ready)
    await world.api.delete(Pod, "default", "p", grace_s=300)
    await asyncio.sleep(5)
    assert world.keeper.running()
    await world.api.delete(Pod, "default", "p", grace_s=0)
    await world.until(lambda: world.keeper.processes == {}, within_s=0.1)


async def routed(world) -> None:
    world.scripted(Script(stops_after_s=1))
    labels = {"serving.knative.dev/revision": "r"}
    await world.given(labels=labels, termination_grace_period_seconds=60)
    await world.until(world.is_ready)
    await world.api.delete(Pod, "default", "p")


async def test_a_routed_pod_stops_when_the_gateway_is_done_with_it(world):
    await routed(world)
    await asyncio.sleep(20)
    assert world.keeper.running()
    pod = world.pod()
    conditions = (*pod.status.conditions, Condition(type="tidegate.dev/Drained", status="True"))
    status = msgspec.structs.replace(pod.status, conditions=conditions)
    await world.api.update_status(msgspec.structs.replace(pod, status=status))
    began_s = world.now()
    await world.until(lambda: world.pod() is None)
    assert 1 <= world.now() - began_s <= 1.1
    assert all(
        find(pod.status.conditions, "tidegate.dev/Drained")
        for at_s, pod in world.written
        if at_s > began_s
    )


async def test_a_routed_pod_that_never_drains_stops_at_its_deadline(world):
    await routed(world)
    began_s = world.now()
    await world.until(lambda: world.pod() is None)
    assert 60 <= world.now() - began_s <= 61.1


async def test_a_routed_pod_that_was_never_ready_has_nothing_to_drain(world):
    world.scripted(Script(listens_after_s=None))
    await world.given(labels={"serving.knative.dev/revision": "r"})
    await world.until(lambda: world.status().phase == "Running")
    began_s = world.now()
    await world.api.delete(Pod, "default", "p")
    assert await world.until(lambda: world.pod() is None) - began_s < 1


async def test_a_pre_stop_hook_comes_before_the_signal(world):
    hook = LifecycleHandler(exec=ExecAction(command=("bye",)))
    await world.given(main(lifecycle=Lifecycle(pre_stop=hook)))
    await world.until(world.is_ready)
    await world.api.delete(Pod, "default", "p")
    await world.until(lambda: world.pod() is None)
    assert world.machine.ran == [("bye",)]


async def test_a_pod_deleted_during_its_back_off_goes_at_once(world):
    world.scripted(Script(exits_after_s=1, code=1, listens_after_s=None))
    await world.given()
    await world.until(lambda: world.waiting()[0] == "CrashLoopBackOff")
    began_s = world.now()
    await world.api.delete(Pod, "default", "p")
    assert await world.until(lambda: world.pod() is None) - began_s < 0.1


# --- an agent that starts again


async def test_adopting_writes_nothing_and_starts_nothing(world):
    await world.given()
    await world.until(world.is_ready)
    await asyncio.sleep(30)
    await world.stop_agent()
    world.written.clear()
    await world.start_agent()
    await asyncio.sleep(30)
    assert world.written == []
    assert len(world.keeper.spawned) == 1


async def test_an_end_that_nobody_saw_reads_unknown_and_restarts(world):
    await world.given()
    await world.until(world.is_ready)
    await world.stop_agent()
    name = world.keeper.running()[0]
    world.keeper.end(name)
    await world.keeper.forget(name)
    await world.start_agent()
    await world.until(lambda: world.main().restart_count == 1)
    last = world.main().last_state.terminated
    assert (last.exit_code, last.reason) == (-1, "Unknown")
    await world.until(world.is_ready)


async def test_an_engine_that_is_stopped_again_and_again_is_no_crash_loop(world):
    await world.given()
    await world.until(world.is_ready)
    for stops in (1, 2, 3):
        await world.stop_agent()
        (name,) = world.keeper.running()
        world.keeper.end(name)
        await world.keeper.forget(name)
        await world.start_agent()
        began_s = world.now()
        await world.until(lambda stops=stops: world.main().restart_count == stops)
        await world.until(world.is_ready)
        assert world.now() - began_s < 5


async def test_a_process_that_was_started_but_never_told_of_is_adopted(world):
    """The agent was killed between spawn and status."""
    await world.given()
    await world.until(world.keeper.running)
    port = world.keeper.spawned[0].env["PORT"]
    await world.stop_agent()
    pod = world.pod()
    await world.api.update_status(msgspec.structs.replace(pod, status=PodStatus(phase="Pending")))
    await world.start_agent()
    await world.until(world.is_ready)
    assert len(world.keeper.spawned) == 1
    assert str(world.status().tidegate.ports[0].local_port) == port


async def test_a_crash_loop_goes_on_where_it_was(world):
    world.scripted(Script(exits_after_s=1, code=1, listens_after_s=None))
    await world.given()
    await world.until(lambda: len(world.keeper.spawned) == 3)
    ended_s = await world.until(lambda: world.waiting()[0] == "CrashLoopBackOff")
    await world.stop_agent()
    await world.start_agent()
    again_s = await world.until(lambda: len(world.keeper.spawned) == 4)
    assert 18 <= again_s - ended_s <= 21
    assert world.main().restart_count == 3


async def test_a_deletion_goes_on_where_it_was(world):
    world.scripted(Script(stops_after_s=None))
    await world.given(termination_grace_period_seconds=20)
    await world.until(world.is_ready)
    await world.api.delete(Pod, "default", "p")
    began_s = world.now()
    await asyncio.sleep(5)
    await world.stop_agent()
    await world.start_agent()
    assert 19 <= await world.until(lambda: world.pod() is None) - began_s <= 21.1


async def test_a_process_without_a_pod_is_ended_and_its_things_removed(world):
    pod = await world.given()
    await world.until(world.is_ready)
    await world.stop_agent()
    await world.api.delete(Pod, "default", "p", grace_s=0)
    await world.start_agent()
    await world.until(lambda: world.keeper.processes == {})
    assert not (world.home.pods / pod.metadata.uid).exists()


async def test_a_finished_pod_is_not_run_again(world):
    world.scripted(Script(exits_after_s=1))
    await world.given(restart_policy="Never")
    await world.until(lambda: world.status().phase == "Succeeded")
    await world.stop_agent()
    await world.start_agent()
    await asyncio.sleep(100)
    assert world.status().phase == "Succeeded"
    assert len(world.keeper.spawned) == 1
