"""Takes CloudEvents by HTTP and answers 202 when the brokers have them (acks=all).

Answers, as Knative's receiver gives them: 202 produced; 400 no CloudEvent, or a batch; 405 not a
POST; 413 larger than a record may be; 503 the brokers didn't take it (try again).

Source: eventing-kafka-broker, IngressRequestHandlerImpl; the record's key is the extension
`partitionkey` (CloudEvents' partitioning extension), none without it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)

from tidegate.kit.clock import Clock
from tidegate.sources.cloudevents import NotAnEvent, from_http, to_kafka
from tidegate.sources.kafka.clients import connected, missing_of
from tidegate.sources.kafka.library import LibraryLog, explain
from tidegate.sources.kafka.settings import Credentials, lacking, security
from tidegate.sources.kafka.status import LastError, Trouble
from tidegate.sources.kafka_sink.settings import SinkSettings
from tidegate.sources.serving import answer
from tidegate.sources.waiting import happens

MOST_BYTES: Final = 16 * 2**20
_PRODUCE_S: Final = 30.0
_PAUSE_S: Final = 2.0
_LOOK_S: Final = 10.0

log = logging.getLogger(__name__)


class SinkStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What /status says."""

    connected: bool
    topic_ready: bool
    last_error: LastError | None
    produced: int
    refused: int
    failed: int


class Receiver:
    """Owned by one task, which `run`s it; requests come in as calls of `app`."""

    def __init__(self, settings: SinkSettings, secrets: Credentials, clock: Clock) -> None:
        """Raises `SettingsProblem`."""
        self._settings, self._clock = settings, clock
        self._security, self._user = security(settings.net, secrets), secrets.user
        self._lacks = lacking(settings.net, secrets)
        self._producer: Any = None
        self._topic_ready = False
        self._trouble, self._library = Trouble(), LibraryLog(clock.monotonic)
        self._produced = self._refused = self._failed = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, see to the topic, and stay until `stop`."""
        logging.getLogger("aiokafka").addFilter(self._library)
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._library)
        try:
            while not stop.is_set():
                try:
                    if self._producer is None:
                        self._producer = await self._connected()
                        self._lacks = ""
                    self._topic_ready = await self._see_to_topic()
                except (KafkaError, OSError) as error:
                    self._say(self._explained(error))
                await happens(stop, _LOOK_S if self._topic_ready else _PAUSE_S)
        finally:
            if self._producer is not None:
                await self._producer.stop()

    async def app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Events on any path but /healthz, /readyz and /status."""
        path = scope["path"]
        if path == "/healthz":
            await answer(send, 200, "text/plain", b"ok\n")
        elif path == "/readyz":
            ready = self._topic_ready and self._producer is not None
            await answer(
                send, 200 if ready else 503, "text/plain", b"ready\n" if ready else b"no\n"
            )
        elif path == "/status":
            await answer(send, 200, "application/json", msgspec.json.encode(self.status()))
        elif scope["method"] != "POST":
            await answer(send, 405, "text/plain", b"events are POSTed\n")
        else:
            status, said = await self._take(scope, receive)
            self._refused += 400 <= status < 500
            self._failed += status >= 500
            await answer(send, status, "text/plain", said.encode() + b"\n" if said else b"")

    def status(self) -> SinkStatus:
        """The whole state."""
        return SinkStatus(
            connected=self._producer is not None and not self._trouble.last,
            topic_ready=self._topic_ready,
            last_error=self._trouble.last,
            produced=self._produced,
            refused=self._refused,
            failed=self._failed,
        )

    async def _take(self, scope: dict[str, Any], receive: Any) -> tuple[int, str]:
        """Status and a sentence for one event."""
        body = await _body(receive)
        if body is None:
            return 413, f"the event is larger than {MOST_BYTES} bytes"
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
        try:
            event = from_http(headers, body)
        except NotAnEvent as why:
            return 400, str(why)
        if event is None:
            return 400, "no CloudEvent: neither ce-specversion nor application/cloudevents+json"
        if self._producer is None:
            return 503, "not connected to the brokers yet"
        structured = self._settings.content_mode == "structured"
        record_headers, value = to_kafka(event, structured=structured)
        key = event.attributes.get("partitionkey")
        try:
            async with asyncio.timeout(_PRODUCE_S):
                await self._producer.send_and_wait(
                    self._settings.topic,
                    value,
                    key=key.encode() if key is not None else None,
                    headers=list(record_headers),
                )
        except MessageSizeTooLargeError as why:
            return 413, str(why)
        except (KafkaError, OSError) as error:
            told = self._explained(error)
            self._say(told)
            return 503, told.message
        self._produced += 1
        return 202, ""

    async def _connected(self) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=list(self._settings.bootstrap_servers),
            client_id="tidegate",
            acks="all",
            max_request_size=MOST_BYTES + 2**20,
            request_timeout_ms=15_000,
            **self._security,
        )
        try:
            await connected(producer)
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _see_to_topic(self) -> bool:
        """Whether the topic is there; made if the settings say how. Raises KafkaError, TimeoutError."""
        wanted = self._settings
        there = not await missing_of(self._producer.client, (wanted.topic,))
        if not there and wanted.num_partitions is not None:
            there = await self._make_topic(wanted.num_partitions)
        if there:
            await self._well()
        else:
            self._say(LastError("TopicNotFound", f"no topic {wanted.topic} at {self._servers}"))
        return there

    async def _make_topic(self, partitions: int) -> bool:
        wanted = self._settings
        admin = AIOKafkaAdminClient(
            bootstrap_servers=list(wanted.bootstrap_servers), client_id="tidegate", **self._security
        )
        try:
            await connected(admin)
            topic = NewTopic(wanted.topic, partitions, wanted.replication_factor or 1)
            made = await admin.create_topics([topic])
        finally:
            await admin.close()
        code = made.topic_errors[0][1]
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise for_code(code)(f"making topic {wanted.topic}")
        return True

    async def _well(self) -> None:
        was = self._trouble.over()
        if was is None:
            return
        log.info("%s is over", was.reason)
        if self._producer is not None:
            # A topic that was made anew may have other partitions than the producer remembers.
            await self._producer.client.force_metadata_update()

    def _explained(self, error: BaseException) -> LastError:
        return explain(error, self._library.last, self._servers, self._user, lacks=self._lacks)

    def _say(self, told: LastError) -> None:
        if self._trouble.say(told.reason, told.message):
            log.error("%s: %s", told.reason, told.message)

    @property
    def _servers(self) -> str:
        return ", ".join(self._settings.bootstrap_servers)


async def _body(receive: Any) -> bytes | None:
    """The request's body; None: too large."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)
