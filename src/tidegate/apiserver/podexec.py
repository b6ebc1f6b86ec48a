"""`pods/NAME/exec`: a command beside a container's process, its streams over one WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from tidegate.apiserver.channels import V4, V5, Channel, Close, Data, ended, failed, joined, size_of
from tidegate.apiserver.channels import split as split_message
from tidegate.apiserver.exchange import Ask
from tidegate.apiserver.podlogs import container_of
from tidegate.apiserver.sessions import Closed, Session, Socket
from tidegate.apiserver.targets import Target
from tidegate.kit.clock import Clock
from tidegate.model.errors import ApiError, BadRequest, NotFound
from tidegate.model.pods import Pod
from tidegate.store import Store

_HEARTBEAT_S = 5.0
_LAST_WORDS_S = 2.0  # for output on its way; a child in the background may hold the pipe for ever


class Command(Protocol):
    """A command that runs. With a terminal all output is on STDOUT."""

    async def read(self, channel: Channel) -> bytes:
        """The next output of STDOUT or STDERR; empty at its end."""
        ...

    async def write(self, data: bytes) -> None:
        """To its standard input; dropped when it reads no more."""
        ...

    async def close_input(self) -> None: ...

    def resize(self, columns: int, rows: int) -> None: ...

    async def ended(self) -> int:
        """Its exit code; 128 and the signal's number when a signal ended it."""
        ...

    async def end(self) -> None:
        """Nothing of it is left when this returns."""
        ...


class CommandSource(Protocol):
    """Who runs commands; `app` hands in the node agent's."""

    async def start(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bool,
        tty: bool,
    ) -> Command:
        """Raises ApiError."""
        ...


@dataclass(frozen=True, slots=True)
class _Wanted:
    namespace: str
    pod: str
    container: str
    argv: tuple[str, ...]
    channels: tuple[Channel, ...]  # of its output
    stdin: bool
    tty: bool


class PodExec:
    def __init__(self, store: Store, source: CommandSource | None, clock: Clock) -> None:
        self._store, self._source, self._clock = store, source, clock

    async def open(self, ask: Ask, target: Target) -> Session:
        """Raises NotFound, BadRequest."""
        pod = self._store.get(Pod, target.namespace or "", target.name or "")
        if pod is None:
            raise NotFound("pods", target.name or "")
        wanted = _wanted(ask, pod)
        source = self._source
        if source is None:
            raise BadRequest("this API server runs without a node, so there is nothing to run in")

        async def run(socket: Socket) -> None:
            try:
                command = await source.start(
                    wanted.namespace,
                    wanted.pod,
                    wanted.container,
                    wanted.argv,
                    stdin=wanted.stdin,
                    tty=wanted.tty,
                )
            except ApiError as why:
                await socket.send(failed(why))
                return
            try:
                code = await _converse(socket, command, wanted, self._clock)
                await socket.send(ended(code))
            finally:
                await command.end()

        return Session((V5, V4), run)


def _wanted(ask: Ask, pod: Pod) -> _Wanted:
    argv = tuple(
        v for k, v in parse_qsl(ask.query_string, keep_blank_values=True) if k == "command"
    )
    if not argv:
        raise BadRequest("you must specify at least 1 command for the container")
    tty = ask.flag("tty")
    channels = [Channel.STDOUT] if ask.flag("stdout") else []
    if ask.flag("stderr") and not tty:
        channels.append(Channel.STDERR)
    stdin = ask.flag("stdin")
    if not channels and not stdin:
        raise BadRequest("one of stdin, stdout and stderr must be true")
    return _Wanted(
        pod.metadata.namespace or "",
        pod.metadata.name,
        container_of(pod, ask.query.get("container")),
        argv,
        tuple(channels),
        stdin,
        tty,
    )


async def _converse(socket: Socket, command: Command, wanted: _Wanted, clock: Clock) -> int:
    """The exit code. Raises Closed when the client leaves first."""
    try:
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(_listen(socket, command, wanted))
            beating = tasks.create_task(_beat(socket, clock))
            telling = [tasks.create_task(_tell(socket, command, c)) for c in wanted.channels]
            code = await command.ended()
            if telling:
                await asyncio.wait(telling, timeout=_LAST_WORDS_S)
            for task in (listening, beating, *telling):
                task.cancel()
    except* Closed as why:
        raise Closed from why
    return code


async def _beat(socket: Socket, clock: Clock) -> None:
    """Says nothing now and then: while the command reads no input nothing is received either, and a
    client that has gone is known only by what can't be sent. Raises Closed."""
    while True:
        await clock.sleep(_HEARTBEAT_S)
        await socket.send(joined(Channel.STDOUT, b""))


async def _tell(socket: Socket, command: Command, channel: Channel) -> None:
    while data := await command.read(channel):
        await socket.send(joined(channel, data))


async def _listen(socket: Socket, command: Command, wanted: _Wanted) -> None:
    """Until cancelled. Raises Closed."""
    while True:
        match split_message(await socket.receive()):
            case Data(Channel.STDIN, data) if wanted.stdin:
                await command.write(data)
            case Close(Channel.STDIN) if wanted.stdin:
                await command.close_input()
            case Data(Channel.RESIZE, data):
                size = size_of(data)
                if size is not None and wanted.tty:
                    command.resize(size.columns, size.rows)
            case _:
                pass
