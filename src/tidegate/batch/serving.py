"""The rows of one start of a run: read, sent, put in order, written, told about.

One task per request in flight, one that saves once a second; rows are read on a thread, a few ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

from tidegate.batch.calls import PRIORITY, Caller, Weather
from tidegate.batch.errors import BadPlan, BatchError, OutputFailed, ServiceAway, Stopped
from tidegate.batch.ledger import Entry, Ledger
from tidegate.batch.pace import Pace
from tidegate.batch.places import Source
from tidegate.batch.plan import Plan, Progress, Summary
from tidegate.batch.rows import Row, Start, read_rows, row_count
from tidegate.batch.shapes import BadAnswer, Failure, Shape, check_shape, detect
from tidegate.batch.spool import Spool
from tidegate.batch.template import BadRow
from tidegate.kit.clock import Clock
from tidegate.kit.http_client import HttpAnswer, HttpClient, Origin, split_url

_SAVE_BYTES: Final = 8 * 2**20  # written sooner than after a second
_HELD_BYTES: Final = (
    64 * 2**20
)  # rows on their way; lines that wait for their turn, or for the disk
_AHEAD: Final = 2000  # rows that may be done before one that isn't
_READ_AT_ONCE: Final = 64
_READ_BYTES: Final = 4 * 2**20

Say = Callable[[Progress], None]


class Stop(Protocol):
    """Whether it is to end early: an Event, for one."""

    def is_set(self) -> bool: ...


class RowsRun:
    """The rows of one start. Owned by the event loop."""

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        source: Source,
        spool: Spool,
        stop: Stop,
        say: Say,
    ) -> None:
        self._plan, self._clock, self._source, self._spool = plan, clock, source, spool
        self._stop, self._say = stop, say
        self._mark = spool.journal.mark
        self._ledger = Ledger.resumed(self._mark, ordered=plan.ordered)
        known = spool.journal.protocol
        self._shape = plan.shape if known == "auto" else replace(plan.shape, protocol=known)
        self._began_s = clock.monotonic()
        self._weather = Weather(self._began_s)
        self._pace = Pace(most=plan.most_concurrency, fixed=plan.concurrency)
        self._unsaved: list[Entry] = []
        self._unsaved_bytes = 0
        self._saving = asyncio.Lock()
        self._changed = asyncio.Event()
        self._flying_rows = self._flying_bytes = self._flying = 0
        self._served = self._failed = 0  # of this start
        self._rows_in_all: int | None = None

    # --- the whole

    async def serve_all(self) -> None:
        """Serve every row that isn't done, and write what comes. Raises `BatchError`."""
        origin, prefix = _server(self._plan)
        client = HttpClient(origin)
        caller = self._caller(client, prefix)
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(self._save_often()), tasks.create_task(self._watch())]
                await self._feed(tasks, caller)
                while self._flying:
                    await self._wait()
                for task in beside:
                    task.cancel()
        except BaseExceptionGroup as group:
            why = _first(group)
            if isinstance(why, _Hopeless):
                self._spool.discard()
                raise BatchError(str(why)) from why
            if not isinstance(why, OutputFailed):
                await self._save()
                if self._spool.is_empty:
                    self._spool.discard()
            if isinstance(why, ServiceAway | Stopped):
                raise type(why)(f"{why}. {self._way_on(why)}") from None
            raise why from None
        finally:
            client.close()
        await self._save()

    def _way_on(self, why: ServiceAway | Stopped) -> str:
        if self._spool.is_empty:
            return "No row was done yet"
        kept = "What is done is kept: the same command goes on from there"
        return f"{kept}; --on-error record goes past it" if isinstance(why, _RowFailed) else kept

    def summary(self, *, already: bool = False) -> Summary:
        """How it stands."""
        journal = self._spool.journal
        resumed = not already and self._mark.next > 0
        return Summary(
            served=journal.served,
            failed=journal.failed,
            took_s=journal.took_s,
            resumed_at=self._mark.next if resumed else None,
            already_complete=already,
            yields=self._weather.yields,
            output=self._plan.output,
            failed_file=self._plan.failed_place if journal.failed else None,
        )

    def _caller(self, client: HttpClient, prefix: str) -> Caller:
        plan = self._plan
        priority = "batch-demand" if plan.counts_as_demand else "batch"
        headers = [("Content-Type", "application/json"), (PRIORITY, priority), *plan.headers]
        if plan.host is not None:
            headers.append(("Host", plan.host))
        return Caller(
            client,
            self._clock,
            self._pace,
            self._weather,
            tuple(headers),
            prefix,
            plan.retries,
            plan.timeout_s,
            plan.patience_s,
            self._changed.set,
        )

    # --- rows in

    async def _feed(self, tasks: asyncio.TaskGroup, caller: Caller) -> None:
        plan = self._plan
        rows = read_rows(self._source, plan.input_format, Start(self._mark.next, self._mark.offset))
        self._rows_in_all = await asyncio.to_thread(row_count, self._source, plan.input_format)
        unit: list[Row] = []
        while batch := await asyncio.to_thread(_taken, rows):
            for row in batch:
                if plan.limit is not None and row.number >= plan.limit:
                    batch = []
                    break
                if row.number in self._ledger:
                    continue
                if row.problem is not None:
                    self._fail([row], Failure(row.problem, code="invalid_row"))
                    continue
                if self._shape.protocol == "auto":
                    self._shape = replace(self._shape, protocol=detect(row.value))
                check_shape(self._shape, plan.batch_size)
                unit.append(row)
                if len(unit) >= plan.batch_size:
                    await self._launch(tasks, caller, unit)
                    unit = []
            if not batch:
                break
        if unit:
            await self._launch(tasks, caller, unit)

    async def _launch(self, tasks: asyncio.TaskGroup, caller: Caller, unit: list[Row]) -> None:
        while self._flying >= self._pace.limit or self._is_far_ahead():
            await self._wait()
        self._flying += 1
        self._flying_rows += len(unit)
        self._flying_bytes += sum(row.size for row in unit)
        tasks.create_task(self._fly(caller, unit))

    def _is_far_ahead(self) -> bool:
        held = self._flying_bytes + self._ledger.held_bytes + self._unsaved_bytes
        return self._flying > 0 and (
            held > _HELD_BYTES or self._ledger.ahead > _AHEAD + self._flying_rows
        )

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # --- rows through the service

    async def _fly(self, caller: Caller, unit: list[Row]) -> None:
        try:
            await self._serve(caller, unit)
        finally:
            self._flying -= 1
            self._flying_rows -= len(unit)
            self._flying_bytes -= sum(row.size for row in unit)
            self._changed.set()

    async def _serve(self, caller: Caller, unit: list[Row]) -> None:
        """One request for these rows; each of them alone, if they can't be served together."""
        shape = self._shape
        try:
            found = await caller.call(shape.request([row.value for row in unit]))
            if isinstance(found, HttpAnswer):
                request_id = found.headers.get("x-request-id", "")
                kept = shape.kept(len(unit), found.body, found.status, request_id)
                self._keep(unit, kept, shape)
                return
            failure = found
        except BadRow as why:
            failure = Failure(str(why), code="invalid_row")
        except BadAnswer as why:
            failure = Failure(str(why), code="bad_answer")
        if len(unit) == 1:
            self._fail(unit, failure)
            return
        for row in unit:
            await self._serve(caller, [row])

    def _keep(self, unit: Sequence[Row], kept: Sequence[object], shape: Shape) -> None:
        for row, each in zip(unit, kept, strict=True):
            self._served += 1
            self._done(row, Entry(shape.line(row.number, row.value, each)))

    def _fail(self, unit: Sequence[Row], failure: Failure) -> None:
        for row in unit:
            if self._plan.on_error == "stop":
                raise _RowFailed(f"row {row.number} failed: {failure.reason}")
            self._failed += 1
            line = self._shape.failed_line(row.number, row.value, failure)
            self._done(row, Entry(line, failed=True))
            hopeless = self._failed == self._plan.hopeless_after
            if hopeless and not (self._served or self._spool.journal.served):
                raise _Hopeless(
                    f"the first {self._failed} rows all failed, so it isn't the rows; the last one:"
                    f" {failure.reason}. Nothing was kept"
                )

    def _done(self, row: Row, entry: Entry) -> None:
        for each in self._ledger.done(row.number, row.end, entry):
            self._unsaved.append(each)
            self._unsaved_bytes += len(each.line)

    # --- rows out

    async def _save_often(self) -> None:
        while True:
            due_s = self._clock.monotonic() + self._plan.save_s
            while self._clock.monotonic() < due_s and self._unsaved_bytes < _SAVE_BYTES:
                await self._clock.sleep(self._plan.save_s / 10)
            await self._save()
            self._changed.set()

    async def _save(self) -> None:
        """What is done so far is on the disk when this returns."""
        async with self._saving:
            entries, mark = self._unsaved, self._ledger.mark()
            if not entries and self._spool.journal.mark == mark:
                return
            self._unsaved, self._unsaved_bytes = [], 0
            now_s = self._clock.monotonic()
            took_s = self._spool.journal.took_s + now_s - self._began_s
            self._began_s = now_s
            saving = asyncio.ensure_future(
                asyncio.to_thread(
                    lambda: self._spool.checkpoint(
                        entries, mark, protocol=self._shape.protocol, took_s=took_s
                    )
                )
            )
            try:
                await asyncio.shield(saving)
            except asyncio.CancelledError:  # a checkpoint is never left in the middle
                await saving
                raise

    # --- beside

    async def _watch(self) -> None:
        """Tell how it goes; end it when told to."""
        start_s = self._clock.monotonic()
        while not self._stop.is_set():
            self._say(self._progress(self._clock.monotonic() - start_s))
            await self._clock.sleep(0.25)
        raise Stopped("stopped")

    def _progress(self, took_s: float) -> Progress:
        journal, size = self._spool.journal, self._source.size
        done = self._ledger.next
        fraction = None
        if self._plan.limit is not None:
            fraction = done / self._plan.limit
        elif self._rows_in_all is not None:
            fraction = done / self._rows_in_all if self._rows_in_all else 1.0
        elif size and self._ledger.offset is not None:
            fraction = min(1.0, self._ledger.offset / size)
        unsaved_failed = sum(entry.failed for entry in self._unsaved)
        return Progress(
            served=journal.served + len(self._unsaved) - unsaved_failed,
            failed=journal.failed + unsaved_failed,
            fraction=fraction,
            per_s=(self._served + self._failed) / took_s if took_s > 0 else 0.0,
            in_flight=self._flying,
            limit=self._pace.limit,
            yields=self._weather.yields,
            waiting=self._weather.trouble,
        )


class _RowFailed(Stopped):
    """A row failed, and that is to end it."""


class _Hopeless(BatchError):
    """Not one of the first rows was served."""


def _taken(rows: Iterator[Row]) -> list[Row]:
    """The next few rows; of large ones fewer, and one at least. Empty: there are no more."""
    taken: list[Row] = []
    size = 0
    while len(taken) < _READ_AT_ONCE and size < _READ_BYTES:
        row = next(rows, None)
        if row is None:
            break
        taken.append(row)
        size += row.size
    return taken


def _server(plan: Plan) -> tuple[Origin, str]:
    try:
        origin, target = split_url(plan.url)
    except ValueError as why:
        raise BadPlan(str(why)) from why
    return origin, target.rstrip("/")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended it: of several the first that isn't a group."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
