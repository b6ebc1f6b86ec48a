"""Finding a program that works, with scripts in the place of podman and docker."""

import asyncio
import json
from pathlib import Path

import pytest

from tidegate.node.containers.contract import Ending
from tidegate.node.containers.images import (
    ImageFacts,
    Puller,
    auth_of,
    facts_of,
    full_name,
)
from tidegate.node.containers.program import ContainerProgram, Unusable, call, find_program
from tidegate.node.containers.runtime import ending_of
from tidegate.node.stopping import stop_number
from tidegate.policy.config_containers import ContainersConfig
from tidegate.testing.clocks import LoopClock

ENV = {"PATH": "/usr/bin:/bin"}
PODMAN = '{"host": {"security": {"rootless": true}}, "version": {"Version": "5.1"}}'


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


STORAGE = """
case $1 in
  pull) sleep 0.1; touch $0.pulled;;
  image) test -e $0.pulled && echo '[{"Id": "sha256:1"}]';;
esac
"""


async def found(folder: Path, config: ContainersConfig | None = None):
    """What a machine with only the programs of this folder finds."""

    def find(name: str, _: str) -> str | None:
        path = Path(name) if name.startswith("/") else folder / name
        return str(path) if path.exists() else None

    return await find_program(config or ContainersConfig(), find, ENV)


async def test_a_machine_without_either_names_both(tmp_path):
    assert await found(tmp_path) == Unusable("podman is not installed; docker is not installed")


async def test_a_docker_without_its_daemon_does_not_count_and_the_reason_is_told(tmp_path):
    says = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock"
    program(tmp_path, "docker", f'echo "{says}" >&2; exit 1')
    why = (await found(tmp_path)).why
    assert why == f"podman is not installed; docker is installed and does not work: {says}"


async def test_a_docker_that_answers_with_its_servers_error_does_not_count_either(tmp_path):
    program(tmp_path, "docker", """echo '{"ServerErrors": ["no daemon"]}'""")
    assert "does not work: no daemon" in (await found(tmp_path)).why


async def test_the_first_that_works_is_taken(tmp_path):
    program(tmp_path, "podman", "exit 1")
    docker = program(tmp_path, "docker", """echo '{"ServerVersion": "27.0"}'""")
    assert await found(tmp_path) == ContainerProgram("docker", (str(docker),), version="27.0")


async def test_the_settings_name_the_program_and_its_arguments(tmp_path):
    path = program(tmp_path, "podman-5", f"echo '{PODMAN}'")
    config = ContainersConfig(str(path), ("--root", "/x"), ("--ulimit", "a=1"))
    assert await found(tmp_path, config) == ContainerProgram(
        "podman", (str(path), "--root", "/x"), ("--ulimit", "a=1"), "5.1", rootless=True
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("podman", '{"host": {"security": {"rootless": true, "selinuxEnabled": true}}}'),
        ("docker", '{"SecurityOptions": ["name=seccomp", "name=selinux"]}'),
    ],
)
async def test_with_selinux_mounts_can_be_read(tmp_path, name, says):
    program(tmp_path, name, f"echo '{says}'")
    assert (await found(tmp_path)).run_argv == ("--security-opt", "label=disable")


async def test_none_means_none(tmp_path):
    program(tmp_path, "podman", f"echo '{PODMAN}'")
    assert "says program: none" in (await found(tmp_path, ContainersConfig("none"))).why


async def test_a_call_that_hangs_is_ended_with_its_children():
    said = await call(("/bin/sh", "-c", "sleep 100 & sleep 100"), ENV, timeout_s=0.1)
    assert (said.ok, said.complaint) == (False, "no answer in time")


async def test_pulls_of_one_image_are_one_and_a_later_one_is_another(tmp_path):
    path = program(tmp_path, "podman", STORAGE)
    podman = ContainerProgram("podman", (str(path),))
    puller = Puller(LoopClock(), ENV, tmp_path)
    many = await asyncio.gather(*(puller.pull(podman, "nginx", {}) for _ in range(20)))
    assert puller.pulls == 1
    assert {one.problem for one in many} == {None}
    await puller.pull(podman, "nginx", {})  # who looked before it came finds it now
    assert puller.pulls == 1
    await puller.pull(podman, "nginx", {}, always=True)
    assert puller.pulls == 2


async def test_a_login_is_in_a_file_that_is_gone_afterwards(tmp_path):
    script = 'test $1 = pull || exit 1; echo "$@" > $0.argv; stat -c %a "$4" > $0.mode; cat "$4" > $0.seen'
    podman = ContainerProgram("podman", (str(program(tmp_path, "podman", script)),))
    auth = {"reg.example": {"username": "me", "password": "pw"}, "other": {"auth": "b3RoZXI="}}
    pulled = await Puller(LoopClock(), ENV, tmp_path / "run").pull(podman, "reg.example/x:1", auth)
    assert pulled.problem is None
    assert "pw" not in (tmp_path / "podman.argv").read_text()
    assert (tmp_path / "podman.mode").read_text() == "600\n"
    seen = json.loads((tmp_path / "podman.seen").read_text())
    assert seen == {"auths": {"reg.example": {"auth": "bWU6cHc="}}}
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("bitnami/nginx:1", "docker.io/bitnami/nginx:1"),
        ("quay.io/x/y@sha256:ab", "quay.io/x/y@sha256:ab"),
        ("localhost/x:1", "localhost/x:1"),
        ("reg:5000/x", "reg:5000/x"),
    ],
)
def test_an_image_without_a_registry_is_docker_hubs(written, whole):
    assert full_name(written) == whole


def test_secrets_name_registries_in_many_ways():
    config = {"auths": {"https://index.docker.io/v1/": {"auth": "a"}, "reg:5000": {"auth": "b"}}}
    found = auth_of({".dockerconfigjson": json.dumps(config).encode()})
    assert found == {"docker.io": {"auth": "a"}, "reg:5000": {"auth": "b"}}
    assert auth_of({".dockercfg": b'{"reg": {"auth": "c"}}'}) == {"reg": {"auth": "c"}}
    for data in ({}, {".dockerconfigjson": b"{"}, {".dockerconfigjson": b"[]"}):
        with pytest.raises(ValueError, match=r".+"):
            auth_of(data)


def test_what_an_image_says_of_itself_is_read():
    raw = {
        "Id": "sha256:1",
        "RepoDigests": ["x@sha256:2"],
        "Size": 7,
        "Config": {"Env": ["A=b=c"], "Cmd": ["x"], "Entrypoint": None, "StopSignal": "SIGQUIT"},
    }
    facts = ImageFacts("sha256:1", "x@sha256:2", (), ("x",), {"A": "b=c"}, "", "SIGQUIT", 7)
    assert facts_of(raw) == facts


@pytest.mark.parametrize(
    ("state", "ending"),
    [
        ({"Status": "created", "ExitCode": 0}, Ending(False, None, False)),
        ({"Status": "exited", "ExitCode": 3}, Ending(True, 3, False)),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, Ending(True, 137, True)),
        ({}, Ending(True, None, False)),
    ],
)
def test_how_a_container_ended_is_read(state, ending):
    assert ending_of({"State": state}) == ending


@pytest.mark.parametrize(
    ("written", "number"),
    [("", 15), ("SIGQUIT", 3), ("quit", 3), ("3", 3), ("SIGRTMIN+3", 37), ("nonsense", 15)],
)
def test_an_images_stop_signal_is_a_name_or_a_number(written, number):
    assert stop_number(written) == number
