"""The agent's line to the keeper: asks, the mirrored process table, and who has ended.

A keeper may be killed and replaced at any time; the line then connects again, reads the table anew
and sends once more what had no answer. That is safe because every operation is: names are unique
for all time, so a spawn asked twice is one process.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.link.frames import LINE_BYTES, decode_line, encode_line
from tidegate.link.keeper import Process, SpawnSpec, process_from_wire, to_wire
from tidegate.link.unix import short_path
from tidegate.node.errors import KeeperRefused

_LOG = logging.getLogger(__name__)
_RETRY_S = (0.01, 0.02, 0.05, 0.1, 0.2)
_LOST_AFTER_S = 0.15  # nobody else starts one sooner, and a second start finds the first one's lock
_ASK_AGAIN_S = 5.0

OnLost = Callable[[], Awaitable[None]]


class Keeper(Protocol):
    """Processes on request. `KeeperLink` is the real one."""

    @property
    def processes(self) -> Mapping[str, Process]:
        """The keeper's table as last heard, by name."""
        ...

    async def run(self) -> None:
        """Stay connected until cancelled."""
        ...

    async def connected(self) -> None:
        """Return once the table has been read."""
        ...

    async def spawn(self, spec: SpawnSpec) -> Process:
        """The process, exec done. Raises `KeeperRefused`."""
        ...

    async def signal(self, name: str, number: int) -> None:
        """To the process group; nothing happens to one that has ended. Raises nothing."""
        ...

    async def kill_tree(self, name: str) -> None:
        """SIGKILL to all of it; returns when nothing is left."""
        ...

    async def forget(self, name: str) -> None:
        """Drop an ended process from the table."""
        ...

    async def ended(self, name: str) -> Process:
        """Wait until it has ended. One that no keeper knows has ended, nobody knows how."""
        ...


class KeeperLink:
    """`Keeper` over the Unix socket of a home. `run` owns the connection; one per agent.

    `on_lost` is awaited, again and again with pauses, while no keeper can be reached for a
    moment: the place to start another one.
    """

    def __init__(self, home: Home, clock: Clock, *, on_lost: OnLost | None = None) -> None:
        self._path, self._clock, self._on_lost = home.keeper_socket, clock, on_lost
        self._ids = itertools.count(1)
        self._table: dict[str, Process] = {}
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._endings: dict[str, list[asyncio.Future[Process]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()

    @property
    def processes(self) -> Mapping[str, Process]:
        return self._table

    async def connected(self) -> None:
        await self._ready.wait()

    async def run(self) -> None:
        while True:
            reader, writer = await self._connect()
            try:
                await self._follow(reader, writer)
            except (OSError, ValueError) as why:
                _LOG.warning("the keeper's line broke: %s", why)
            finally:
                self._hang_up(writer)

    async def spawn(self, spec: SpawnSpec) -> Process:
        answer = await self._ask("spawn", spec.name, spec=to_wire(spec))
        process = process_from_wire(answer["process"])
        known = self._table.get(process.name)
        if known is None or not known.ended:
            self._put(process)
        return self._table[process.name]

    async def signal(self, name: str, number: int) -> None:
        try:
            await self._ask("signal", name, name=name, signal=number)
        except KeeperRefused as why:
            _LOG.debug("%s", why)

    async def kill_tree(self, name: str) -> None:
        try:
            await self._ask("kill_tree", name, name=name)
        except KeeperRefused as why:
            _LOG.debug("%s", why)

    async def forget(self, name: str) -> None:
        try:
            await self._ask("forget", name, name=name)
        except KeeperRefused as why:
            _LOG.warning("%s", why)
            return
        self._table.pop(name, None)

    async def ended(self, name: str) -> Process:
        await self._ready.wait()
        known = self._table.get(name)
        if known is None:
            return _vanished(name)
        if known.ended:
            return known
        future: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        waiting = self._endings.setdefault(name, [])
        waiting.append(future)
        try:
            return await future
        finally:
            waiting.remove(future)

    async def _ask(self, op: str, about: str, **fields: Any) -> dict[str, Any]:
        """The answer, however many keepers it takes. Raises `KeeperRefused`."""
        while True:
            await self._ready.wait()
            try:
                answer = await self._ask_once(op, fields)
            except ConnectionError:
                continue
            if "error" in answer:
                raise KeeperRefused(op, about, str(answer["error"]), answer.get("errno"))
            return answer

    async def _ask_once(self, op: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        if self._writer is None:
            raise ConnectionError("no keeper")
        number = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        try:
            self._writer.write(encode_line({"op": op, "id": number, **fields}))
            return await future
        finally:
            self._answers.pop(number, None)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        since_s = self._clock.monotonic()
        for tries in itertools.count():
            try:
                with short_path(self._path) as path:
                    return await asyncio.open_unix_connection(path, limit=LINE_BYTES)
            except OSError:
                pass
            if self._on_lost and self._clock.monotonic() - since_s >= _LOST_AFTER_S:
                await self._on_lost()
                since_s = self._clock.monotonic() + _ASK_AGAIN_S - _LOST_AFTER_S
            await self._clock.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
        raise AssertionError("count() ends never")

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        writer.write(encode_line({"op": "subscribe", "id": 0}))
        while line := await reader.readline():
            self._heard(decode_line(line))

    def _heard(self, message: Mapping[str, Any]) -> None:
        if message.get("event") == "exited":
            self._put(process_from_wire(message["process"]))
        elif message.get("id") == 0:
            self._read_table([process_from_wire(raw) for raw in message["processes"]])
        elif message.get("id") in self._answers:
            future = self._answers[message["id"]]
            if not future.done():
                future.set_result(dict(message))

    def _read_table(self, processes: list[Process]) -> None:
        self._table = {process.name: process for process in processes}
        self._ready.set()
        for name in list(self._endings):
            known = self._table.get(name)
            if known is None or known.ended:
                self._tell(known or _vanished(name))

    def _put(self, process: Process) -> None:
        self._table[process.name] = process
        if process.ended:
            self._tell(process)

    def _tell(self, process: Process) -> None:
        for future in self._endings.pop(process.name, ()):
            if not future.done():  # else its waiter was cancelled
                future.set_result(process)

    def _hang_up(self, writer: asyncio.StreamWriter) -> None:
        self._ready.clear()
        self._writer = None
        writer.close()
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ConnectionError("the keeper went away"))


def _vanished(name: str) -> Process:
    return Process(name, 0, 0, "", ended=True)
