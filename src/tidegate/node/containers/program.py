"""Finding podman or docker, and calling it.

A program that is installed need not work: a docker client without its daemon is found here and said.
Every call is bounded in time and killed with its children when that is over or the caller is
cancelled. What a container's processes must not see never stands in an argument.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.policy.config_containers import KNOWN, NONE, ContainersConfig, kind_of

#: The full path of a program, by its name and a PATH; None: there is none.
Find = Callable[[str, str], str | None]
QUICK_S = 20.0  # a look at storage; a machine full of pulls is slow
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYS_RESOURCE = 24  # capability number
_UNLABELLED = ("--security-opt", "label=disable")
_PODMAN_MOST_FILES = 1_048_576  # what podman asks for where it may


@dataclass(frozen=True, slots=True)
class ContainerProgram:
    """A container program that answered. `kind` is podman or docker: their words differ in places.

    `argv` comes before every subcommand, `run_argv` after `run`. `rootless`: as this user, not root.
    """

    kind: str
    argv: tuple[str, ...]
    run_argv: tuple[str, ...] = ()
    version: str = ""
    rootless: bool = False
    insecure: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Unusable:
    """There is none that works; `why` is one clause for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Said:
    """How a call ended. `code` None: it took too long and was killed."""

    code: int | None
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def complaint(self) -> str:
        """The last thing it said of what went wrong, without its label."""
        if self.code is None:
            return "no answer in time"
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        said = lines[-1] if lines else f"exit status {self.code}"
        return said.removeprefix("Error: ").removeprefix("Error response from daemon: ")


def base_env(environ: Mapping[str, str]) -> dict[str, str]:
    """What podman and docker need of the engine's environment to find storage, daemon and registries."""
    wanted = ("HOME", "USER", "LANG", "TMPDIR")
    prefixes = ("XDG_", "CONTAINER", "DOCKER_", "BUILDAH_", "STORAGE_", "DBUS_")
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    found = {
        name: value
        for name, value in environ.items()
        if name in wanted or name.startswith(prefixes) or name.lower() in proxies
    }
    return {"PATH": environ.get("PATH") or _PATH} | found


async def call(
    argv: Sequence[str], env: Mapping[str, str], *, timeout_s: float, stdin: bytes | None = None
) -> Said:
    """Run it to its end. Raises nothing: a program that can't be started is code 127."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(env),
            stdin=null if stdin is None else pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
    except OSError as why:
        return Said(127, "", f"{argv[0]}: {why.strerror or why}")
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        return Said(None, "", "")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return Said(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


async def find_program(
    config: ContainersConfig, find: Find, env: Mapping[str, str]
) -> ContainerProgram | Unusable:
    """The configured one, else the first of podman and docker that answers."""
    if config.program == NONE:
        return Unusable("ConfigMap tidegate-system/config-containers says program: none")
    problems = []
    for name in (config.program,) if config.program else KNOWN:
        path = find(name, env["PATH"])
        if path is None:
            problems.append(f"{name} is not installed")
            continue
        found = await _asked(kind_of(path) or name, (path, *config.arguments), config, env)
        if isinstance(found, ContainerProgram):
            return found
        problems.append(f"{name} is installed and does not work: {found.why}")
    return Unusable("; ".join(problems))


async def _asked(
    kind: str, argv: tuple[str, ...], config: ContainersConfig, env: Mapping[str, str]
) -> ContainerProgram | Unusable:
    said = await call((*argv, "info", "--format", "{{json .}}"), env, timeout_s=QUICK_S)
    try:
        told = json.loads(said.out) if said.ok else {}
    except ValueError:
        return Unusable(f"{argv[0]} info gave no JSON")
    if not said.ok:
        return Unusable(said.complaint)
    if kind == "podman":
        security = (told.get("host") or {}).get("security") or {}
        version = str((told.get("version") or {}).get("Version", ""))
        rootless = bool(security.get("rootless"))
    else:
        if told.get("ServerErrors"):  # the client answers well without its daemon
            return Unusable(str(told["ServerErrors"][0]))
        version, rootless = str(told.get("ServerVersion", "")), False
    limits = _limits() if kind == "podman" and not rootless else ()
    run = (*limits, *(_UNLABELLED if _has_selinux(kind, told) else ()), *config.run_arguments)
    return ContainerProgram(kind, argv, run, version, rootless, config.insecure)


def _has_selinux(kind: str, told: Mapping[str, Any]) -> bool:
    """What is mounted has the labels of the machine's own files, which no container may read; to label
    users' files anew is not ours."""
    if kind == "podman":
        return bool(((told.get("host") or {}).get("security") or {}).get("selinuxEnabled"))
    return any("name=selinux" in str(option) for option in told.get("SecurityOptions") or ())


def _limits() -> tuple[str, ...]:
    """Podman as root gives containers a million files; without CAP_SYS_RESOURCE, as in many
    sandboxes, no start succeeds with more than we have ourselves."""
    if _may_raise_limits():
        return ()
    files = _hard(resource.RLIMIT_NOFILE, _PODMAN_MOST_FILES)
    processes = _hard(resource.RLIMIT_NPROC, _pid_max())
    return ("--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={processes}:{processes}")


def _hard(number: int, most: int) -> int:
    hard = resource.getrlimit(number)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


def _may_raise_limits() -> bool:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        mask = next(line for line in lines if line.startswith("CapEff:")).split()[1]
        return bool(int(mask, 16) >> _SYS_RESOURCE & 1)
    return True


def _pid_max() -> int:
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text())
    except (OSError, ValueError):
        return 32_768
