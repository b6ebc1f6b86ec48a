"""Commits what the ledgers know: soon after something was finished, at once when a try waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from aiokafka.errors import CommitFailedError, IllegalStateError, OffsetMetadataTooLargeError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from tidegate.kit.clock import Clock
from tidegate.sources.kafka.notes import MOST_CHARS
from tidegate.sources.kafka.partition import Partition
from tidegate.sources.waiting import happens

_SOON_S: Final = 0.1
"""A crash repeats at most what was finished in so long."""
_EVERY_S: Final = 1.0
"""First tries that take longer than this are written down as well."""
_AGAIN_S: Final = 0.3


class Committer:
    """One task (`run`) makes all commits of a session, one at a time."""

    def __init__(
        self, consumer: Any, partitions: Callable[[], Iterable[Partition]], clock: Clock
    ) -> None:
        self._consumer, self._partitions, self._clock = consumer, partitions, clock
        self._wanted = asyncio.Event()
        self._urgent = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._most_chars = MOST_CHARS
        self.forgetful = False
        """The broker doesn't keep metadata: tries and events finished out of order don't outlive us."""
        self._checked = False

    def soon(self) -> None:
        """Something was finished."""
        self._wanted.set()

    def now(self) -> asyncio.Future[None]:
        """Done when all that the ledgers know at this moment is committed."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wanted.set()
        self._urgent.set()
        return waiter

    async def run(self) -> None:
        """Until cancelled. Raises KafkaError for what trying again doesn't mend."""
        while True:
            await happens(self._wanted, _EVERY_S)
            if not self._waiters:
                await happens(self._urgent, _SOON_S)
            self._wanted.clear()
            self._urgent.clear()
            waiters, self._waiters = self._waiters, []
            try:
                await self._commit()
            except (CommitFailedError, IllegalStateError):
                # The group is being formed anew: those who wait are told when partitions are given up.
                self._waiters = [*waiters, *self._waiters]
                await self._clock.sleep(_AGAIN_S)
                self._wanted.set()
                continue
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def _commit(self) -> None:
        """Raises KafkaError."""
        due: dict[TopicPartition, tuple[Partition, tuple[int, str]]] = {}
        for partition in self._partitions():
            known = partition.ledger.commit(most_chars=self._most_chars)
            if known != partition.committed:
                due[TopicPartition(partition.topic, partition.number)] = (partition, known)
        if not due:
            return
        try:
            await self._consumer.commit(
                {tp: OffsetAndMetadata(*known) for tp, (_, known) in due.items()}
            )
        except OffsetMetadataTooLargeError:
            if self._most_chars < 16:
                raise
            self._most_chars //= 2  # this broker's offset.metadata.max.bytes is smaller than usual
            return await self._commit()
        for partition, known in due.values():
            partition.committed = known
        if not self._checked:
            self._checked = True
            await self._check({tp: known for tp, (_, known) in due.items()})

    async def _check(self, written: dict[TopicPartition, tuple[int, str]]) -> None:
        """Whether the broker keeps what we write beside the offset."""
        kept = await committed_offsets(self._consumer, written)
        self.forgetful = any(
            tp in kept and kept[tp].offset == offset and kept[tp].metadata != metadata
            for tp, (offset, metadata) in written.items()
        )


async def committed_offsets(
    consumer: Any, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Committed offsets with their metadata; those without a commit are not in it.

    The consumer's public `committed()` leaves the metadata out, and the admin client would need
    connections of its own, so its coordinator is asked.
    """
    found: dict[
        TopicPartition, OffsetAndMetadata
    ] = await consumer._coordinator.fetch_committed_offsets(list(partitions))
    return found
