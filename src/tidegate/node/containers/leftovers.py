"""Removing all containers of a home whose engine has ended, for `tidegate down`.

By the program that made them, which the file `containers-used` in the home names.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress

from tidegate.kit.home import Home
from tidegate.node.containers.program import ContainerProgram, base_env
from tidegate.node.containers.runtime import containers_mark, home_id, sweep_containers


def clear(home: Home) -> None:
    """Blocks until they are gone. Nothing was made: nothing happens."""
    mark = containers_mark(home)
    try:
        said = json.loads(mark.read_text())
        program = ContainerProgram(said["kind"], tuple(said["argv"]))
    except (OSError, ValueError, KeyError, TypeError):
        return
    env = base_env(os.environ)
    asyncio.run(sweep_containers(program, env, home_id(home), lambda _: False))
    with suppress(OSError):
        mark.unlink()
