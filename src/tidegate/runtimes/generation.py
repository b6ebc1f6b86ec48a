"""One text generation: pieces come from a model's thread and go out as events, or as one answer.

A caller who hangs up stops the generation at its next piece, so that a slot is never busy for
nobody. That is also why whole answers are generated in pieces.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tidegate.protocols import openai
from tidegate.protocols.errors import InferenceFailed, ProtocolError
from tidegate.protocols.openai import Chat, ChatPiece, Generate, Piece, TextPiece
from tidegate.protocols.openai_whole import join_chat, join_text
from tidegate.runtimes.workers import Workers

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Run = Callable[[Generate, Callable[[Any], bool]], None]

_log = logging.getLogger("tidegate.runtimes")
_NOTHING = "The model ended without an answer."


class Generation:
    """Runs `call` (a `TextModel`'s `chat` or `complete`) once. Owned by one request's task."""

    def __init__(self, call: Run, asked: Generate, workers: Workers) -> None:
        self._call, self._asked, self._workers = call, asked, workers
        self._pieces: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()  # None: the end
        self._stop = threading.Event()  # set by the loop, read by the model's thread
        self._hung_up = False

    async def whole(self, receive: Receive) -> Chat | TextPiece | None:
        """The joined answer; None when the caller hung up. Raises what the model raised."""
        chat: list[ChatPiece] = []
        text: list[TextPiece] = []
        failed: Exception | None = None
        async with self._running(receive):
            async for piece in self._each():
                match piece:
                    case ChatPiece():
                        chat.append(piece)
                    case TextPiece():
                        text.append(piece)
                    case error:
                        failed = error
        if self._hung_up:
            return None
        if failed is not None:
            raise failed
        if not chat and not text:
            raise InferenceFailed(_NOTHING)
        return join_chat(chat) if chat else join_text(text)

    async def stream(
        self, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Server-sent events. Raises what the model raised if no event had gone out; a stream
        that has begun ends with an error event instead."""
        begun = False
        failed: Exception | None = None
        async with self._running(receive):
            async for piece in self._each():
                if isinstance(piece, Exception):
                    failed = piece
                    continue
                wanted = self._trim(piece)
                if wanted is None:
                    continue
                if not begun:
                    begun = True
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send(_event(openai.render_event(wanted), more=True))
        if self._hung_up:
            return
        if not begun:
            raise failed or InferenceFailed(_NOTHING)
        if failed is not None:
            await send(_event(openai.render_error_event(_as_protocol_error(failed)), more=True))
        await send(_event(openai.DONE, more=False))

    def _trim(self, piece: Piece) -> Piece | None:
        """Without the usage that the caller didn't ask for; None when nothing is left."""
        if self._asked.include_usage or not isinstance(piece.usage, openai.Usage):
            return piece
        return openai.without_usage(piece) if piece.choices else None

    async def _each(self) -> AsyncIterator[Piece | Exception]:
        while (piece := await self._pieces.get()) is not None:
            yield piece

    @asynccontextmanager
    async def _running(self, receive: Receive) -> AsyncIterator[None]:
        """The model works on its thread while somebody listens for the caller to hang up.

        However the block ends, the thread is told to stop and waited for: none outlives it.
        """
        loop = asyncio.get_running_loop()

        def put(piece: Piece | Exception | None) -> None:
            loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

        def emit(piece: Piece) -> bool:
            put(piece)
            return not self._stop.is_set()

        def work() -> None:
            try:
                if not self._stop.is_set():  # the caller may have gone while this waited its turn
                    self._call(self._asked, emit)
            except Exception as why:  # noqa: BLE001 - the thread's edge: the loop raises or reports it
                put(why)
            finally:
                put(None)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._workers.in_thread(work))
            watching = tasks.create_task(self._watch(receive))
            try:
                yield
            finally:
                self._stop.set()
                watching.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._hung_up = True
        self._stop.set()


def _as_protocol_error(why: Exception) -> ProtocolError:
    if isinstance(why, ProtocolError):
        return why
    _log.error("a generation failed", exc_info=why)
    return InferenceFailed(f"{type(why).__name__}: {why}")


def _event(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}
