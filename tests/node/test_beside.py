"""Commands beside a container: its paths and ports are theirs."""

from types import SimpleNamespace

import pytest

from tidegate.link.keeper import MARK, Process, SpawnSpec
from tidegate.node.beside import beside
from tidegate.node.launch import Launch
from tidegate.node.rewrite import Rewriting

LAUNCH = Launch(
    SpawnSpec(
        name="u/web/0",
        argv=("python",),
        cwd="/work",
        env={"PATH": "/bin", "PORT": "20001"},
        log="/log",
        log_bytes=1,
    ),
    Rewriting({8080: 20001}, {"/data": "/real/v", "/data/sub": "/real/w"}),
    (),
    (),
)
MACHINE = SimpleNamespace(find_program=lambda name, path: f"/bin/{name}")


def started(*argv):
    return beside(MACHINE, Process("u/web/0", 1, 1, "boot"), LAUNCH, argv)


def test_it_runs_in_the_containers_environment_and_folder_under_its_mark():
    command = started("env")
    assert command.env == {"PATH": "/bin", "PORT": "20001", MARK: "u/web/0"}
    assert (command.cwd, command.program) == ("/work", "/bin/env")


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        pytest.param(("cat", "/data/f"), ("/bin/cat", "/real/v/f"), id="a path"),
        pytest.param(("cat", "/data/sub/f"), ("/bin/cat", "/real/w/f"), id="the longest mount"),
        pytest.param(("cat", "/database"), ("/bin/cat", "/database"), id="another path"),
        pytest.param(
            ("curl", "localhost:8080"), ("/bin/curl", "localhost:20001"), id="its own port"
        ),
        pytest.param(
            ("tar", "-xmf", "-", "-C", "/data"),
            ("/bin/tar", "-xmf", "-", "-C", "/real/v"),
            id="cp in",
        ),
    ],
)
def test_what_the_container_sees_is_seen(asked, line):
    assert started(*asked).argv == line


def test_an_archive_keeps_the_names_that_were_asked_for():
    argv = started("tar", "cf", "-", "/data/f").argv
    assert argv == (
        "/bin/tar",
        "cf",
        "-",
        "/real/v/f",
        "--transform=flags=rSh;s,^real/v,data,",
    )
    assert started("tar", "cf", "-", "other").argv == ("/bin/tar", "cf", "-", "other")
