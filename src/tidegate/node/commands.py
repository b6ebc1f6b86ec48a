"""Commands beside a container's process, for `kubectl exec`: in its environment and folder.

They carry the pod's mark, so that the keeper ends them with the pod, and are children of the control
plane, which holds the other end of their pipes: when it goes, they lose their client and get a hangup
or the end of their input. See docs/decisions/0008.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress

from tidegate.model.errors import ApiError, BadRequest
from tidegate.node.agent import NodeAgent
from tidegate.node.beside import beside
from tidegate.node.containers.strays import end_marked
from tidegate.node.machine import Machine
from tidegate.node.terminal import Terminal

_CHUNK = 32 * 1024
_GOODBYE_S = 1.0  # between hangup and kill
#: Makes the terminal on its standard input its own, then becomes the command.
_LOGIN = "import fcntl,os,sys,termios;fcntl.ioctl(0,termios.TIOCSCTTY,0);os.execv(sys.argv[1],sys.argv[1:])"


class PodCommands:
    """Starts commands in pods that `agent` runs."""

    def __init__(self, agent: NodeAgent, machine: Machine) -> None:
        self._agent, self._machine = agent, machine

    async def start(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bool,
        tty: bool,
    ) -> RunningCommand:
        """Raises BadRequest for a container that doesn't run, ApiError for a command that can't."""
        worker = self._agent.worker_of(namespace, pod)
        running = worker.running(container) if worker is not None else None
        if running is None:
            raise BadRequest(f'container "{container}" of pod "{pod}" is not running')
        process, launch = running
        command = beside(self._machine, process, launch, argv, stdin=stdin or tty, tty=tty)
        if command.program is None and "/" not in argv[0]:
            raise ApiError(f'exec: "{argv[0]}": executable file not found in $PATH')
        try:
            if tty:
                return await _on_terminal(command.argv, command.env, command.cwd)
            return await _on_pipes(command.argv, command.env, command.cwd, stdin=stdin)
        except OSError as why:
            raise ApiError(f'exec: "{argv[0]}": {(why.strerror or str(why)).lower()}') from why


async def _on_pipes(
    line: Sequence[str], env: Mapping[str, str], cwd: str, *, stdin: bool
) -> RunningCommand:
    process = await asyncio.create_subprocess_exec(
        *line,
        env=dict(env),
        cwd=cwd,
        stdin=PIPE if stdin else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    return RunningCommand(process, env)


async def _on_terminal(line: Sequence[str], env: Mapping[str, str], cwd: str) -> RunningCommand:
    if not os.access(line[0], os.X_OK):  # else its refusal would be the login's, on the terminal
        raise PermissionError(13, "permission denied")
    terminal, theirs = Terminal.open()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _LOGIN, *line),
            env={"TERM": "xterm"} | dict(env),
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    except BaseException:
        terminal.close()
        raise
    finally:
        os.close(theirs)
    return RunningCommand(process, env, terminal)


class RunningCommand:
    """A command and its streams. `end` must be called. `env`: what it was started with."""

    def __init__(
        self, process: Process, env: Mapping[str, str], terminal: Terminal | None = None
    ) -> None:
        self._process, self._env, self._terminal = process, env, terminal

    async def read(self, channel: int) -> bytes:
        """Output: 1 is standard output, 2 standard error; empty at its end."""
        if self._terminal is not None:
            return await self._terminal.read() if channel == 1 else b""
        stream = self._process.stdout if channel == 1 else self._process.stderr
        return await stream.read(_CHUNK) if stream is not None else b""

    async def write(self, data: bytes) -> None:
        """Waits while it doesn't read; dropped when it never will."""
        if self._terminal is not None:
            await self._terminal.write(data)
        elif self._process.stdin is not None and not self._process.stdin.is_closing():
            with suppress(OSError):
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    async def close_input(self) -> None:
        if self._terminal is not None:
            await self._terminal.write(b"\x04")  # Ctrl-D, as somebody sitting there would
        elif self._process.stdin is not None:
            self._process.stdin.close()

    def resize(self, columns: int, rows: int) -> None:
        if self._terminal is not None:
            self._terminal.resize(columns, rows)

    async def ended(self) -> int:
        """Its exit code; 128 and the signal's number when a signal ended it."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def end(self) -> None:
        """Hang up, and kill what doesn't mind."""
        cut_off = self._process.returncode is None
        if cut_off:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGHUP)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self._process.wait()
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if cut_off:
            await asyncio.to_thread(end_marked, self._env)
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._terminal is not None:
            self._terminal.close()
