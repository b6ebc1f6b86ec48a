"""What is pulled, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.node.containers.images import Puller
from tidegate.node.containers.program import ContainerProgram


@pytest.fixture
def program(tmp_path: Path) -> ContainerProgram:
    """Has no image and can pull none; notes what it was asked."""
    script = tmp_path / "podman"
    script.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path / "asked"}\nexit 1\n')
    script.chmod(0o755)
    return ContainerProgram("podman", (str(script),))


@pytest.mark.parametrize("always", [False, True])
async def test_an_image_of_localhost_is_never_asked_of_a_registry(program, tmp_path, always):
    puller = Puller(RealClock(), {"PATH": "/usr/bin:/bin"}, tmp_path / "secrets")
    pulled = await puller.pull(program, "localhost/mine:1", {}, always=always)
    assert pulled.problem is not None
    assert "build or import it" in pulled.problem
    assert puller.pulls == 0

    assert (await puller.pull(program, "registry.test/mine:1", {})).problem is not None
    assert puller.pulls == 1
    assert (tmp_path / "asked").read_text().split()[-1] == "pull"


def test_secrets_that_an_engine_left_when_it_was_killed_are_removed_by_the_next_one(tmp_path):
    left = tmp_path / "pull-abcd"
    left.mkdir()
    (left / "config.json").write_text('{"auths": {}}')
    (tmp_path / "settings.json").write_text("{}")
    Puller(RealClock(), {}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]
