"""Records off the brokers into their partitions, and what is done where the brokers have none to give."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from tidegate.sources.kafka.membership import Membership

_FETCH_RECORDS: Final = 500


class Intake:
    """Of one consumer, for as long as it is in the group. Owned by the adapter."""

    def __init__(self, consumer: Any, membership: Membership) -> None:
        self._consumer, self._membership = consumer, membership

    async def fetch(self) -> bool:
        """Take what has come for partitions that have room, waiting a little for it. False, at once: none
        of them has room. Raises KafkaError."""
        assigned = self._membership.assigned
        wanted = [tp for tp, each in assigned.items() if each.wants_more]
        if assigned and not wanted:
            return False
        # Short while a full partition may get room meanwhile, which the call wouldn't notice.
        wait_ms = 100 if len(wanted) < len(assigned) else 500
        try:
            batches = await self._consumer.getmany(
                *wanted, timeout_ms=wait_ms, max_records=_FETCH_RECORDS
            )
        except OffsetOutOfRangeError as gone:
            await self._offsets_gone(gone.args[0])
            return True
        except NoOffsetForPartitionError:
            return True  # the library looked before `membership` told it where to begin
        for tp, records in batches.items():
            self._receive(tp, records)
        if not batches:
            for tp, partition in assigned.items():
                partition.passed(self._read_up_to(tp))
        return True

    def _receive(self, tp: TopicPartition, records: list[Any]) -> None:
        partition = self._membership.assigned.get(tp)
        if partition is None or not partition.owned:
            return
        if records[0].offset < partition.fetched:
            partition = self._membership.begins_anew(tp, records[0].offset)
        for record in records:
            partition.offer(record)

    async def _offsets_gone(self, offsets: dict[TopicPartition, int]) -> None:
        """Go on at the oldest event there is: nothing that can be had is skipped, and what can't is
        told. Raises KafkaError."""
        for tp, oldest in (await self._consumer.beginning_offsets(list(offsets))).items():
            if tp in self._membership.assigned:
                self._membership.oldest_is(tp, offsets[tp], oldest)
                self._consumer.seek(tp, oldest)

    def _read_up_to(self, tp: TopicPartition) -> int:
        """The library's place in a partition: all before it was handed out. Further than the last event
        where marks of transactions follow it. 0: it has none now (its own call would wait for one)."""
        subscription = self._consumer._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None or tp not in assignment.tps:
            return 0
        state = assignment.state_value(tp)
        return int(state.position) if state.has_valid_position else 0
