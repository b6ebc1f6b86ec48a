"""ConfigMap `config-containers` in namespace `tidegate-system`: how containers are run here.

```yaml
data:
  program: podman                    # podman, docker, a full path, or none; left out: the first that works
  arguments: --runtime runc          # before every subcommand
  run-arguments: --ulimit nofile=4096 # of `run` only
  insecure-registries: 127.0.0.1:5000 # registries without TLS, separated by blanks
```
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.policy.config_map import bad_key, refuse_unknown
from tidegate.policy.errors import BadConfig

NAMESPACE, NAME = "tidegate-system", "config-containers"
NONE = "none"
KNOWN = ("podman", "docker")
_KEYS = ("program", "arguments", "run-arguments", "insecure-registries")
#: What the engine says itself, and what would change whose container it is.
_OURS = ("--name", "--label", "-l", "--rm", "-d", "--detach", "--network", "--net", "-i", "-t")


@dataclass(frozen=True, slots=True)
class ContainersConfig:
    """`program` empty: the first of podman and docker that works; `none`: no containers."""

    program: str = ""
    arguments: tuple[str, ...] = ()
    run_arguments: tuple[str, ...] = ()
    insecure: frozenset[str] = frozenset()


def parse_config_containers(data: Mapping[str, str]) -> ContainersConfig:
    """Raises `BadConfig`, which names the key."""
    refuse_unknown(NAME, data, _KEYS)
    program = data.get("program", "").strip()
    if program and program not in (*KNOWN, NONE):
        if not program.startswith("/") or " " in program:
            raise _bad("program", f"{program!r} is none of podman, docker, none and no full path")
        if kind_of(program) is None:
            raise _bad("program", f"{program!r}: its name must begin with podman or docker")
    run = _words("run-arguments", data.get("run-arguments", ""))
    for word in run:
        if word.partition("=")[0] in _OURS:
            raise _bad("run-arguments", f"{word} is the engine's own to say")
    insecure = frozenset(data.get("insecure-registries", "").split())
    for host in insecure:
        if "/" in host:
            raise _bad("insecure-registries", f"{host!r} must be a host, with or without a port")
    return ContainersConfig(program, _words("arguments", data.get("arguments", "")), run, insecure)


def kind_of(program: str) -> str | None:
    """`podman` or `docker`, by the program's name; None: neither."""
    last = program.rpartition("/")[2]
    return next((kind for kind in KNOWN if last.startswith(kind)), None)


def _words(key: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as why:
        raise _bad(key, f"{str(why).lower()}: {text!r}") from why


def _bad(key: str, why: str) -> BadConfig:
    return bad_key(NAME, key, why)
