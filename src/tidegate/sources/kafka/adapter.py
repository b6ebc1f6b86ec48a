"""The adapter: joins the consumer group, delivers what its partitions bring, commits what is finished.

One session is one consumer from joining to leaving; whatever ends a session (broker away, topic
gone, credentials refused) is said in the status, and the next one begins after a pause.

Whose partitions are whose, and how they are handed over, is `membership`'s.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from aiokafka.errors import KafkaError

from tidegate.kit.clock import Clock
from tidegate.sources.kafka.clients import connected, left, missing_of, new_consumer
from tidegate.sources.kafka.commits import Committer
from tidegate.sources.kafka.counts import Counts, prometheus
from tidegate.sources.kafka.delivery import Course, stuck_at
from tidegate.sources.kafka.dispatch import Dispatcher
from tidegate.sources.kafka.intake import Intake
from tidegate.sources.kafka.library import LibraryLog, explain
from tidegate.sources.kafka.membership import Membership
from tidegate.sources.kafka.records import EventMaker
from tidegate.sources.kafka.sender import Sender
from tidegate.sources.kafka.settings import Credentials, SourceSettings, lacking, security
from tidegate.sources.kafka.status import LastError, Phase, Status, Trouble
from tidegate.sources.waiting import happens

_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
_LOOK_S: Final = 5.0  # between looks at whether topics are still there
_ANEW_S: Final = 300.0
"""After so long without an answer the brokers are looked for anew, at the addresses of the document: those
that the cluster gave may be of brokers that are gone for good."""

log = logging.getLogger(__name__)


class TopicsMissing(Exception):
    """A topic isn't there."""


class Adapter:
    """Owned by one task, which `run`s it."""

    def __init__(
        self, settings: SourceSettings, secrets: Credentials, clock: Clock, *, drain_s: float
    ) -> None:
        """Raises `SettingsProblem`."""
        self._settings, self._clock, self._drain_s = settings, clock, drain_s
        self._security = security(settings.net, secrets)
        self._user, self._lacks = secrets.user, lacking(settings.net, secrets)
        self.counts = Counts()
        self._senders = [Sender(settings.sink, clock)]
        dead, reply = (
            self._sender(settings.delivery.dead_letter_sink),
            self._sender(settings.reply),
        )
        self._course = Course(
            settings.delivery.rules, self._senders[0], dead, reply, clock, self.counts
        )
        self._dispatcher = Dispatcher(
            self._course,
            EventMaker(settings.source, settings.key_type, settings.extensions),
            ordered=settings.ordering == "ordered",
            in_flight=settings.in_flight,
            changed=self._changed,
        )
        self._membership = Membership(
            self.counts,
            earliest=settings.initial_offset == "earliest",
            drain_s=drain_s,
            came=self._came,
            fail=self._fail,
        )
        self._trouble, self._library = Trouble(), LibraryLog(clock.monotonic)
        self._connected = self._draining = False
        self._committer: Committer | None = None
        self._tasks: asyncio.TaskGroup | None = None
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
            self._connected = self._draining = False
            if self._clock.monotonic() - began_s > 60:
                failures = 0
            pause_s = _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
            failures += 1
            await happens(stop, pause_s)
        for sender in self._senders:
            sender.close()

    async def _session(self, stop: asyncio.Event) -> None:
        """One consumer, from connecting to leaving the group."""
        self._library.last = ""
        self._failure = None
        membership = self._membership
        consumer = new_consumer(self._settings, self._security, drain_s=self._drain_s)
        self._committer = Committer(consumer, membership.assigned.values, self._clock)
        membership.begin(consumer, self._committer)
        try:
            if not await self._reaches(consumer, stop):
                return
            self._connected, self._lacks = True, ""
            consumer.subscribe(list(self._settings.topics), listener=membership)
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                beside = [
                    tasks.create_task(self._committer.run()),
                    tasks.create_task(self._watch(consumer)),
                ]
                try:
                    await self._poll(consumer, stop)
                finally:
                    self._draining = True
                    await membership.hand_back()
                    for task in beside:
                        task.cancel()
                    self._dispatcher.break_off()
        finally:
            self._tasks = None
            await left(consumer)

    async def _reaches(self, consumer: Any, stop: asyncio.Event) -> bool:
        """Whether the brokers and the topics are there; False when `stop` came first (a broker that
        doesn't answer is waited for longer than a pod has to end)."""
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(self._connect(consumer))
            stopping = tasks.create_task(stop.wait())
            await asyncio.wait((connecting, stopping), return_when=asyncio.FIRST_COMPLETED)
            for task in (connecting, stopping):
                task.cancel()
        return not connecting.cancelled()

    async def _connect(self, consumer: Any) -> None:
        await connected(consumer)
        await self._topics_there(consumer)

    async def _topics_there(self, consumer: Any) -> None:
        """Raises `TopicsMissing`, KafkaError, TimeoutError."""
        missing = await missing_of(consumer._client, self._settings.topics)
        if missing:
            self._membership.missing(missing)
            raise TopicsMissing(", ".join(missing))

    async def _watch(self, consumer: Any) -> None:
        """Notices brokers that went away and topics that were deleted."""
        heard_s = self._clock.monotonic()
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self._topics_there(consumer)
                if consumer._coordinator.coordinator_id is None:
                    raise KafkaError("connection to the group's coordinator lost")
            except TopicsMissing as error:
                self._fail(error)  # by way of `_poll`, so that what is in the air may end
            except (KafkaError, TimeoutError) as error:
                self._connected = False
                self._say(error)
                if self._clock.monotonic() - heard_s > _ANEW_S:
                    self._fail(error)
            else:
                heard_s = self._clock.monotonic()
                self._connected = True
                self._well()

    async def _poll(self, consumer: Any, stop: asyncio.Event) -> None:
        """Fetch for partitions that have room, until `stop`. Raises KafkaError, `TopicsMissing`."""
        intake = Intake(consumer, self._membership)
        while not stop.is_set():
            if self._failure is not None:
                raise self._failure
            self._room.clear()
            if not await intake.fetch():
                await happens(self._room, 0.5)
            self._pump()

    def _came(self) -> None:
        """Partitions were taken over."""
        self._well()
        n, group = len(self._membership.assigned), self._settings.consumer_group
        log.info("group %s: %d partition%s to consume here", group, n, "s" * (n != 1))
        self._room.set()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._room.set()

    def _pump(self) -> None:
        if self._tasks is not None:
            self._dispatcher.pump(list(self._membership.assigned.values()), self._tasks)

    def _changed(self) -> None:
        """An event came to its end, or was let go."""
        self._pump()
        self._room.set()
        self._membership.moved.set()
        if self._committer is not None:
            self._committer.soon()

    # --- what it says of itself

    def _say(self, error: BaseException) -> None:
        if isinstance(error, TopicsMissing):
            told = LastError("TopicNotFound", f"no topic {error} at {self._servers}")
        else:
            told = explain(error, self._library.last, self._servers, self._user, lacks=self._lacks)
        if self._trouble.say(told.reason, told.message):
            log.error("%s: %s", told.reason, told.message)

    def _well(self) -> None:
        was = self._trouble.over()
        if was is not None:
            log.info("%s is over", was.reason)

    @property
    def _servers(self) -> str:
        return ", ".join(self._settings.bootstrap_servers)

    @property
    def ready(self) -> bool:
        """In the group, with its partitions, be they none, and the brokers answer."""
        return self._phase is Phase.CONSUMING and self._trouble.last is None

    @property
    def _phase(self) -> Phase:
        if self._draining:
            return Phase.DRAINING
        if not self._connected:
            return Phase.CONNECTING
        return Phase.CONSUMING if self._membership.joined else Phase.JOINING

    def status(self) -> Status:
        """The whole state, for /status."""
        counts, phase = self.counts, self._phase
        trouble = self._trouble.last or stuck_at(self._course)
        n = len(self._membership.assigned)
        message = trouble.message if trouble else f"{phase}, {n} partition{'s' * (n != 1)}"
        return Status(
            state=phase,
            message=message,
            connected=self._connected,
            initial_offsets_committed=self._membership.initial,
            last_error=trouble,
            in_flight=self._dispatcher.in_flight,
            handled=counts.handled,
            failed=counts.failed,
            dead_lettered=counts.dead_lettered,
            dropped=counts.dropped,
            remembers=self._committer is None or not self._committer.forgetful,
            partitions=self._membership.partitions(),
        )

    def metrics(self) -> str:
        """The text for /metrics."""
        lag = {(p.topic, p.partition): p.lag for p in self.status().partitions if p.lag is not None}
        return prometheus(self.counts, in_flight=self._dispatcher.in_flight, lag=lag)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
