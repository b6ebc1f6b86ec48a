"""How writes reach the database: in order, in batches, without holding up the event loop.

A batch is what queued while the last commit ran: nobody waits for company, and a burst costs one
fsync. A batch that fails takes everything behind it along (see `Record.epoch`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from tidegate.store.database import Database
from tidegate.store.record import Record

#: So many records at most in one transaction: bounds how long the first of them waits.
MAX_BATCH = 1000
#: Look for free pages after so many records.
TIDY_EVERY = 10_000

#: Called on the event loop, in order: a batch, and why it failed or None.
OnDone = Callable[[Sequence[Record], Exception | None], None]


class Journal(Protocol):
    """Where the store hands its records."""

    database: Database

    def start(self, on_done: OnDone) -> None:
        """Say once, before the first `submit`, who hears about finished batches."""
        ...

    def submit(self, record: Record) -> None:
        """Queue a record. Called on the event loop."""
        ...

    async def close(self) -> None:
        """Commit what is queued, then close the database."""
        ...


class InlineJournal:
    """No thread: what one turn of the event loop submitted is committed at the next.

    For tests on virtual time; the commit is the same code.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._queue: list[Record] = []
        self._failed_epoch = -1

    def start(self, on_done: OnDone) -> None:
        self._on_done = on_done

    def submit(self, record: Record) -> None:
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._flush)
        self._queue.append(record)

    async def close(self) -> None:
        self._flush()
        self.database.close()

    def _flush(self) -> None:
        batch = [r for r in self._queue if r.epoch > self._failed_epoch]
        self._queue = []
        if batch:
            failure = _commit(self.database, batch)
            if failure is not None:
                self._failed_epoch = batch[-1].epoch
            self._on_done(batch, failure)


class ThreadedJournal:
    """One writer thread, started with the first record.

    The thread owns the database between `submit` and `close`; the queue is all that it shares.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._queue: SimpleQueue[Record | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed: asyncio.Event | None = None

    def start(self, on_done: OnDone) -> None:
        self._on_done = on_done

    def submit(self, record: Record) -> None:
        if self._thread is None:
            self._loop, self._closed = asyncio.get_running_loop(), asyncio.Event()
            self._thread = threading.Thread(target=self._write, name="store-writer", daemon=True)
            self._thread.start()
        self._queue.put(record)

    async def close(self) -> None:
        if self._thread is not None and self._closed is not None:
            self._queue.put(None)
            await self._closed.wait()
            self._thread.join()
        self.database.close()

    def _write(self) -> None:
        assert self._loop is not None
        assert self._closed is not None
        failed_epoch, since_tidy, open_ = -1, 0, True
        while open_:
            batch, open_ = self._take(failed_epoch)
            if not batch:
                continue
            failure = _commit(self.database, batch)
            if failure is not None:
                failed_epoch = batch[-1].epoch
            self._tell(self._on_done, batch, failure)
            since_tidy += len(batch)
            if since_tidy >= TIDY_EVERY and failure is None:
                since_tidy = 0
                _tidy(self.database)
        self._tell(self._closed.set)

    def _take(self, failed_epoch: int) -> tuple[list[Record], bool]:
        """What is queued now, at least one record; False once `close` was asked for."""
        record = self._queue.get()
        batch: list[Record] = []
        while record is not None:
            if record.epoch > failed_epoch:
                batch.append(record)
            if len(batch) >= MAX_BATCH:
                return batch, True
            try:
                record = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed: nobody is left to hear it
            pass


def _commit(database: Database, batch: Sequence[Record]) -> Exception | None:
    try:
        database.commit(batch)
    except Exception as why:  # noqa: BLE001 - the writer must outlive any failure; it is reported
        return why
    return None


def _tidy(database: Database) -> None:
    try:
        database.tidy()
    except Exception:  # noqa: BLE001 - a full disk; the next writes say so themselves
        pass
