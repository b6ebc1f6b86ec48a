"""The line that starts a container, `podman run ...`. Pure.

Environment values reach podman by its own environment (`--env NAME`), so that no `ps` shows a
Secret; only names that podman or docker would take as meant for themselves stand in the line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.link.keeper import MARK
from tidegate.node.containers.program import ContainerProgram
from tidegate.policy.config_containers import KNOWN

HOME_LABEL = "dev.tidegate/home"
PROCESS_LABEL = "dev.tidegate/process"
LOOPBACK = "127.0.0.1"
EXEC_MARK = "TIDEGATE_EXEC"  # in the environment of a command beside a container: which one it is
_THEIRS = (
    "XDG_",
    "CONTAINERS_",
    "_CONTAINERS_",
    "BUILDAH_",
    "STORAGE_",
    "DBUS_",
    "LD_",
    "DOCKER_TLS",
)
_THEIRS_WHOLE = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "TMPDIR",
        "LANG",
        "REGISTRY_AUTH_FILE",
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "CONTAINER_HOST",
        "CONTAINER_CONNECTION",
        "CONTAINER_SSHKEY",
        "CONTAINER_PASSPHRASE",
        "DOCKER_HOST",
        "DOCKER_CONFIG",
        "DOCKER_CONTEXT",
        "DOCKER_CERT_PATH",
        "DOCKER_API_VERSION",
        "GODEBUG",
        "GOGC",
        "GOMAXPROCS",
        "GOMEMLIMIT",
        "GOTRACEBACK",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "TERM",
    ]
)


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine inside the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Security:
    """None and empty: what the image and the program say."""

    user: str | None = None  # "1000" or "1000:2000"
    groups: tuple[int, ...] = ()
    read_only_root: bool = False
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    no_new_privileges: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A container as it is to be started. `name` is the keeper's; amounts None: no limit.

    `published` None: the network is the machine's. Else it is the container's own, and these local
    ports lead to ports in it (local, inside)."""

    name: str
    home_id: str
    image: str
    line: tuple[str, ...]
    hostname: str
    id_file: str
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    workdir: str | None = None
    cpu_milli: int | None = None
    cpu_request_milli: int | None = None
    memory_bytes: int | None = None
    cards: tuple[int, ...] = ()
    security: Security = Security()
    published: tuple[tuple[int, int], ...] | None = None


def container_name(process: str) -> str:
    """What podman calls the container of a keeper's process."""
    return "tidegate." + process.replace("/", ".")


def runs_in_container(container_id: str | None) -> bool:
    """By the containerID of a status: `podman://...` or `docker://...`."""
    return (container_id or "").partition("://")[0] in KNOWN


def run_argv(program: ContainerProgram, plan: Plan) -> tuple[str, ...]:
    """The whole line; what is in `passed_env` must be in the program's environment."""
    return (
        *program.argv,
        "run",
        *("--name", container_name(plan.name), "--pull", "never", "--log-driver", "none"),
        *("--label", f"{HOME_LABEL}={plan.home_id}", "--label", f"{PROCESS_LABEL}={plan.name}"),
        *("--cidfile", plan.id_file, "--hostname", plan.hostname),
        *_network_flags(plan),
        *(("--http-proxy=false",) if program.kind == "podman" else ()),  # the engine's own
        *_env_flags(plan),
        *(word for mount in plan.mounts for word in ("--mount", _mount(mount))),
        *(("--workdir", plan.workdir) if plan.workdir else ()),
        *_limit_flags(plan),
        *_security_flags(program, plan.security),
        *_card_flags(program, plan.cards),
        *program.run_argv,
        *(("--entrypoint", plan.line[0]) if plan.line else ()),
        plan.image,
        *plan.line[1:],
    )


def passed_env(plan: Plan) -> dict[str, str]:
    """What goes through the program's own environment."""
    return {name: value for name, value in plan.env.items() if not _is_theirs(name)}


def exec_argv(
    program: ContainerProgram, process: str, argv: tuple[str, ...], *, stdin: bool, tty: bool
) -> tuple[str, ...]:
    """A command beside the container's process."""
    flags = (*(("--interactive",) if stdin else ()), *(("--tty",) if tty else ()))
    return (
        *(*program.argv, "exec", "--env", EXEC_MARK, "--env", MARK, *flags),
        *(container_name(process), *argv),
    )


def _network_flags(plan: Plan) -> tuple[str, ...]:
    if plan.published is None:
        return ("--network", "host")
    return tuple(
        word
        for local, port in plan.published
        for word in ("--publish", f"{LOOPBACK}:{local}:{port}")
    )


def _env_flags(plan: Plan) -> tuple[str, ...]:
    flags: list[str] = ["--env", MARK]  # the keeper sets it: how it knows the container's processes
    for name, value in plan.env.items():
        flags += ["--env", f"{name}={value}" if _is_theirs(name) else name]
    return tuple(flags)


def _is_theirs(name: str) -> bool:
    return name in _THEIRS_WHOLE or name.startswith(_THEIRS)


def _mount(mount: Mount) -> str:
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    if mount.read_only:
        fields.append("readonly=true")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def _limit_flags(plan: Plan) -> tuple[str, ...]:
    flags: tuple[str, ...] = ()
    if plan.cpu_milli:
        flags += ("--cpus", f"{plan.cpu_milli / 1000:.3f}")
    if plan.cpu_request_milli:
        flags += ("--cpu-shares", str(max(2, plan.cpu_request_milli * 1024 // 1000)))
    if plan.memory_bytes:  # the same with swap: a limit that swaps is none
        flags += ("--memory", f"{plan.memory_bytes}b", "--memory-swap", f"{plan.memory_bytes}b")
    return flags


def _security_flags(program: ContainerProgram, security: Security) -> tuple[str, ...]:
    flags: tuple[str, ...] = ()
    if security.user is not None:
        flags += ("--user", security.user)
    for group in security.groups:
        flags += ("--group-add", str(group))
    if security.read_only_root:
        flags += ("--read-only",)
        if program.kind == "podman":
            flags += ("--read-only-tmpfs=false",)
    for name in security.drop:
        flags += ("--cap-drop", name)
    for name in security.add:
        flags += ("--cap-add", name)
    if security.no_new_privileges:
        flags += ("--security-opt", "no-new-privileges")
    return flags


def _card_flags(program: ContainerProgram, cards: tuple[int, ...]) -> tuple[str, ...]:
    if not cards:
        return ()
    if program.kind == "docker":
        return ("--gpus", f'"device={",".join(map(str, cards))}"')
    return tuple(word for card in cards for word in ("--device", f"nvidia.com/gpu={card}"))
