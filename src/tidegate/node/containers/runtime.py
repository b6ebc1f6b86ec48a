"""What the node knows of podman or docker, and asks of it.

`ContainerRuntime` looks for a program when a container first needs one and remembers what it found:
one that works until the settings change, none for half a minute. A file in the home says that
containers were made for it, so that an engine that never made any never calls podman.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.node.containers.command import HOME_LABEL, PROCESS_LABEL, container_name
from tidegate.node.containers.contract import Ending, Keep
from tidegate.node.containers.images import (
    Auth,
    ImageFacts,
    Pulled,
    Puller,
    full_name,
    image_facts,
)
from tidegate.node.containers.kernel_log import killed_for_memory
from tidegate.node.containers.program import (
    QUICK_S,
    ContainerProgram,
    Find,
    Unusable,
    base_env,
    call,
    find_program,
)
from tidegate.node.containers.strays import end_half_made, half_made
from tidegate.policy.config_containers import ContainersConfig, parse_config_containers
from tidegate.policy.errors import BadConfig

_LOOK_AGAIN_S = 30.0  # for a program, while there is none
_NEVER_BEGAN = ("created", "configured", "initialized")


class ContainerRuntime:
    """`Containers` over podman or docker. `read`: the data of ConfigMap config-containers as it is."""

    def __init__(
        self,
        home: Home,
        clock: Clock,
        find: Find,
        *,
        read: Callable[[], Mapping[str, str]],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._clock, self._find, self._read = clock, find, read
        self._env = base_env(os.environ if environ is None else environ)
        self._mark = containers_mark(home)
        self.home_id = home_id(home)
        self.puller = Puller(clock, self._env, home.run)
        self._found: ContainerProgram | Unusable | None = None
        self._found_by: ContainersConfig | None = None
        self._found_at_s = 0.0
        self._marked: ContainerProgram | None = None  # the one that the home's file names
        self._turn = asyncio.Lock()  # one looks for a program, the others wait for what it finds

    @property
    def env(self) -> Mapping[str, str]:
        return self._env

    @property
    def known(self) -> ContainerProgram | None:
        return self._found if isinstance(self._found, ContainerProgram) else None

    async def program(self) -> ContainerProgram | Unusable:
        try:
            config = parse_config_containers(self._read())
        except BadConfig as why:  # admission refuses such maps
            return Unusable(str(why))
        async with self._turn:
            found, now_s = self._found, self._clock.monotonic()
            old = isinstance(found, Unusable) and now_s - self._found_at_s >= _LOOK_AGAIN_S
            if found is None or old or config != self._found_by:
                found = await find_program(config, self._find, self._env)
                self._found, self._found_by, self._found_at_s = found, config, now_s
            return found

    async def facts(self, image: str) -> ImageFacts | None:
        program = await self.program()
        return (
            await image_facts(program, image, self._env)
            if isinstance(program, ContainerProgram)
            else None
        )

    async def pull(self, image: str, auth: Auth, *, always: bool = False) -> Pulled:
        program = await self.program()
        if isinstance(program, Unusable):
            return Pulled(program.why)
        return await self.puller.pull(program, image, auth, always=always)

    async def remove_image(self, image: str) -> str | None:
        program = await self.program()
        if isinstance(program, Unusable):
            return program.why
        said = await call((*program.argv, "rmi", full_name(image)), self._env, timeout_s=QUICK_S)
        return None if said.ok else said.complaint

    def used(self) -> None:
        program = self.known
        if program is None or self._marked is program:
            return
        said = json.dumps({"kind": program.kind, "argv": program.argv})
        fresh = self._mark.with_name(f".{self._mark.name}")
        with suppress(OSError):  # a full disk: tried again with the next one
            fresh.write_text(said)
            fresh.replace(self._mark)
            self._marked = program

    async def beginning(self, process: str, made: Path | None) -> Ending | None:
        return await self.ending(process) if made is None or _is_there(made) else None

    async def ending(self, process: str) -> Ending | None:
        program = await self.program()
        if isinstance(program, Unusable):
            return None
        name = container_name(process)
        argv = (*program.argv, "container", "inspect", name)
        said = await call(argv, self._env, timeout_s=QUICK_S)
        try:
            told = json.loads(said.out) if said.ok else None
        except ValueError:
            told = None
        return ending_of(told[0]) if told else None

    async def remove(self, process: str) -> None:
        program = await self.program()
        if isinstance(program, ContainerProgram):
            await remove_containers(program, self._env, [container_name(process)])

    async def recall(self) -> None:
        if self._mark.exists():
            await self.program()

    async def sweep(self, keep: Keep) -> None:
        if self.known is not None and self._mark.exists():
            await sweep_containers(self.known, self._env, self.home_id, keep)


def _is_there(file: Path) -> bool:
    return file.exists()


def home_id(home: Home) -> str:
    """What the containers of a home are labelled with."""
    return hashlib.sha256(str(home.root).encode()).hexdigest()[:16]


def containers_mark(home: Home) -> Path:
    """There: containers were made for this home; by which program."""
    return home.root / "containers-used"


def ending_of(told: Mapping[str, object]) -> Ending:
    """From `container inspect`."""
    found = told.get("State")
    state = found if isinstance(found, dict) else {}
    status, code = str(state.get("Status", "")).lower(), state.get("ExitCode")
    began = status not in _NEVER_BEGAN
    killed = bool(state.get("OOMKilled"))
    if began and code == 137 and not killed:  # podman misses it where cgroups v1 are in use
        killed = killed_for_memory(str(told.get("Id", "")))
    return Ending(began, code if began and isinstance(code, int) else None, killed)


async def remove_containers(
    program: ContainerProgram, env: Mapping[str, str], names: Collection[str]
) -> None:
    """Running or not; names that are not there do no harm."""
    podman = program.kind == "podman"
    flags = ("--force", "--volumes", *(("--ignore", "--time", "0") if podman else ()))
    said = await call((*program.argv, "rm", *flags, *names), env, timeout_s=QUICK_S)
    if not podman or not said.ok:
        return
    for one in await asyncio.to_thread(half_made, names):
        await asyncio.to_thread(end_half_made, one)
        await call((one.runtime, "delete", "--force", one.id), env, timeout_s=QUICK_S)


async def sweep_containers(
    program: ContainerProgram, env: Mapping[str, str], home: str, keep: Keep
) -> list[str]:
    """Remove this home's containers that are not to be kept; the names of their processes."""
    label = f'{{{{index .Labels "{PROCESS_LABEL}"}}}}'
    if program.kind == "docker":
        label = f'{{{{.Label "{PROCESS_LABEL}"}}}}'
    argv = (*program.argv, "ps", "--all", "--filter", f"label={HOME_LABEL}={home}")
    said = await call((*argv, "--format", label), env, timeout_s=QUICK_S)
    gone = [name for name in said.out.split() if not keep(name)]
    if gone:
        with suppress(OSError):
            await remove_containers(program, env, [container_name(name) for name in gone])
    return gone
