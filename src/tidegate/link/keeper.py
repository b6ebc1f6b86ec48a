"""What the keeper is asked and what it tells. Standard library only: the keeper imports this.

One JSON object a line over a Unix stream socket (`<run>/keeper.sock`); the keeper listens and serves
several connections (control plane, CLI). A request carries `op` and `id`; its answer carries the
same `id` and either `ok: true` with the fields named below, or `error` (one sentence) and `errno`
(a number or null). Events carry `event` and no `id`; they go to every connection that has asked
`subscribe`.

    subscribe {}                       -> {processes: [Process...]}   then events
    spawn     {spec: SpawnSpec}        -> {process: Process}
    signal    {name, signal}           -> {}      to the process group of a process
    kill_tree {name}                   -> {killed: [pid...]}  SIGKILL to group, descendants and marked strays
    forget    {name}                   -> {}      drops an ended process from the table
    status    {}                       -> {keeper: {pid}, gateway: {pid}, control_plane: {pid}, version,
                                           listening: {name: [host, port]}, processes: count, stopping}
                                          pid null: not running just now
    restart   {part: "gateway"|"control_plane"} -> {pid}   SIGTERM, then a new one
    shutdown  {}                       -> {}      stops control plane, pods, gateway; answers when all is gone

A part that would not let go, a name never heard of, a process that has ended: an `error` that says so.
`spawn` answers when exec has happened; what exec refuses is an `error` with its errno. Where the spec
names a zygote, it answers when the forked child runs; if that zygote is unknown, dies or doesn't answer in
time, the errno is `ZYGOTE_FAILED`, nothing was started, and the same name may be asked for again without it.

    event exited {process: Process}    `code` or `signal` set; both null: Unknown (was not our child)
                                       sent when nothing of the pod is left and its log is complete
    event part   {part, pid, restarts} a new gateway or control plane was started
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

TYPE_CHECKING = False  # the keeper does without `typing`, half a megabyte
if TYPE_CHECKING:
    from typing import Any

HOME = "TIDEGATE_HOME"  # environment of keeper, gateway and control plane: the home's folder
FDS = "TIDEGATE_FDS"  # environment of parts: JSON, name of a listening socket -> its descriptor
READY_FD = "TIDEGATE_READY_FD"  # environment of a keeper: where it says `ok <pid>` or `error <why>`
PART = "TIDEGATE_PART"  # environment of gateway and control plane: which of the two it is
ZYGOTE_FD = "TIDEGATE_ZYGOTE_FD"  # environment of a zygote: where the keeper asks for children
ZYGOTE_FAILED = errno.ECHILD
MARK = "TIDEGATE_POD"  # in the environment of every process of a pod; its value is SpawnSpec.name


@dataclass(frozen=True, slots=True)
class SpawnSpec:
    """A process to start as leader of a session of its own.

    `name` is unique for all time (`<pod uid>/<container>/<attempt>`); asking twice for the same
    name answers with the process already made. `log` is a file that gets its output as JSON lines
    (`{"log": "...\\n", "stream": "stdout", "time": RFC 3339}`), rotated at `log_bytes` keeping one
    old file `<log>.1`. `limits` maps resource names without RLIMIT_ (`NOFILE`, `AS`, ...) to soft=hard values.

    `forks`: it is a zygote, which the keeper will ask for children (`link.zygote`). `zygote`: fork it from
    the zygote of that name instead of exec, waiting for it at most `patience_s`; None: exec.
    """

    name: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    log: str
    log_bytes: int = 10 * 2**20
    limits: dict[str, int] = field(default_factory=dict)
    forks: bool = False
    zygote: str | None = None
    patience_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the keeper's table. `start` is field 22 of /proc/PID/stat: with `boot_id` it
    tells this process from a later one with the same pid."""

    name: str
    pid: int
    start: int
    boot_id: str
    code: int | None = None  # exit code; None while running, or when a signal ended it, or unknown
    signal: int | None = None
    ended: bool = False


def to_wire(value: SpawnSpec | Process) -> dict[str, Any]:
    """The value as a JSON object."""
    return {name: getattr(value, name) for name in value.__slots__}


def spawn_from_wire(raw: dict[str, Any]) -> SpawnSpec:
    """Raises TypeError or KeyError for fields that are missing or unknown."""
    return SpawnSpec(**{**raw, "argv": tuple(raw["argv"])})


def process_from_wire(raw: dict[str, Any]) -> Process:
    """Raises TypeError for fields that are missing or unknown."""
    return Process(**raw)
