"""One batch from its input file to its output files: what its Job runs, again and again until it is over.

Each step can be done twice: ids of the files that it makes follow from the batch's, and a state is
written down before anything that depends on it begins.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from tidegate.batch.errors import BatchError, Stopped
from tidegate.batch.ledger import Mark
from tidegate.batch.openai.check import problems
from tidegate.batch.openai.records import (
    OVER,
    Batch,
    BatchErrors,
    Counts,
    FileRecord,
    has_expired,
    moved,
)
from tidegate.batch.openai.records import BatchError as Problem
from tidegate.batch.openai.shelf import Shelf
from tidegate.batch.plan import Plan, Progress
from tidegate.batch.runner import run_batch
from tidegate.batch.shapes import Failure, Shape
from tidegate.batch.spool import Paths, read_journal
from tidegate.kit.clock import Clock
from tidegate.kit.http_client import HttpClient, split_url

_CHUNK: Final = 1 << 20
_TELL_S: Final = 1.0
_FOREVER_S: Final = 10.0 * 24 * 3600  # the window ends it before
_EXPIRED: Final = "This request could not be executed before the completion window expired."


class Worker:
    """Works on one batch. `gateway` is its URL."""

    def __init__(
        self, shelf: Shelf, batch: Batch, gateway: str, clock: Clock, stop: asyncio.Event
    ) -> None:
        self._shelf, self._batch, self._gateway, self._clock = shelf, batch, gateway, clock
        self._stop = stop  # the process is to end; the batch isn't
        self._paths = Paths(shelf.folder(batch.id) / "out.jsonl")
        self._told_s = 0.0

    async def run(self) -> None:
        """Until it is over. Raises `BatchError` for what another start may mend."""
        if self._batch.status in OVER:
            return
        if self._batch.status == "validating" and not self._asked_to_end():
            await self._validate()
        if self._batch.status == "in_progress" or self._asked_to_end():
            await self._serve()
        if self._batch.status == "finalizing":
            out, errors = self._paths.output, self._paths.failed
            await asyncio.to_thread(self._finish, "completed", out, errors)

    async def _validate(self) -> None:
        batch = self._batch
        content = self._shelf.content(batch.input_file_id)
        file = self._shelf.file(batch.input_file_id)
        if file is None or has_expired(file, self._clock.now()):
            gone = Problem(code="file_not_found", message="The input file isn't there any more.")
            self._fail([gone])
            return
        models = await self._models()
        total, found = await asyncio.to_thread(problems, content, batch.endpoint, models)
        if found:
            self._fail(found)
            return
        counts = Counts(total=total)
        self._save(moved(batch, "in_progress", self._clock.now(), request_counts=counts))

    async def _models(self) -> Collection[str]:
        origin, _ = split_url(self._gateway)
        client = HttpClient(origin)
        try:
            answer = await client.send("GET", "/openai/v1/models", (), b"", timeout_s=30.0)
            return {each["id"] for each in msgspec.json.decode(answer.body)["data"]}
        except Exception as why:
            raise BatchError(f"the gateway doesn't say which models there are: {why}") from why
        finally:
            client.close()

    def _fail(self, found: list[Problem]) -> None:
        errors = BatchErrors(data=tuple(found))
        self._save(moved(self._batch, "failed", self._clock.now(), errors=errors))

    async def _serve(self) -> None:
        if not self._asked_to_end() or self._has("publishing"):
            try:
                await run_batch(self._plan(), self._clock, stop=self, say=self._tell)
            except Stopped:
                if not self._asked_to_end():
                    raise
        if not self._asked_to_end() or self._has("complete"):
            counts = self._counted()
            self._save(moved(self._batch, "finalizing", self._clock.now(), request_counts=counts))
        else:
            await asyncio.to_thread(self._cut_short)

    def _plan(self) -> Plan:
        batch = self._batch
        return Plan(
            url=self._gateway + "/openai",
            service=f"openai {batch.endpoint}",
            input=str(self._shelf.content(batch.input_file_id)),
            output=str(self._paths.output),
            input_format="jsonl",
            output_format="jsonl",
            shape=Shape("openai", "", run_id=batch.id),
            patience_s=_FOREVER_S,
            run=batch.id,
            hopeless_after=None,
        )

    def is_set(self) -> bool:
        """Whether the run is to stop (`runner.Stop`)."""
        return self._stop.is_set() or self._asked_to_end()

    def _asked_to_end(self) -> bool:
        return self._is_late() or self._shelf.cancel_asked(self._batch.id) is not None

    def _is_late(self) -> bool:
        return self._clock.now() >= self._batch.expires_at

    def _has(self, state: str) -> bool:
        """Whether its run is so far. One that is publishing serves nothing more, so it is ended well."""
        journal = read_journal(self._paths.journal)
        return journal is not None and journal.state == state

    def _tell(self, progress: Progress) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            counts = msgspec.structs.replace(
                self._batch.request_counts, completed=progress.served, failed=progress.failed
            )
            if counts != self._batch.request_counts:
                self._save(msgspec.structs.replace(self._batch, request_counts=counts))

    def _counted(self) -> Counts:
        journal = read_journal(self._paths.journal)
        was = self._batch.request_counts
        if journal is None:
            return was
        return Counts(total=was.total, completed=journal.served, failed=journal.failed)

    # --- the end

    def _cut_short(self) -> None:
        """Told to stop: what was served is the output; when the window is over, the rest has failed. The
        run's own files stay as they are, so that this can be done twice."""
        journal, counts = read_journal(self._paths.journal), self._counted()
        folder = self._shelf.folder(self._batch.id)
        out, failed = folder / "cut.jsonl", folder / "cut.failed.jsonl"
        _copy(self._paths.part, journal.out_bytes if journal else 0, out)
        _copy(self._paths.failed, journal.failed_bytes if journal else 0, failed)
        status = "expired" if self._is_late() else "cancelled"
        if status == "expired" and counts.total:
            unserved = self._expire(journal.mark if journal else Mark(), failed)
            counts = msgspec.structs.replace(counts, failed=counts.failed + unserved)
        self._batch = msgspec.structs.replace(self._batch, request_counts=counts)
        self._finish(status, out, failed)

    def _expire(self, done: Mark, failed: Path) -> int:
        """Says of every row that isn't done that it came too late; how many those are."""
        shape, count = Shape("openai", "", run_id=self._batch.id), 0
        why = Failure(_EXPIRED, code="batch_expired")
        content = self._shelf.content(self._batch.input_file_id)
        with content.open("rb") as file, failed.open("ab") as out:
            rows = (line for line in file if line.strip())
            for number, line in enumerate(rows):
                if number not in done:
                    out.write(shape.failed_line(number, msgspec.json.decode(line), why))
                    count += 1
        return count

    def _finish(self, status: str, output: Path, errors: Path) -> None:
        """The files go to the shelf, then the batch is over."""
        out, failed = self._publish(output, "output"), self._publish(errors, "error")
        self._save(
            moved(
                self._batch,
                status,
                self._clock.now(),
                output_file_id=out,
                error_file_id=failed,
                cancelling_at=self._shelf.cancel_asked(self._batch.id),
            )
        )

    def _publish(self, path: Path, what: str) -> str | None:
        digest = hashlib.sha256(f"{self._batch.id} {what}".encode()).hexdigest()[:24]
        id_ = f"file-{digest}"
        content = path if path.exists() else self._shelf.content(id_)  # else it was moved already
        if not content.exists() or not content.stat().st_size:
            return None
        now_s, kept = int(self._clock.now()), self._batch.output_expires_after
        record = FileRecord(
            id=id_,
            bytes=content.stat().st_size,
            created_at=now_s,
            expires_at=now_s + kept.seconds if kept else None,
            filename=f"{self._batch.id}_{what}.jsonl",
            purpose="batch_output",
        )
        self._shelf.add_file(path, record)
        return id_

    def _save(self, batch: Batch) -> None:
        self._batch = batch
        self._shelf.save(batch)


def _copy(path: Path, size: int, to: Path) -> None:
    """The first bytes of a file that may not be there."""
    with to.open("wb") as out:
        if size:
            with path.open("rb") as file:
                while size and (chunk := file.read(min(size, _CHUNK))):
                    out.write(chunk)
                    size -= len(chunk)
