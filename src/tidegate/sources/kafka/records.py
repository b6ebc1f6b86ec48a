"""A record of a topic as the CloudEvent that Knative makes of it.

Source: Knative's KafkaSource (eventing-kafka-broker, InvalidCloudEventInterceptor, KeyDeserializer).
A record that is an event already is that event; only the source's extensions are added.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from tidegate.sources.cloudevents import CloudEvent, KafkaHeaders, from_kafka

TYPE = "dev.knative.kafka.event"


class KeyType(StrEnum):
    """What the bytes of keys are."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BYTES = "byte-array"


class Record(Protocol):
    """What is needed of a consumed record (aiokafka's ConsumerRecord has it)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...  # milliseconds since the epoch; -1: none
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> KafkaHeaders: ...


@dataclass(frozen=True, slots=True)
class Made:
    """An event, and what of its record couldn't be said in it."""

    event: CloudEvent
    key: str | None = None
    """The record's key as text, which its reply gets. None: it has none."""
    odd_key: bool = False
    """The key isn't of the source's key type; it is said as text, or in base64 if it is no text."""
    left_out: int = 0
    """Headers whose names have no letter or digit."""


@dataclass(frozen=True, slots=True)
class EventMaker:
    """How one source makes events. `source`: its path, without the topic."""

    source: str
    key_type: KeyType = KeyType.STRING
    extensions: Mapping[str, str] = field(default_factory=dict)

    def make(self, record: Record) -> Made:
        """The event of a record. Raises nothing: there is one for any record."""
        headers = record.headers
        key, odd_key = key_text(record.key, self.key_type) if record.key else (None, False)
        if headers:
            ready = from_kafka(headers, record.value)
            if ready is not None:
                event = ready.with_extensions(self.extensions) if self.extensions else ready
                return Made(event, key)
        where = f"partition:{record.partition}"
        attributes = {
            "id": f"{where}/offset:{record.offset}",
            "source": f"{self.source}#{record.topic}",
            "type": TYPE,
            "subject": f"{where}#{record.offset}",
        }
        if record.timestamp >= 0:
            attributes["time"] = rfc3339(record.timestamp)
        if key is not None:
            attributes["partitionkey"] = attributes["key"] = key
        content_type, left_out = None, 0
        for name, value in headers:
            if name.lower() == "content-type":
                content_type = _text(value).lower()
                continue
            plain = "".join(c for c in name.lower() if c.isascii() and c.isalnum())
            if plain:
                attributes["kafkaheader" + plain] = _text(value)
            else:
                left_out += 1
        attributes.update(self.extensions)
        return Made(CloudEvent(attributes, record.value, content_type), key, odd_key, left_out)


def key_text(key: bytes, kind: KeyType) -> tuple[str, bool]:
    """A key as text, and whether it is not what `kind` says."""
    match kind:
        case KeyType.INT if len(key) in (4, 8):
            return str(int.from_bytes(key, "big", signed=True)), False
        case KeyType.FLOAT if len(key) == 8:
            return repr(struct.unpack(">d", key)[0]), False
        case KeyType.FLOAT if len(key) == 4:
            return _short_float(key), False
        case KeyType.BYTES:
            return base64.b64encode(key).decode(), False
        case _:
            pass
    try:
        return key.decode(), kind is not KeyType.STRING
    except UnicodeDecodeError:
        return base64.b64encode(key).decode(), True


@lru_cache(maxsize=8)
def _second(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}"


def rfc3339(at_ms: int) -> str:
    """A record's timestamp, as CloudEvents write times. Beyond the year 9999: the last moment of it."""
    seconds, ms = divmod(min(at_ms, 253_402_300_799_999), 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


def _short_float(key: bytes) -> str:
    number: float = struct.unpack(">f", key)[0]
    for digits in range(6, 10):  # the shortest text that is this number in 32 bits
        text = f"{number:.{digits}g}"
        if struct.pack(">f", float(text)) == key:
            return repr(float(text))
    return repr(number)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
