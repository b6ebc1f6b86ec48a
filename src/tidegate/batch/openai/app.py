"""Answers the Files and Batch parts of OpenAI's API. Holds nothing: every answer is read from the shelf.

Bare ASGI behind `/openai/v1`; `jobs.ensure` is all it does beside reading and writing records.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec

from tidegate.batch.errors import OutputFailed
from tidegate.batch.openai.bodies import (
    Receive,
    Reply,
    Send,
    copy_part,
    save_body,
    send_reply,
    too_large,
    whole_body,
)
from tidegate.batch.openai.form import boundary_of, expiry_of, parts_of
from tidegate.batch.openai.records import (
    MOST_FILE_BYTES,
    OVER,
    WINDOW_S,
    Batch,
    FileRecord,
    NewBatch,
    Refused,
    checked,
    has_expired,
    moved,
)
from tidegate.batch.openai.shelf import Shelf, new_id
from tidegate.kit.clock import Clock

R = TypeVar("R", FileRecord, Batch)

_log = logging.getLogger("tidegate.batch.openai")
PREFIX: Final = "/openai/v1/"
_FORM_BYTES: Final = 64 * 1024  # what a form has beside its file
_BEGUN_S: Final = 5  # a batch that nobody has begun by then may have nobody to do it
_FORGOTTEN_S: Final = 3600
_LATE_S: Final = 600  # after its window, a batch without an end has expired


class Work(Protocol):
    """Who sees to it that batches are worked on."""

    def ensure(self, batch_id: str) -> None: ...


class BatchApi:
    """The ASGI application."""

    def __init__(self, shelf: Shelf, work: Work, clock: Clock) -> None:
        self._shelf, self._work, self._clock = shelf, work, clock

    async def look_after_all(self) -> None:
        """Every batch that isn't over is worked on: who made it may have died before it said so. What
        was left of uploads goes."""
        now_s = self._clock.now()
        self._shelf.forget_arrivals(now_s - _FORGOTTEN_S)
        await asyncio.to_thread(self._shelf.forget_expired, now_s)
        for batch in await asyncio.to_thread(lambda: list(self._shelf.batches())):
            if batch.status not in OVER:
                await self._ensure(batch.id)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI's entry: the outer handler of every request."""
        try:
            reply = await self._answer(scope, receive)
        except Refused as why:
            reply = Reply(why.body(), status=why.status)
        except (OSError, OutputFailed) as why:
            _log.warning("%s %s: %s", scope["method"], scope["path"], why)
            reply = Reply(Refused(507, f"it can't be stored: {why}").body(), status=507)
        except Exception as why:  # noqa: BLE001 - the outer handler: report, answer, live on
            _log.exception("%s %s failed", scope["method"], scope["path"])
            failed = Refused(500, f"{type(why).__name__}: {why}")
            reply = Reply(failed.body(), status=500)
        await send_reply(reply, send)

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> Reply:
        method, path = scope["method"], scope["path"]
        if path == "/healthz":
            return Reply(b"{}")
        parts = path.removeprefix(PREFIX).strip("/").split("/")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        match (method, parts):
            case ("POST", ["files"]):
                return await self._upload(scope, receive)
            case ("GET", ["files"]):
                return await asyncio.to_thread(self._list_files, query)
            case ("GET", ["files", id_]):
                return _json(self._file(id_))
            case ("GET", ["files", id_, "content"]):
                return Reply(file=self._shelf.content(self._file(id_).id))
            case ("DELETE", ["files", id_]):
                await asyncio.to_thread(self._shelf.remove_file, self._file(id_).id)
                gone = {"id": id_, "object": "file", "deleted": True}
                return Reply(msgspec.json.encode(gone))
            case ("POST", ["batches"]):
                return await self._create(await whole_body(receive))
            case ("GET", ["batches"]):
                return await asyncio.to_thread(self._list_batches, query)
            case ("GET", ["batches", id_]):
                return _json(await self._seen(id_))
            case ("POST", ["batches", id_, "cancel"]):
                return await self._cancel(id_)
            case _:
                said = f"Unknown request URL: {method} {path}"
                raise Refused(404, said, code="unknown_url")

    # --- files

    async def _upload(self, scope: dict[str, Any], receive: Receive) -> Reply:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        boundary = boundary_of(headers.get(b"content-type", ""))
        if int(headers.get(b"content-length", "0")) > MOST_FILE_BYTES + _FORM_BYTES:
            raise too_large()
        id_ = new_id("file")
        form = self._shelf.arriving / id_
        try:
            await save_body(receive, form, MOST_FILE_BYTES + _FORM_BYTES)
            record = await asyncio.to_thread(self._take, id_, form, boundary)
        finally:
            form.unlink(missing_ok=True)
        return _json(record)

    def _take(self, id_: str, form: Path, boundary: bytes) -> FileRecord:
        parts = parts_of(form, boundary)
        with form.open("rb") as source:
            asked = expiry_of(source, parts)
            file = parts["file"]
            if file.end - file.begin > MOST_FILE_BYTES:
                raise too_large()
            content = form.with_name(f"{id_}.content")
            copy_part(source, file.begin, file.end, content)
        now_s = int(self._clock.now())
        record = FileRecord(
            id=id_,
            bytes=file.end - file.begin,
            created_at=now_s,
            filename=file.filename or "",
            purpose="batch",
            expires_at=now_s + asked.seconds if asked else None,
        )
        self._shelf.add_file(content, record)
        return record

    def _file(self, id_: str) -> FileRecord:
        found = self._shelf.file(id_)
        if found is None or has_expired(found, self._clock.now()):
            raise Refused(404, f"No such File object: {id_}", param="id", code="not_found")
        return found

    def _list_files(self, query: Mapping[str, str]) -> Reply:
        wanted = query.get("purpose")
        now_s = self._clock.now()
        files = [
            file
            for file in self._shelf.files()
            if wanted in (None, file.purpose) and not has_expired(file, now_s)
        ]
        if query.get("order") == "asc":
            files.reverse()
        return _page(files, query, most=10_000)

    # --- batches

    async def _create(self, body: bytes) -> Reply:
        try:
            new = msgspec.json.decode(body, type=NewBatch)
        except msgspec.DecodeError as why:
            raise Refused(400, f"the request is no batch: {why}") from why
        checked(new)
        self._file(new.input_file_id)
        now_s = int(self._clock.now())
        batch = Batch(
            id=new_id("batch"),
            endpoint=new.endpoint,
            input_file_id=new.input_file_id,
            created_at=now_s,
            expires_at=now_s + WINDOW_S,
            metadata=new.metadata,
            output_expires_after=new.output_expires_after,
        )
        await asyncio.to_thread(self._shelf.save, batch)
        await self._ensure(batch.id)
        return _json(batch)

    async def _seen(self, id_: str) -> Batch:
        batch = await asyncio.to_thread(self._shelf.batch, id_)
        if batch is None:
            raise Refused(404, f"No batch found with id '{id_}'.", param="id", code="not_found")
        late = self._clock.now() > batch.expires_at + _LATE_S
        if late and batch.status not in OVER:
            return moved(batch, "expired", batch.expires_at)
        if batch.status == "validating" and self._clock.now() > batch.created_at + _BEGUN_S:
            await self._ensure(id_)
        return batch

    async def _cancel(self, id_: str) -> Reply:
        batch = await self._seen(id_)
        if batch.status in OVER:
            raise Refused(
                409, f"Cannot cancel a batch with status '{batch.status}'.", code="invalid_state"
            )
        if batch.status != "cancelling":
            await asyncio.to_thread(self._shelf.ask_to_cancel, id_, self._clock.now())
        return _json(await self._seen(id_))

    def _list_batches(self, query: Mapping[str, str]) -> Reply:
        return _page(list(self._shelf.batches()), query, most=100)

    async def _ensure(self, id_: str) -> None:
        """The record is there: what can't be asked for now is asked for when this starts again."""
        try:
            await asyncio.to_thread(self._work.ensure, id_)
        except Exception as why:  # noqa: BLE001 - whatever the API says, the batch is kept
            _log.warning("batch %s waits: %s", id_, why)


def _page(found: Sequence[R], query: Mapping[str, str], *, most: int) -> Reply:
    try:
        limit = int(query.get("limit", min(most, 20) if most == 100 else most))
    except ValueError:
        limit = 0
    if not 1 <= limit <= most:
        raise Refused(400, f"limit is a number from 1 to {most}", param="limit")
    after = query.get("after")
    if after is not None:
        ids = [each.id for each in found]
        if after not in ids:
            raise Refused(400, f"after: there is no {after!r}", param="after")
        found = found[ids.index(after) + 1 :]
    page = found[:limit]
    return Reply(
        msgspec.json.encode(
            {
                "object": "list",
                "data": page,
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": len(found) > limit,
            }
        )
    )


def _json(record: FileRecord | Batch) -> Reply:
    return Reply(msgspec.json.encode(record))
