"""Images in podman's or docker's storage: what they are, pulling them, removing them.

One pull per image however many ask: who asks while it is pulled gets that pull's result. Secrets reach
the program by a file that only this user can read, never by an argument.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.kit.clock import Clock
from tidegate.node.containers.program import QUICK_S, ContainerProgram, call

PULL_S = 3600.0  # tens of GB on a slow line; a stuck one ends at last
_AT_ONCE = 3  # more pulls side by side only share the line
_HUB = "docker.io"
_OWN = "pull-"  # folders of secrets
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@\-]*")

#: Registry -> its entry of a Docker config file (`auth`, or `username` and `password`).
Auth = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself. `stop_signal` as it is written there (`SIGQUIT`, `3`)."""

    id: str
    digest: str = ""  # repository@sha256:...; empty: it came from no registry
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    stop_signal: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pulled:
    """`problem` None: it is there. `took_s` is the pull's own time."""

    problem: str | None
    took_s: float = 0.0


def full_name(image: str) -> str:
    """With the registry that Kubernetes means: `nginx:1` is `docker.io/library/nginx:1`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"{_HUB}/{image}" if slash else f"{_HUB}/library/{image}"


def registry_of(image: str) -> str:
    return full_name(image).partition("/")[0]


def is_name(image: str) -> bool:
    """Whether it may be an image's name (podman knows the rest); what begins otherwise it would take for
    an option."""
    return _NAME.fullmatch(image) is not None


def is_only_local(image: str) -> bool:
    """`localhost/x` is what podman calls images made here: no registry has them."""
    return image.startswith("localhost/")


def facts_of(raw: Mapping[str, Any]) -> ImageFacts:
    """From one entry of `image inspect`."""
    config = raw.get("Config") or {}
    env = (item.partition("=") for item in config.get("Env") or ())
    return ImageFacts(
        id=str(raw.get("Id", "")),
        digest=next(iter(raw.get("RepoDigests") or ()), ""),
        entrypoint=_words(config.get("Entrypoint")),
        cmd=_words(config.get("Cmd")),
        env={name: value for name, _, value in env},
        user=str(config.get("User") or ""),
        stop_signal=str(config.get("StopSignal") or ""),
        size_bytes=int(raw.get("Size") or 0),
    )


def auth_of(secret: Mapping[str, bytes]) -> Auth:
    """The registries of a Secret of type kubernetes.io/dockerconfigjson (or dockercfg). Raises
    ValueError."""
    if ".dockerconfigjson" in secret:
        found = json.loads(secret[".dockerconfigjson"])
        entries = found.get("auths") if isinstance(found, dict) else None
    elif ".dockercfg" in secret:
        entries = json.loads(secret[".dockercfg"])
    else:
        raise ValueError("it has neither .dockerconfigjson nor .dockercfg")
    if not isinstance(entries, dict):
        raise ValueError("its auths are no mapping")
    return {_host(host): entry for host, entry in entries.items() if isinstance(entry, dict)}


async def image_facts(
    program: ContainerProgram, image: str, env: Mapping[str, str]
) -> ImageFacts | None:
    """None: it isn't here (or the program doesn't answer, which a pull will tell)."""
    if not is_name(image):
        return None
    said = await call((*program.argv, "image", "inspect", image), env, timeout_s=QUICK_S)
    if not said.ok:
        return None
    try:
        found = json.loads(said.out)
    except ValueError:
        return None
    return facts_of(found[0]) if found else None


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    askers: int = 0
    done: int = 0
    last: Pulled = field(default_factory=lambda: Pulled(None))


class Puller:
    """Pulls. Owned by the agent's loop; `folder` is where secrets lie while they are used."""

    def __init__(self, clock: Clock, env: Mapping[str, str], folder: Path) -> None:
        self._clock, self._env, self._folder = clock, env, folder
        for left in folder.glob(f"{_OWN}*"):  # with its secrets, by an engine that was killed
            shutil.rmtree(left, ignore_errors=True)
        self._turns: dict[tuple[str, str], _Turn] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.pulls = 0  # begun so far, for tests and metrics

    async def pull(
        self, program: ContainerProgram, image: str, auth: Auth, *, always: bool = False
    ) -> Pulled:
        """`always`: also if it has come since the asker looked. Raises nothing."""
        key = (full_name(image), json.dumps(auth, sort_keys=True, default=str))
        turn = self._turns.setdefault(key, _Turn())
        done_before = turn.done
        turn.askers += 1
        try:
            async with turn.lock:
                if turn.done == done_before:
                    turn.last = await self._one(program, key[0], auth, always=always)
                    turn.done += 1
                return turn.last
        finally:
            turn.askers -= 1
            if not turn.askers:
                self._turns.pop(key, None)

    async def _one(
        self, program: ContainerProgram, image: str, auth: Auth, *, always: bool
    ) -> Pulled:
        if not always and await image_facts(program, image, self._env) is not None:
            return Pulled(None)
        if is_only_local(image):  # podman would ask this machine's port 443
            return Pulled(
                f"{image} is not on this machine, and no registry has images of localhost/: "
                "build or import it"
            )
        async with self._room:
            return await self._pull(program, image, auth)

    async def _pull(self, program: ContainerProgram, image: str, auth: Auth) -> Pulled:
        self.pulls += 1
        began_s = self._clock.monotonic()
        mine = {host: entry for host, entry in auth.items() if host == registry_of(image)}
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=_OWN) as own:
            argv = _pull_argv(program, image, _auth_file(Path(own), mine))
            said = await call(argv, self._env, timeout_s=PULL_S)
        took_s = self._clock.monotonic() - began_s
        return Pulled(None if said.ok else said.complaint, took_s)


def _pull_argv(program: ContainerProgram, image: str, auth: Path | None) -> tuple[str, ...]:
    if program.kind == "docker":
        config = ("--config", str(auth.parent)) if auth is not None else ()
        return (*program.argv, *config, "pull", "--quiet", image)
    flags: tuple[str, ...] = ("--quiet",)
    if auth is not None:
        flags += ("--authfile", str(auth))
    if registry_of(image) in program.insecure:
        flags += ("--tls-verify=false",)
    return (*program.argv, "pull", *flags, image)


def _auth_file(folder: Path, auth: Auth) -> Path | None:
    """None: no secret is for this registry, so the user's own logins count."""
    if not auth:
        return None
    path = folder / "config.json"  # the name that docker looks for
    entries = {_written(host): _entry(entry) for host, entry in auth.items()}
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": entries}))
    return path


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry.get("auth"):
        return {"auth": entry["auth"]}
    both = f"{entry.get('username', '')}:{entry.get('password', '')}"
    return {"auth": base64.b64encode(both.encode()).decode()}


def _host(written: str) -> str:
    """`https://index.docker.io/v1/` and `registry:5000/path` as hosts."""
    host = written.partition("://")[2] or written
    host = host.partition("/")[0]
    return _HUB if host in ("index.docker.io", "registry-1.docker.io") else host


def _written(host: str) -> str:
    return "https://index.docker.io/v1/" if host == _HUB else host


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
