"""The control plane's end of the link to the gateway: connects, reconnects, hands messages on.

Whoever owns the routing table gives the snapshot for each new connection; whoever is interested
in what the gateway tells adds a listener. Messages sent while nobody is connected are dropped:
the next snapshot carries their content.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tidegate.kit.clock import Clock
from tidegate.link.gateway import (
    FromGateway,
    Hello,
    Snapshot,
    ToGateway,
    decode_from_gateway,
    encode,
)
from tidegate.link.unix import short_path

log = logging.getLogger(__name__)

RETRY_S = 0.1  # a restarted gateway listens within a tenth of a second or two
MOST_RETRY_S = (
    2.0  # where it hangs up again and again (it can't save its table): a snapshot is large
)
LINE_LIMIT = 2**20
MAX_UNREAD = (
    64 * 2**20
)  # what a gateway that stands still is owed before it gets a snapshot instead


class GatewayLink:
    """Owned by the task that runs `run`; `send` is for the same event loop."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._listeners: list[Callable[[FromGateway], None]] = []
        self._writer: asyncio.StreamWriter | None = None
        self.hello: Hello | None = None  # of the gateway that is connected now

    def listen(self, listener: Callable[[FromGateway], None]) -> None:
        """Call `listener` for every message. It must not block or raise."""
        self._listeners.append(listener)

    @property
    def connected(self) -> bool:
        return self._writer is not None

    def send(self, message: ToGateway) -> None:
        if self._writer is None:
            return
        self._writer.write(encode(message))
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD:
            log.error("the gateway does not read what it is told: connecting again")
            self._writer.transport.abort()
            self._writer = None

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Keep connected until cancelled; each connection starts with `snapshot()`."""
        pause_s = RETRY_S
        while True:
            began_s = self._clock.monotonic()
            try:
                with short_path(self._path) as short:
                    reader, writer = await asyncio.open_unix_connection(short, limit=LINE_LIMIT)
            except OSError:
                await self._clock.sleep(RETRY_S)
                continue
            try:
                await self._talk(reader, writer, snapshot)
            except OSError as why:
                log.warning("the link to the gateway broke: %s", why)
            finally:
                self._writer = None
                self.hello = None
                writer.close()
            brief = self._clock.monotonic() - began_s < MOST_RETRY_S
            await self._clock.sleep(pause_s)
            pause_s = min(MOST_RETRY_S, pause_s * 2) if brief else RETRY_S

    async def _talk(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        snapshot: Callable[[], Snapshot],
    ) -> None:
        while (line := await reader.readline()).endswith(b"\n"):  # half of one: killed meanwhile
            message = decode_from_gateway(line)
            if isinstance(message, Hello):
                self.hello = message
            for listener in self._listeners:
                listener(message)
            if isinstance(message, Hello):
                self._writer = writer
                self.send(snapshot())
