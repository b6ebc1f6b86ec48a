"""Starts deliveries as far as ordering and limits allow.

Ordered: one event of a partition at a time, the next when it is finished. Unordered: as many as the
limits allow, partitions in turn. Limits: events under way, their bytes, and open events of a partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tidegate.sources.kafka.delivery import Course, Interrupted, deliver
from tidegate.sources.kafka.notes import Tries
from tidegate.sources.kafka.partition import Partition, size_of
from tidegate.sources.kafka.records import EventMaker, Made, Record

_MOST_BYTES: Final = 64 * 2**20


class Dispatcher:
    """Owns the tasks of events under way. `changed` is called when something was finished."""

    def __init__(
        self,
        course: Course,
        maker: EventMaker,
        *,
        ordered: bool,
        in_flight: int,
        changed: Callable[[], None],
    ) -> None:
        self._course, self._maker, self._ordered = course, maker, ordered
        self._most, self._changed = in_flight, changed
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.in_flight = 0

    def pump(self, partitions: list[Partition], tasks: asyncio.TaskGroup) -> None:
        """Start what may be started."""
        ready = partitions
        while ready:
            for partition in ready:
                if self._has_room and self._may_start(partition):
                    self._start(partition, partition.pop(), tasks)
            ready = [each for each in ready if self._has_room and self._may_start(each)]

    @property
    def _has_room(self) -> bool:
        return self.in_flight < self._most and (self._bytes < _MOST_BYTES or not self.in_flight)

    def _may_start(self, partition: Partition) -> bool:
        if not partition.owned or not partition.waiting:
            return False
        return partition.running == 0 if self._ordered else not partition.ledger.crowded

    def _start(self, partition: Partition, record: Record, tasks: asyncio.TaskGroup) -> None:
        before = partition.ledger.take(record.offset)
        if before is None:
            self._course.counts.skipped += 1
            return
        made = self._maker.make(record)
        self._course.counts.odd_keys += made.odd_key
        self._course.counts.left_out_headers += made.left_out
        size = size_of(record)
        partition.running += 1
        self.in_flight += 1
        self._bytes += size
        task = tasks.create_task(self._run(partition, made, record.offset, size, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def break_off(self) -> None:
        """End all tries that are under way: their events stay unfinished."""
        for task in self._tasks:
            task.cancel()

    async def _run(
        self, partition: Partition, made: Made, offset: int, size: int, before: Tries
    ) -> None:
        try:
            await deliver(self._course, made.event, partition, offset, before, key=made.key)
        except Interrupted:
            partition.ledger.release(offset)
        except BaseException:  # cancelled: the session ends
            partition.ledger.release(offset)
            raise
        finally:
            partition.running -= 1
            self.in_flight -= 1
            self._bytes -= size
            self._changed()
