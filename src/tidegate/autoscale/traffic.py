"""Adds up the gateway's samples into one TrafficReport per revision.

A report is written at most every ten seconds, and only while there are requests; replicas that idle are
written every five minutes. What a control plane had not written when it was killed comes again with
the samples that the gateway kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from tidegate.autoscale.history import micro
from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.link.gateway import FromGateway, Sample
from tidegate.model import serving_names as names
from tidegate.model.conditions import timestamp
from tidegate.model.errors import ApiError
from tidegate.model.meta import Key, ObjectMeta, owner_reference
from tidegate.model.serving import PodAutoscaler, Revision
from tidegate.model.traffic import MinuteTally, Tally, TrafficReport, TrafficReportStatus
from tidegate.routing.latency import merged

log = logging.getLogger(__name__)

WRITE_S = 10.0
IDLE_WRITE_S = 300.0
MINUTES = 60


@dataclass(slots=True)
class _Book:
    """One revision's counts. `busy`: there were requests since the last write."""

    through_s: float
    total: Tally
    minutes: list[MinuteTally] = field(default_factory=list)
    written_s: float = 0.0
    changed: bool = False
    busy: bool = False


class TrafficRecorder:
    """The one writer of TrafficReports. Owned by the control plane's event loop."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._books: dict[Key, _Book] = {}

    def on_message(self, message: FromGateway) -> None:
        """A listener of `GatewayLink`."""
        if isinstance(message, Sample):
            self._on_sample(message)

    async def run(self) -> None:
        """Write what changed, until cancelled."""
        while True:
            await self._clock.sleep(WRITE_S)
            for key, book in list(self._books.items()):
                if self._api.get(Revision, *key) is None:
                    del self._books[key]  # its report goes with it
                    continue
                pause_s = WRITE_S if book.busy else IDLE_WRITE_S
                if book.changed and self._clock.monotonic() - book.written_s >= pause_s:
                    await self._write(key, book)

    def _on_sample(self, sample: Sample) -> None:
        namespace, _, name = sample.revision.partition("/")
        key = Key(namespace, name)
        book = self._books.get(key)
        if book is None:
            if not sample.requests:
                return  # a report begins with the first request
            if self._api.get(Revision, *key) is None:
                return  # a plain Service's
            book = self._books[key] = self._opened(key)
        at_s = self._clock.now() - (self._clock.monotonic() - sample.at_s)
        if at_s <= book.through_s + 0.5:
            return  # told again
        one = self._tally(key, sample)
        if not one.requests and not one.replica_seconds:
            return
        book.through_s, book.changed = at_s, True
        book.busy = book.busy or one.requests > 0
        book.total = added(book.total, one)
        _count_minute(book.minutes, at_s - 1.0, one)

    def _tally(self, key: Key, sample: Sample) -> Tally:
        scaler = self._api.get(PodAutoscaler, *key)
        ready = scaler.status.actual_scale if scaler is not None and scaler.status else None
        return Tally(
            requests=sample.requests,
            errors=sample.errors,
            cold_starts=sample.cold_starts,
            replica_seconds=float(ready or 0),
            latency=sample.latency_buckets,
        )

    def _opened(self, key: Key) -> _Book:
        """Where an earlier control plane left off."""
        report = self._api.get(TrafficReport, *key)
        was = report.status if report is not None else None
        if was is None or was.through is None:
            return _Book(0.0, Tally())
        through_s = datetime.fromisoformat(was.through).timestamp()
        return _Book(through_s, was.total, list(was.minutes), self._clock.monotonic())

    async def _write(self, key: Key, book: _Book) -> None:
        revision = self._api.get(Revision, *key)
        if revision is None:
            return
        book.written_s, book.changed, book.busy = self._clock.monotonic(), False, False
        status = TrafficReportStatus(
            through=micro(book.through_s), total=book.total, minutes=tuple(book.minutes)
        )
        try:
            report = self._api.get(TrafficReport, *key)
            if report is None:
                report = await self._api.create(_report(revision))
            await self._api.update_status(msgspec.structs.replace(report, status=status))
        except (
            ApiError
        ) as why:  # the revision is going, the disk is full: the next time says it all
            book.changed = True
            log.info("the traffic report of %s could not be written: %s", key, why)


def _report(revision: Revision) -> TrafficReport:
    meta = revision.metadata
    service = meta.labels.get(names.SERVICE)
    return TrafficReport(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels={names.SERVICE: service} if service else {},
            owner_references=(owner_reference("Revision", f"{names.GROUP}/v1", meta),),
        )
    )


def added(one: Tally, other: Tally) -> Tally:
    """Both together."""
    return Tally(
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        cold_starts=one.cold_starts + other.cold_starts,
        replica_seconds=one.replica_seconds + other.replica_seconds,
        latency=merged((one.latency, other.latency)),
    )


def _count_minute(minutes: list[MinuteTally], at_s: float, tally: Tally) -> None:
    time = timestamp(at_s // 60 * 60)
    if minutes and minutes[-1].time == time:
        minutes[-1] = MinuteTally(time=time, tally=added(minutes[-1].tally, tally))
        return
    minutes.append(MinuteTally(time=time, tally=tally))
    del minutes[:-MINUTES]
