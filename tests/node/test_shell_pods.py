"""Containers whose command is `sh -c`, as the agent starts them. Virtual time."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidegate.model.containers import EnvVar, VolumeMount
from tidegate.model.volumes import HostPathVolumeSource as HostPath
from tidegate.model.volumes import Volume
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime

VLLM = "python3 -m vllm.entrypoints.openai.api_server --port 8080 --model /mnt/qwen --dtype $(TYPE)"


@pytest.fixture
async def world(tmp_path) -> AsyncIterator[NodeWorld]:
    async with node_world(tmp_path) as it:
        it.machine.programs = {sys.executable, "sh"}  # vllm isn't installed
        yield it


def in_shell(script, **changes):
    """No port is declared, so 8080 is meant."""
    return main(command=("sh", "-c", script), args=(), ports=(), **changes)


async def test_ports_and_paths_of_a_plain_command_become_true(world, tmp_path):
    container = in_shell(
        VLLM,
        image="registry.example.com/kube-ai/vllm:0.4.1",
        env=(EnvVar(name="TYPE", value="half"),),
        volume_mounts=(VolumeMount(name="m", mount_path="/mnt/qwen"),),
    )
    volume = Volume(name="m", host_path=HostPath(path=str(tmp_path)))
    await world.given(container, volumes=(volume,))
    await world.until(lambda: world.keeper.spawned)
    spec = world.keeper.spawned[0]
    port = str(world.status().tidegate.ports[0].local_port)
    assert spec.argv[1:] == (
        *("-m", "tidegate.runtimes.vllmserver"),
        *("--port", port, "--model", str(tmp_path), "--dtype", "half"),
    )
    assert (spec.env["PORT"], spec.env["TIDEGATE_PORTS"]) == (port, port)
    await world.until(lambda: world.status().tidegate.rewritten)
    told = world.status().tidegate
    assert told.rewritten[0].startswith("sh -c with one plain command became")
    assert told.rewritten[0].endswith("-m tidegate.runtimes.vllmserver")
    assert "--dtype has no effect here" in told.not_enforced


async def test_a_script_that_needs_its_shell_has_it(world):
    await world.given(in_shell("cd /tmp && python app.py --port $PORT", image="python:3"))
    await world.until(lambda: world.keeper.spawned)
    assert world.keeper.spawned[0].argv == ("sh", "-c", "cd /tmp && python app.py --port $PORT")


async def test_a_mount_over_the_engine_s_own_interpreter_hides_it_from_nobody(world, tmp_path):
    container = main(
        image="python:3",
        command=("sh", "-c", "python app.py 8080"),
        args=(),
        volume_mounts=(VolumeMount(name="m", mount_path=str(Path(sys.executable).parent.parent)),),
    )
    volume = Volume(name="m", host_path=HostPath(path=str(tmp_path)))
    await world.given(container, volumes=(volume,))
    await world.until(lambda: world.keeper.spawned)
    port = str(world.status().tidegate.ports[0].local_port)
    assert world.keeper.spawned[0].argv == (sys.executable, "app.py", port)
