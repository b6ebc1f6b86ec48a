"""Commands that run beside a container's process: exec, exec probes, hooks.

They see the container's environment, folder and paths: what was rewritten in its own command line is
rewritten in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from tidegate.link.keeper import MARK, Process
from tidegate.node.containers.command import EXEC_MARK, exec_argv
from tidegate.node.launch import Inside, Launch
from tidegate.node.machine import Machine
from tidegate.node.rewrite import Rewriting, rewrite_args


@dataclass(frozen=True, slots=True)
class Beside:
    """What to start. `program` None: there is no such program on the container's PATH."""

    program: str | None
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str


def beside(
    machine: Machine,
    process: Process,
    launch: Launch,
    argv: Sequence[str],
    *,
    stdin: bool = False,
    tty: bool = False,
) -> Beside:
    """The command as it is true beside that process. `stdin`, `tty`: what a container must be told of."""
    if launch.inside is not None:
        return _within(launch.inside, launch, tuple(argv), stdin=stdin, tty=tty)
    line, _ = rewrite_args(argv, launch.rules)
    line = _with_names_kept(line, launch.rules)
    env = {**launch.spec.env, MARK: process.name}
    program = machine.find_program(line[0], env["PATH"])
    return Beside(program, (program or line[0], *line[1:]), env, launch.spec.cwd)


def _within(
    inside: Inside, launch: Launch, argv: tuple[str, ...], *, stdin: bool, tty: bool
) -> Beside:
    """By podman or docker: there the paths are the document's, only ports differ."""
    line = argv if inside.private else rewrite_args(argv, launch.rules)[0]
    line = exec_argv(inside.program, inside.process, line, stdin=stdin, tty=tty)
    env = {**inside.env, MARK: inside.process, EXEC_MARK: uuid4().hex}
    return Beside(line[0], line, env, launch.spec.cwd)


def _with_names_kept(argv: tuple[str, ...], rules: Rewriting) -> tuple[str, ...]:
    """`tar cf - /data/x`, which is how `kubectl cp` reads: the archive's names must be those that were
    asked for, so what lies below a mount's real folder is written under the mount's path."""
    creates = len(argv) > 1 and argv[0].rpartition("/")[2] == "tar" and "c" in argv[1].lstrip("-")
    if not creates or argv[1].startswith("--"):
        return argv
    flags = [
        f"--transform=flags=rSh;s,^{real.lstrip('/')},{mount.strip('/')},"
        for mount, real in rules.mounts.items()
        if any(arg == real or arg.startswith(f"{real}/") for arg in argv[2:])
        and "," not in real + mount
    ]
    return (*argv, *flags)
