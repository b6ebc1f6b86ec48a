"""Between ASGI's WebSocket messages and a `Session`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from tidegate.apiserver.exchange import Reply
from tidegate.apiserver.sessions import Closed, Session

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger(__name__)


class AsgiSocket:
    """`sessions.Socket` over ASGI."""

    def __init__(self, protocol: str, receive: Receive, send: Send) -> None:
        self._protocol, self._receive, self._send = protocol, receive, send

    @property
    def protocol(self) -> str:
        return self._protocol

    async def receive(self) -> bytes:
        """A text message counts as its bytes. Raises Closed."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise Closed
            if message["type"] == "websocket.receive":
                data = message.get("bytes")
                return bytes(data) if data is not None else str(message.get("text", "")).encode()

    async def send(self, message: bytes) -> None:
        try:
            await self._send({"type": "websocket.send", "bytes": message})
        except OSError as why:
            raise Closed from why


async def refuse(reply: Reply, send: Send) -> None:
    """Instead of a handshake: an answer like any other."""
    length = str(len(reply.body)).encode()
    headers = [(b"content-type", reply.media.encode()), (b"content-length", length)]
    start = {"type": "websocket.http.response.start", "status": reply.code, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": reply.body})


async def converse(
    session: Session, protocol: str, receive: Receive, send: Send, *, closing: asyncio.Event
) -> None:
    """Shake hands, run the session to its end (or until `closing`), hang up."""
    offered = protocol if protocol in session.protocols else None
    await send({"type": "websocket.accept", "subprotocol": offered})
    socket = AsgiSocket(protocol, receive, send)
    code: int | None = 1000  # None: nobody is left to tell
    try:
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(_run(session, socket))
            stopping = group.create_task(closing.wait())
            await asyncio.wait((talking, stopping), return_when=asyncio.FIRST_COMPLETED)
            for task in (talking, stopping):
                task.cancel()
    except* Closed:
        code = None
    except* Exception:  # noqa: BLE001 - the edge of a session; reported
        _log.exception("a WebSocket failed")
        code = 1011
    if code is not None:
        with suppress(OSError):  # the client left at the same moment
            await send({"type": "websocket.close", "code": code})


async def _run(session: Session, socket: AsgiSocket) -> None:
    await session.run(socket)
