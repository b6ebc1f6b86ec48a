"""Bodies of requests and answers, to and from the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegate.batch.openai.records import MOST_FILE_BYTES, Refused

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_MOST_BODY_BYTES: Final = 64 * 1024
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: JSON, or a file from the disk."""

    body: bytes = b""
    file: Path | None = None
    status: int = 200


def too_large() -> Refused:
    """413: a file beyond the limit."""
    return Refused(413, f"a file has at most {MOST_FILE_BYTES} bytes (200 MB)", param="file")


def copy_part(source: Any, begin: int, end: int, to: Path) -> None:
    """A part of an open file into one of its own; on the disk when this returns."""
    source.seek(begin)
    left = end - begin
    with to.open("wb") as out:
        while left:
            chunk = source.read(min(_CHUNK, left))
            out.write(chunk)
            left -= len(chunk)
        out.flush()
        os.fsync(out.fileno())


async def save_body(receive: Receive, path: Path, most_bytes: int) -> None:
    """A request's body into a file. Raises `Refused`."""
    size = 0
    with path.open("wb") as out:
        async for piece in _pieces(receive):
            size += len(piece)
            if size > most_bytes:
                raise too_large()
            out.write(piece)


async def whole_body(receive: Receive) -> bytes:
    """A small body. Raises `Refused`."""
    out = b""
    async for piece in _pieces(receive):
        out += piece
        if len(out) > _MOST_BODY_BYTES:
            raise Refused(413, f"the request has more than {_MOST_BODY_BYTES} bytes")
    return out


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request was cut short")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def send_reply(reply: Reply, send: Send) -> None:
    """A file goes out in pieces."""
    if reply.file is None:
        kind, size = b"application/json", len(reply.body)
    else:
        kind, size = b"application/octet-stream", reply.file.stat().st_size
    headers = [(b"content-type", kind), (b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.file is None:
        await send({"type": "http.response.body", "body": reply.body})
        return
    with reply.file.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})
