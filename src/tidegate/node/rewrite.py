"""Making arguments and environment values that were written for a container true on this machine.

Four things differ here: a declared container port is another, local port; a mount path is a folder
of the pod; nothing may listen beyond loopback; and no DNS knows Services. Everything else is left as
it is written. Pure; each change gives one sentence for people. The rules, for one argument or one
environment value:

* A value with `://` in it (a URL) is touched only for a Service's name (`service_names`). A whole shell script as one argument is not
  read either: it can use `$PORT`, or `$(PORT)`, which Kubernetes expands anywhere.
* **Ports.** Only numbers that the pod declares as container ports. `--flag=8080` and `--flag 8080` when
  one of the flag's words is port, listen, bind, addr or address (and none says another machine:
  upstream, remote, target, proxy, peer), `-p 8080`, `-P 8080`; a bare number that follows no flag
  (`python -m http.server 8080`); `HOST:8080` and `:8080` as a whole argument or flag value when HOST
  is this machine (`0.0.0.0`, `127.0.0.1`, `localhost`, `[::]`, `[::1]`, `*`).
  In the environment: a bare number when one of the name's words is PORT (not `*_SERVICE_PORT`, which
  Kubernetes uses for other services; not when `X_HOST` beside `X_PORT` names another machine), and
  `HOST:8080` or `:8080` when one is PORT, HOST, ADDR, ADDRESS, BIND or LISTEN.
* **Mount paths.** Whole path components, at the start or after `=`, `:` or `,`, up to the end or the
  next `/`, `:` or `,`. The longest mount wins.
* **Loopback.** A whole value `0.0.0.0`, `::` or `[::]` becomes `127.0.0.1`; in the environment only
  where the name says so (HOST, ADDR, ADDRESS, BIND, LISTEN, IP).

Left out on purpose: numbers glued to a short flag (`-p8080`), JSON inside values, files' contents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tidegate.node.service_names import host_by_gateway, url_by_gateway

_LISTEN_WORDS = {"port", "ports", "listen", "bind", "addr", "address"}
_BIND_WORDS = {"PORT", "HOST", "ADDR", "ADDRESS", "BIND", "LISTEN"}
_HOST_WORDS = {"HOST", "ADDR", "ADDRESS", "BIND", "LISTEN", "IP"}
_ELSEWHERE_WORDS = {"upstream", "remote", "target", "proxy", "peer"}
_HERE = {"0.0.0.0", "127.0.0.1", "localhost", "[::]", "[::1]", "*", ""}
_EVERYWHERE = {"0.0.0.0", "::", "[::]"}
_SHORT_PORT_FLAGS = {"-p", "-P"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What stands for what: declared container port -> local port, mount path -> real path; and the
    gateway's `host:port`, which stands for every Service. None: those are left as written. `interpreter`:
    the program that this machine put in, which no mount hides."""

    ports: Mapping[int, int] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    gateway: str | None = None
    interpreter: str | None = None


def rewrite_args(argv: Sequence[str], rules: Rewriting) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command line as it is true here, and a sentence for each argument that changed.

    `argv[0]` is a program: only mount paths apply to it.
    """
    out: list[str] = []
    said: list[str] = []
    for before, arg in pairwise(["", *argv]):
        new = _program(arg, rules) if not out else _argument(arg, before, rules)
        if new != arg:
            said.append(f"argument {arg!r} became {new!r}")
        out.append(new)
    return tuple(out), tuple(said)


def rewrite_env(env: Mapping[str, str], rules: Rewriting) -> tuple[dict[str, str], tuple[str, ...]]:
    """The environment as it is true here, and a sentence for each variable that changed."""
    out: dict[str, str] = {}
    said: list[str] = []
    for name, value in env.items():
        new = _variable(name, value, env, rules)
        if new != value:
            said.append(f"environment {name}: {value!r} became {new!r}")
        out[name] = new
    return out, tuple(said)


def rewrite_path(path: str, rules: Rewriting) -> str:
    """A path inside a mount as the real path; any other path unchanged."""
    if path == rules.interpreter:
        return path
    for mount in sorted(rules.mounts, key=len, reverse=True):
        if path == mount or path.startswith(mount.rstrip("/") + "/"):
            return rules.mounts[mount] + path[len(mount.rstrip("/")) :]
    return path


def _program(arg: str, rules: Rewriting) -> str:
    return arg if arg == rules.interpreter else _paths(arg, rules)


def _argument(arg: str, before: str, rules: Rewriting) -> str:
    flag, equals, value = arg.partition("=")
    if "://" in arg:
        if equals and flag.startswith("-"):
            return f"{flag}={url_by_gateway(value, rules.gateway)}"
        return url_by_gateway(arg, rules.gateway)
    if equals and flag.startswith("-"):
        return f"{flag}={_flag_value(flag, value, rules)}"
    if before.startswith("-") and "=" not in before:
        return _flag_value(before, arg, rules)
    local = _local(arg, rules)
    return _value(arg, rules) if local is None else local


def _flag_value(flag: str, value: str, rules: Rewriting) -> str:
    local = _local(value, rules)
    if local is not None:
        return local if _is_port_flag(flag) else value
    return _value(host_by_gateway(flag, value, rules.gateway), rules)


def _local(text: str, rules: Rewriting) -> str | None:
    """The local port of a declared one, written as people write ports."""
    return next((str(new) for old, new in rules.ports.items() if str(old) == text), None)


def _value(value: str, rules: Rewriting) -> str:
    if value in _EVERYWHERE:
        return "127.0.0.1"
    return _paths(_endpoint(value, rules), rules)


def _endpoint(value: str, rules: Rewriting) -> str:
    """`0.0.0.0:8080` and the like; a host that listens everywhere becomes loopback too."""
    host, colon, port = value.rpartition(":")
    local = _local(port, rules)
    if not colon or host not in _HERE or local is None:
        return value
    return f"{host if host in ('localhost', '127.0.0.1') else '127.0.0.1'}:{local}"


def _paths(value: str, rules: Rewriting) -> str:
    mounts = {path.rstrip("/"): real for path, real in rules.mounts.items() if path.strip("/")}
    if "://" in value or not mounts:
        return value
    longest_first = sorted(mounts, key=len, reverse=True)
    either = "|".join(re.escape(path) for path in longest_first)
    return re.sub(rf"(?:^|(?<=[=:,]))({either})(?=$|[/:,])", lambda hit: mounts[hit[1]], value)


def _variable(name: str, value: str, env: Mapping[str, str], rules: Rewriting) -> str:
    if "://" in value:
        return url_by_gateway(value, rules.gateway)
    words = {word.upper() for word in _WORDS.findall(name)}
    local = _local(value, rules)
    if local is not None:
        own = "PORT" in words and not name.endswith("_SERVICE_PORT")
        return local if own and _host_is_here(name, env) else value
    if value in _EVERYWHERE:
        return "127.0.0.1" if words & _HOST_WORDS else value
    if words & _BIND_WORDS:
        value = _endpoint(value, rules)
    return _paths(value, rules)


def _host_is_here(port_name: str, env: Mapping[str, str]) -> bool:
    """Whether `X_HOST`, where there is one beside `X_PORT`, is this machine."""
    host = env.get(re.sub("PORT$", "HOST", port_name), "") if port_name != "PORT" else ""
    return host in _HERE or host in _EVERYWHERE


def _is_port_flag(flag: str) -> bool:
    words = {word.lower() for word in _WORDS.findall(flag)}
    if words & _ELSEWHERE_WORDS:
        return False
    return flag in _SHORT_PORT_FLAGS or bool(words & _LISTEN_WORDS)
