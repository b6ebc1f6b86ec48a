"""The adapter: joins the consumer group, delivers what its partitions bring, commits what is finished.

One session is one consumer from joining to leaving; whatever ends a session (broker away, topic
gone, credentials refused) is said in the status, and the next one begins after a pause.

A partition is given up in order: nothing more is taken, tries in the air may end (for a bounded time),
waits between tries end at once, and what is known is committed with the offset for the next owner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import AuthenticationFailedError, KafkaError
from aiokafka.structs import TopicPartition

from tidegate.kit.clock import Clock
from tidegate.sources.kafka.commits import Committer, committed_offsets
from tidegate.sources.kafka.counts import Counts, prometheus
from tidegate.sources.kafka.delivery import Course
from tidegate.sources.kafka.dispatch import Dispatcher
from tidegate.sources.kafka.ledger import Ledger, resume
from tidegate.sources.kafka.library import LibraryLog, explain
from tidegate.sources.kafka.partition import Partition
from tidegate.sources.kafka.records import EventMaker
from tidegate.sources.kafka.sender import Sender
from tidegate.sources.kafka.settings import Credentials, SourceSettings, security
from tidegate.sources.kafka.status import LastError, PartitionStatus, Phase, Status, Trouble

_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
_LOOK_S: Final = 5.0  # between looks at whether topics are still there
_FETCH_RECORDS: Final = 500
_NEVER_MS: Final = 2**31 - 1
"""For max.poll.interval: a slow handler is no reason to leave the group; heartbeats say we live."""

log = logging.getLogger(__name__)


class TopicsMissing(Exception):
    """A topic isn't there."""


class Adapter(ConsumerRebalanceListener):  # type: ignore[misc]  # the library is not typed
    """Owned by one task, which `run`s it; the library's coordinator calls the rebalance methods."""

    def __init__(
        self, settings: SourceSettings, secrets: Credentials, clock: Clock, *, drain_s: float
    ) -> None:
        """Raises `SettingsProblem`."""
        self._settings, self._clock, self._drain_s = settings, clock, drain_s
        self._security = security(settings.net, secrets)
        self._user = secrets.user
        self.counts = Counts()
        self._senders = [Sender(settings.sink, clock)]
        dead, reply = (
            self._sender(settings.delivery.dead_letter_sink),
            self._sender(settings.reply),
        )
        self._dispatcher = Dispatcher(
            Course(settings.delivery.rules, self._senders[0], dead, reply, clock, self.counts),
            EventMaker(settings.source, settings.key_type, settings.extensions),
            ordered=settings.ordering == "ordered",
            in_flight=settings.in_flight,
            changed=self._changed,
        )
        self._phase, self._trouble = Phase.CONNECTING, Trouble()
        self._library = LibraryLog(clock.monotonic)
        self._connected = self._initial = False
        self._assigned: dict[TopicPartition, Partition] = {}
        self._former: dict[TopicPartition, Partition] = {}
        self._consumer: Any = None
        self._committer: Committer | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._anew: set[str] = set()  # topics that were seen missing: what is in them now is new
        self._room = asyncio.Event()  # something finished, or partitions came
        self._failure: Exception | None = None  # what ends the session

    def _sender(self, to: Any) -> Sender | None:
        if to is None:
            return None
        self._senders.append(Sender(to, self._clock))
        return self._senders[-1]

    # --- the life of the process

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then everything in the air is waited for, `drain_s` at most."""
        log_of_library = logging.getLogger("aiokafka")
        log_of_library.addFilter(self._library)
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._library)
        failures = 0
        while not stop.is_set():
            began_s = self._clock.monotonic()
            try:
                await self._session(stop)
                failures = 0
            except* (KafkaError, TopicsMissing, OSError) as errors:
                self._say(_first(errors))
            except* Exception as errors:  # the loop's edge: whatever it was, begin anew and say so
                self._trouble.say("InternalError", f"{_first(errors)!r}")
                log.exception("the session ended by what should not happen")
            self._phase, self._connected = Phase.CONNECTING, False
            if self._clock.monotonic() - began_s > 60:
                failures = 0
            pause_s = _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
            failures += 1
            await _wait(stop, pause_s)
        for sender in self._senders:
            sender.close()

    async def _session(self, stop: asyncio.Event) -> None:
        """One consumer, from connecting to leaving the group."""
        self._library.last = ""
        self._failure = None
        consumer = self._consumer = self._new_consumer()
        self._committer = Committer(consumer, lambda: self._assigned.values(), self._clock)
        try:
            await self._connect(consumer)
            await self._topics_there(consumer)
            self._connected, self._phase = True, Phase.JOINING
            consumer.subscribe(list(self._settings.topics), listener=self)
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                beside = [
                    tasks.create_task(self._committer.run()),
                    tasks.create_task(self._watch(consumer)),
                ]
                try:
                    await self._poll(consumer, stop)
                finally:
                    self._phase = Phase.DRAINING
                    await self._hand_back(self._drain_s)
                    for task in beside:
                        task.cancel()
        finally:
            self._tasks = None
            await self._leave(consumer)

    async def _connect(self, consumer: Any) -> None:
        try:
            await consumer.start()
        except KeyError as why:  # how aiokafka takes a SCRAM server's "e=..." for a final message
            raise AuthenticationFailedError("wrong user or password") from why

    async def _leave(self, consumer: Any) -> None:
        try:
            async with asyncio.timeout(4):
                await consumer.stop()
        except TimeoutError:
            log.warning("the group could not be told that this consumer leaves")

    def _new_consumer(self) -> Any:
        return AIOKafkaConsumer(
            bootstrap_servers=list(self._settings.bootstrap_servers),
            group_id=self._settings.consumer_group,
            client_id="tidegate",
            enable_auto_commit=False,
            # Where an offset is gone, the oldest there is: nothing that can be had is skipped.
            auto_offset_reset="earliest",
            partition_assignment_strategy=(StickyPartitionAssignor,),
            max_poll_interval_ms=_NEVER_MS,
            session_timeout_ms=int(self._settings.session_s * 1000),
            heartbeat_interval_ms=int(self._settings.session_s * 200),
            # The broker answers a JoinGroup when all members have handed back; a request that gave up
            # before would come again as a further member, for ever.
            rebalance_timeout_ms=int((self._drain_s + 10) * 1000),
            request_timeout_ms=int((self._drain_s + 20) * 1000),
            metadata_max_age_ms=30_000,
            fetch_max_wait_ms=250,
            consumer_timeout_ms=1_000,
            **self._security,
        )

    async def _topics_there(self, consumer: Any) -> None:
        """Raises `TopicsMissing`. Asking for all topics makes none, as asking for one might."""
        async with asyncio.timeout(20):
            there = await consumer.topics()
        missing = [topic for topic in self._settings.topics if topic not in there]
        if missing:
            self._anew.update(missing)
            for tp in [tp for tp in self._former if tp.topic in missing]:
                del self._former[tp]
            raise TopicsMissing(", ".join(missing))

    async def _watch(self, consumer: Any) -> None:
        """Notices brokers that went away and topics that were deleted."""
        while True:
            await self._clock.sleep(_LOOK_S)
            self._connected = consumer._coordinator.coordinator_id is not None
            if not self._connected:
                self._say(KafkaError("connection lost"))
                continue
            try:
                await self._topics_there(consumer)
            except TopicsMissing as error:
                self._fail(error)  # by way of `_poll`, so that what is in the air may end
            except (KafkaError, TimeoutError) as error:
                self._say(error)
            else:
                self._trouble.over()

    async def _poll(self, consumer: Any, stop: asyncio.Event) -> None:
        """Fetch for partitions that have room, until `stop`. Raises KafkaError, `TopicsMissing`."""
        while not stop.is_set():
            if self._failure is not None:
                raise self._failure
            self._room.clear()
            wanted = [tp for tp, each in self._assigned.items() if each.wants_more]
            if wanted or not self._assigned:
                # Short while a full partition may get room meanwhile, which the call wouldn't notice.
                brief = len(wanted) < len(self._assigned)
                batches = await consumer.getmany(
                    *wanted, timeout_ms=100 if brief else 500, max_records=_FETCH_RECORDS
                )
                for tp, records in batches.items():
                    self._receive(consumer, tp, records)
            else:
                await _wait(self._room, 0.5)
            self._pump()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._room.set()

    def _receive(self, consumer: Any, tp: TopicPartition, records: list[Any]) -> None:
        partition = self._assigned.get(tp)
        if partition is None or not partition.owned:
            return
        if records[0].offset < partition.fetched:
            # The offsets began anew: the topic was made again. What was known is of other events.
            self.counts.resets += 1
            log.warning("%s/%d begins anew at offset %d", tp.topic, tp.partition, records[0].offset)
            partition.give_up()
            partition = self._new_partition(tp, Ledger(records[0].offset))
            self._assigned[tp] = partition
        for record in records:
            partition.offer(record)

    def _pump(self) -> None:
        if self._tasks is not None:
            self._dispatcher.pump(list(self._assigned.values()), self._tasks)

    def _changed(self) -> None:
        """An event came to its end, or was let go."""
        self._pump()
        self._room.set()
        if self._committer is not None:
            self._committer.soon()

    # --- partitions come and go: called by the library's coordinator

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The group is being formed anew: all partitions are given up, and most come back."""
        if self._assigned:
            self.counts.rebalances += 1
        self._phase = Phase.JOINING
        await self._hand_back(self._drain_s)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """These are ours now."""
        try:
            async with asyncio.timeout(60):
                await self._take_over(list(assigned))
        except (KafkaError, TimeoutError) as error:
            self._fail(KafkaError(f"taking over partitions: {error!r}"))

    async def _take_over(self, assigned: list[TopicPartition]) -> None:
        committed = await committed_offsets(self._consumer, assigned)
        fresh = [tp for tp in assigned if tp not in committed]
        begins = await self._consumer.beginning_offsets(fresh) if fresh else {}
        ends = await self._consumer.end_offsets(fresh) if fresh else {}
        for tp in assigned:
            partition = self._former.pop(tp, None)
            if partition is not None and partition.committed is not None and tp in fresh:
                # Committed and gone, while the group was alive: the topic was deleted and made
                # again, or the brokers lost everything. What is there now is new to us.
                self.counts.resets += 1
                self._anew.add(tp.topic)
                partition = None
            known = partition.ledger if partition is not None else None
            if tp in committed:
                ledger = resume(committed[tp].offset, committed[tp].metadata, known)
            elif known is not None:
                ledger = resume(known.base, None, known)
            else:
                earliest = self._settings.initial_offset == "earliest" or tp.topic in self._anew
                ledger = Ledger((begins if earliest else ends)[tp])
            if partition is None:
                partition = self._new_partition(tp, ledger)
            partition.take_over(ledger)
            if tp in committed:
                partition.committed = (committed[tp].offset, committed[tp].metadata)
            self._consumer.seek(tp, ledger.next)
            self._assigned[tp] = partition
        for tp, lost in list(self._former.items()):
            self.counts.abandoned += lost.running
            if not lost.running:
                del self._former[tp]
        if fresh and self._committer is not None:
            await self._committer.now()
        self._initial, self._phase = True, Phase.CONSUMING
        self._trouble.over()
        self._room.set()

    def _new_partition(self, tp: TopicPartition, ledger: Ledger) -> Partition:
        assert self._committer is not None
        partition = Partition(tp.topic, tp.partition, ledger, self._write_now)
        partition.take_over(ledger)
        return partition

    def _write_now(self) -> asyncio.Future[None]:
        assert self._committer is not None
        return self._committer.now()

    async def _hand_back(self, bound_s: float) -> None:
        """Give up all partitions in order. Returns when nothing is in the air, or after `bound_s`."""
        mine = list(self._assigned.values())
        for partition in mine:
            partition.give_up()
        try:
            async with asyncio.timeout(bound_s):
                while any(each.running for each in mine):
                    self._room.clear()
                    await _wait(self._room, 1.0)
        except TimeoutError:
            log.warning(
                "%d tries are still in the air after %g s", self._dispatcher.in_flight, bound_s
            )
        try:
            async with asyncio.timeout(5):
                if mine and self._committer is not None:
                    await self._committer.now()
        except TimeoutError:
            log.warning(
                "what was finished last could not be committed: some events may be repeated"
            )
        self._former.update(self._assigned)
        self._assigned.clear()

    # --- what it says of itself

    def _say(self, error: BaseException) -> None:
        if isinstance(error, TopicsMissing):
            told = LastError("TopicNotFound", f"no topic {error} at {self._servers}")
        else:
            told = explain(error, self._library.last, self._servers, self._user)
        if self._trouble.say(told.reason, told.message):
            log.error("%s: %s", told.reason, told.message)

    @property
    def _servers(self) -> str:
        return ", ".join(self._settings.bootstrap_servers)

    @property
    def ready(self) -> bool:
        """In the group, with its partitions, be they none."""
        return self._connected and self._phase is Phase.CONSUMING

    def status(self) -> Status:
        """The whole state, for /status."""
        counts, phase = self.counts, self._phase
        trouble = self._trouble.last
        n = len(self._assigned)
        message = trouble.message if trouble else f"{phase}, {n} partition{'s' * (n != 1)}"
        return Status(
            state=phase,
            message=message,
            connected=self._connected,
            initial_offsets_committed=self._initial,
            last_error=trouble,
            in_flight=self._dispatcher.in_flight,
            handled=counts.handled,
            failed=counts.failed,
            dead_lettered=counts.dead_lettered,
            dropped=counts.dropped,
            remembers=self._committer is None or not self._committer.forgetful,
            partitions=tuple(
                _partition_status(each, self._end_of(tp)) for tp, each in self._assigned.items()
            ),
        )

    def _end_of(self, tp: TopicPartition) -> int | None:
        """The offset the next event produced will get, as last heard; None: not heard yet."""
        if tp not in self._consumer.assignment():
            return None
        end: int | None = self._consumer.highwater(tp)
        return end

    def metrics(self) -> str:
        """The text for /metrics."""
        lag = {(p.topic, p.partition): p.lag for p in self.status().partitions if p.lag is not None}
        return prometheus(self.counts, in_flight=self._dispatcher.in_flight, lag=lag)


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


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _wait(event: asyncio.Event, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(at_most_s):
            await event.wait()
    except TimeoutError:
        pass
