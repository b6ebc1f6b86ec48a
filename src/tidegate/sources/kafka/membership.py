"""Partitions come and go: what is done when the group is formed anew.

A partition is given up in order: nothing more is taken, tries in the air may end (for a bounded time),
waits between tries end at once, and what is known is committed with the offset for the next owner.
Most come back at once, with what is still in the air: see `ledger.resume`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from tidegate.sources.kafka.commits import Committer, committed_offsets
from tidegate.sources.kafka.counts import Counts
from tidegate.sources.kafka.ledger import Ledger, resume
from tidegate.sources.kafka.partition import Partition
from tidegate.sources.kafka.status import PartitionStatus
from tidegate.sources.waiting import happens

log = logging.getLogger(__name__)


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # the library is not typed
    """The partitions of this process. Called by the library's coordinator, and by the adapter that owns it.

    `came` is called when partitions were taken over, `fail` when they couldn't be.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        earliest: bool,
        drain_s: float,
        came: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._counts, self._earliest, self._drain_s = counts, earliest, drain_s
        self._came, self._fail = came, fail
        self.assigned: dict[TopicPartition, Partition] = {}
        self.joined = False
        """In the group, with the partitions taken over, be they none."""
        self.initial = False
        """Each partition that was assigned here has a committed offset."""
        self.moved = asyncio.Event()  # set by the owner when an event came to its end
        self._former: dict[TopicPartition, Partition] = {}
        self._anew: set[str] = set()  # topics that were seen missing: what is in them now is new
        self._lost: set[TopicPartition] = set()  # of those, with a commit that may be gone too
        self._sizes: dict[str, int] = {}  # partitions that a topic was seen with
        self._consumer: Any = None
        self._committer: Committer | None = None

    def begin(self, consumer: Any, committer: Committer) -> None:
        """A session begins."""
        self._consumer, self._committer, self.joined = consumer, committer, False

    def missing(self, topics: Iterable[str]) -> None:
        """These topics are not there: what was known of them is of no use when they come."""
        self._anew.update(topics)
        for tp in [tp for tp in self._former if tp.topic in self._anew]:
            if self._former.pop(tp).committed is not None:
                self._lost.add(tp)

    def begins_anew(self, tp: TopicPartition, offset: int) -> Partition:
        """The offsets began anew: the topic was made again. What was known is of other events."""
        self._counts.resets += 1
        log.warning("%s/%d begins anew at offset %d", tp.topic, tp.partition, offset)
        self.assigned[tp].give_up()
        self.assigned[tp] = self._new_partition(tp, Ledger(offset))
        return self.assigned[tp]

    def oldest_is(self, tp: TopicPartition, wanted: int, oldest: int) -> None:
        """The offset to go on from isn't there, and this is the oldest that is."""
        if oldest < wanted:
            self.begins_anew(tp, oldest)
            return
        self._counts.resets += 1
        log.error(
            "%s/%d: events from offset %d to %d were gone before they were read",
            tp.topic,
            tp.partition,
            wanted,
            oldest - 1,
        )
        self.assigned[tp].passed(oldest)

    def partitions(self) -> tuple[PartitionStatus, ...]:
        """How far each is."""
        return tuple(
            _partition_status(each, self._end_of(tp)) for tp, each in self.assigned.items()
        )

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The group is being formed anew: all partitions are given up, and most come back."""
        if self.assigned:
            self._counts.rebalances += 1
        self.joined = False
        await self.hand_back()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """These are ours now."""
        try:
            async with asyncio.timeout(60):
                await self._take_over(list(assigned))
        except (KafkaError, TimeoutError) as error:
            self._fail(KafkaError(f"taking over partitions: {error!r}"))
        except Exception as error:  # noqa: BLE001  (the library would only log it: the session ends)
            self._fail(error)

    async def _take_over(self, assigned: list[TopicPartition]) -> None:
        committed = await committed_offsets(self._consumer, assigned)
        fresh = [tp for tp in assigned if tp not in committed]
        begins = await self._consumer.beginning_offsets(fresh) if fresh else {}
        ends = await self._consumer.end_offsets(fresh) if fresh else {}
        for tp in assigned:
            partition = self._former.pop(tp, None)
            was = tp in self._lost or (partition is not None and partition.committed is not None)
            self._lost.discard(tp)
            if was and tp in fresh:
                # Committed and gone, while the group was alive: the topic was deleted and made
                # again, or the brokers lost everything. What is there now is new to us.
                self._counts.resets += 1
                self._anew.add(tp.topic)
                partition = None
            known = partition.ledger if partition is not None else None
            if tp in committed:
                ledger = resume(committed[tp].offset, committed[tp].metadata, known)
            elif known is not None:
                ledger = resume(known.base, None, known)
            else:
                ledger = Ledger((begins if self._from_start(tp) else ends)[tp])
            if partition is None:
                partition = self._new_partition(tp, ledger)
            partition.take_over(ledger)
            if tp in committed:
                partition.committed = (committed[tp].offset, committed[tp].metadata)
            self._consumer.seek(tp, ledger.next)
            self.assigned[tp] = partition
        for topic in {tp.topic for tp in assigned}:
            self._sizes[topic] = len(self._consumer.partitions_for_topic(topic) or ())
        for tp, lost in list(self._former.items()):
            self._counts.abandoned += lost.running
            if not lost.running:
                del self._former[tp]
        if fresh and self._committer is not None:
            await self._committer.now()
        self.joined = self.initial = True
        self._came()

    def _from_start(self, tp: TopicPartition) -> bool:
        """Whether a partition without a commit is read from its first event on: `latest` is for what
        was there before the source, not for what a topic, or more partitions of it, brought since."""
        new = tp.partition >= self._sizes.get(tp.topic, tp.partition + 1)
        return self._earliest or new or tp.topic in self._anew

    def _new_partition(self, tp: TopicPartition, ledger: Ledger) -> Partition:
        assert self._committer is not None
        partition = Partition(tp.topic, tp.partition, ledger, self._write_now)
        partition.take_over(ledger)
        return partition

    def _write_now(self) -> asyncio.Future[None]:
        assert self._committer is not None
        return self._committer.now()

    async def hand_back(self) -> None:
        """Give up all partitions in order. Returns when nothing is in the air, or after `drain_s`."""
        mine = list(self.assigned.values())
        for partition in mine:
            partition.give_up()
        try:
            async with asyncio.timeout(self._drain_s):
                while any(each.running for each in mine):
                    self.moved.clear()
                    await happens(self.moved, 1.0)
        except TimeoutError:
            still = sum(each.running for each in mine)
            log.warning("%d tries are still in the air after %g s", still, self._drain_s)
        try:
            async with asyncio.timeout(5):
                if mine and self._committer is not None:
                    await self._committer.now()
        except TimeoutError:
            log.warning(
                "what was finished last could not be committed: some events may be repeated"
            )
        self._former.update(self.assigned)
        self.assigned.clear()
        self.joined = False

    def _end_of(self, tp: TopicPartition) -> int | None:
        """The offset the next event produced will get, as last heard; None: not heard yet."""
        if tp not in self._consumer.assignment():
            return None
        end: int | None = self._consumer.highwater(tp)
        return end


def _partition_status(partition: Partition, end: int | None) -> PartitionStatus:
    committed = partition.committed[0] if partition.committed else None
    return PartitionStatus(
        topic=partition.topic,
        partition=partition.number,
        position=partition.ledger.next,
        committed=committed,
        end=end,
        lag=None if end is None or committed is None else max(0, end - committed),
        open=partition.ledger.open,
    )
