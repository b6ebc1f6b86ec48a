"""Records become events as Knative makes them."""

import struct
from dataclasses import dataclass

import pytest

from tidegate.sources.kafka.records import EventMaker, KeyType, key_text

MAKER = EventMaker("/apis/v1/namespaces/default/kafkasources/s")


@dataclass
class Record:
    key: bytes | None = None
    value: bytes | None = b"v"
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "t"
    partition: int = 2
    offset: int = 7
    timestamp: int = 1577934245678


def test_a_plain_record_says_where_it_comes_from():
    event = MAKER.make(Record(key=b"k")).event
    assert event.attributes == {
        "id": "partition:2/offset:7",
        "source": "/apis/v1/namespaces/default/kafkasources/s#t",
        "type": "dev.knative.kafka.event",
        "subject": "partition:2#7",
        "time": "2020-01-02T03:04:05.678Z",
        "partitionkey": "k",
        "key": "k",
    }
    assert (event.data, event.content_type) == (b"v", None)


def test_headers_become_extensions_and_the_content_type_its_own_field():
    headers = (
        ("X-Trace_ID", b"a b"),
        ("Content-Type", b"Text/Plain"),
        ("--", b"lost"),
        ("bytes", b"\xff"),
    )
    made = MAKER.make(Record(headers=headers))
    assert made.event.attributes["kafkaheaderxtraceid"] == "a b"
    assert made.event.attributes["kafkaheaderbytes"] == "\N{REPLACEMENT CHARACTER}"
    assert made.event.content_type == "text/plain"
    assert made.left_out == 1


def test_a_record_without_key_time_or_value_is_an_event_all_the_same():
    event = MAKER.make(Record(key=b"", value=None, timestamp=-1)).event
    assert not {"key", "partitionkey", "time"} & event.attributes.keys()
    assert event.data is None


@pytest.mark.parametrize(
    ("kind", "key", "text", "odd"),
    [
        (KeyType.STRING, "Müller".encode(), "Müller", False),
        (KeyType.STRING, b"\xff\xfe", "//4=", True),
        (KeyType.INT, struct.pack(">i", -5), "-5", False),
        (KeyType.INT, struct.pack(">q", 2**40), str(2**40), False),
        (KeyType.INT, b"abc", "abc", True),
        (KeyType.FLOAT, struct.pack(">f", 0.1), "0.1", False),
        (KeyType.FLOAT, struct.pack(">d", 0.1), "0.1", False),
        (KeyType.FLOAT, b"\xff", "/w==", True),
        (KeyType.BYTES, b"\x00\x01", "AAE=", False),
    ],
)
def test_keys_are_read_as_their_type_says_and_never_stop_a_record(kind, key, text, odd):
    assert key_text(key, kind) == (text, odd)


def test_a_record_that_is_an_event_is_passed_on_with_the_sources_extensions():
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"9"),
        ("ce_source", b"/mine"),
        ("ce_type", b"mine"),
        ("content-type", b"application/json"),
    )
    maker = EventMaker("/s", extensions={"team": "a"})
    event = maker.make(Record(key=b"k", headers=headers, value=b"{}")).event
    assert event.attributes == {"id": "9", "source": "/mine", "type": "mine", "team": "a"}
    assert (event.data, event.content_type) == (b"{}", "application/json")


def test_a_time_beyond_all_calendars_is_the_end_of_them():
    assert (
        MAKER.make(Record(timestamp=2**62)).event.attributes["time"] == "9999-12-31T23:59:59.999Z"
    )
