import pytest

from tidegate.node.containers.command import (
    Mount,
    Plan,
    Security,
    exec_argv,
    passed_env,
    run_argv,
)
from tidegate.node.containers.program import ContainerProgram

PODMAN = ContainerProgram("podman", ("/usr/bin/podman", "--runtime", "runc"), ("--ulimit", "x=1"))
DOCKER = ContainerProgram("docker", ("/usr/bin/docker",))


def line(program=PODMAN, **changes):
    return run_argv(
        program, Plan("u/main/0", "h", "sha256:1", ("serve", "-x"), "p", "/f", **changes)
    )


def after(argv, flag):
    """The words that follow each `flag`."""
    return [argv[i + 1] for i, word in enumerate(argv) if word == flag]


def test_it_is_named_and_labelled_as_ours_and_its_words_are_the_last_ones():
    argv = line()
    assert argv[:4] == ("/usr/bin/podman", "--runtime", "runc", "run")
    assert after(argv, "--name") == ["tidegate.u.main.0"]
    assert after(argv, "--label") == ["dev.tidegate/home=h", "dev.tidegate/process=u/main/0"]
    assert argv[-6:] == ("--ulimit", "x=1", "--entrypoint", "serve", "sha256:1", "-x")


def test_no_value_of_the_environment_stands_in_the_line():
    env = {"TOKEN": "hush", "HTTP_PROXY": "http://me:pw@proxy", "PATH": "/app/bin"}
    argv = line(env=env)
    assert "hush" not in " ".join(argv)
    assert "me:pw" not in " ".join(argv)
    assert after(argv, "--env") == ["TIDEGATE_POD", "TOKEN", "HTTP_PROXY", "PATH=/app/bin"]
    plan = Plan("u/main/0", "h", "i", (), "p", "/f", env=env)
    assert passed_env(plan) == {"TOKEN": "hush", "HTTP_PROXY": "http://me:pw@proxy"}


def test_what_podman_would_take_for_itself_stands_in_the_line():
    argv = line(env={"HOME": "/root", "XDG_RUNTIME_DIR": "/run", "DOCKER_HOST": "x"})
    said = ["TIDEGATE_POD", "HOME=/root", "XDG_RUNTIME_DIR=/run", "DOCKER_HOST=x"]
    assert after(argv, "--env") == said


def test_mounts_may_have_commas_in_their_names():
    argv = line(mounts=(Mount("/a,b", "/x"), Mount("/c", "/y", read_only=True)))
    assert after(argv, "--mount") == [
        'type=bind,"source=/a,b",target=/x',
        "type=bind,source=/c,target=/y,readonly=true",
    ]


def test_limits_are_the_containers():
    argv = line(cpu_milli=1500, cpu_request_milli=500, memory_bytes=2**20)
    assert after(argv, "--cpus") == ["1.500"]
    assert after(argv, "--cpu-shares") == ["512"]
    assert after(argv, "--memory") == after(argv, "--memory-swap") == ["1048576b"]
    assert not {"--cpus", "--memory", "--cpu-shares"} & set(line())


def test_the_security_context_is_told():
    security = Security(
        user="1000:2000",
        groups=(3000,),
        read_only_root=True,
        add=("NET_ADMIN",),
        drop=("ALL",),
        no_new_privileges=True,
    )
    argv = line(security=security)
    assert after(argv, "--user") == ["1000:2000"]
    assert after(argv, "--group-add") == ["3000"]
    assert after(argv, "--cap-add") == ["NET_ADMIN"]
    assert after(argv, "--cap-drop") == ["ALL"]
    assert after(argv, "--security-opt") == ["no-new-privileges"]
    assert {"--read-only", "--read-only-tmpfs=false"} <= set(argv)
    assert "--read-only-tmpfs=false" not in line(DOCKER, security=security)


@pytest.mark.parametrize(
    ("program", "flag", "words"),
    [
        pytest.param(
            PODMAN, "--device", ["nvidia.com/gpu=0", "nvidia.com/gpu=2"], id="podman, CDI"
        ),
        pytest.param(DOCKER, "--gpus", ['"device=0,2"'], id="docker"),
    ],
)
def test_cards_are_given_by_number(program, flag, words):
    assert after(line(program, cards=(0, 2)), flag) == words
    assert flag not in line(program)


def test_the_engines_proxies_stay_outside():
    assert "--http-proxy=false" in line()
    assert "--http-proxy=false" not in line(DOCKER)


@pytest.mark.parametrize(
    ("stdin", "tty", "flags"),
    [
        (False, False, []),
        (True, False, ["--interactive"]),
        (True, True, ["--interactive", "--tty"]),
    ],
)
def test_a_command_beside_it_says_what_streams_it_has(stdin, tty, flags):
    argv = exec_argv(DOCKER, "u/main/0", ("id", "-u"), stdin=stdin, tty=tty)
    assert argv[:2] == ("/usr/bin/docker", "exec")
    assert [word for word in argv if word in ("--interactive", "--tty")] == flags
    assert argv[-3:] == ("tidegate.u.main.0", "id", "-u")


def test_a_network_of_its_own_has_the_local_ports_published_on_loopback():
    assert after(line(), "--network") == ["host"]
    argv = line(published=((20001, 80), (20002, 81)))
    assert "--network" not in argv
    assert after(argv, "--publish") == ["127.0.0.1:20001:80", "127.0.0.1:20002:81"]
