"""Records become events as Knative makes them."""

import json
import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.sources.cloudevents import to_http
from tidegate.sources.kafka.records import EventMaker, KeyType, key_text

MAKER = EventMaker("/apis/v1/namespaces/default/kafkasources/s")


@dataclass
class Record:
    key: bytes | None = None
    value: bytes | None = b"v"
    headers: tuple[tuple[str, bytes | None], ...] = ()
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


STRUCTURED = ("content-type", b"application/cloudevents+json")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["\ud800", "", "a/b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = st.fixed_dictionaries(
    {"specversion": st.just("1.0")},
    optional=dict.fromkeys(
        ("id", "source", "type", "datacontenttype", "data", "data_base64", "time", "x"), JSON
    ),
)
HEADERS = st.tuples(
    st.sampled_from(
        ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_x", "content-type", "a", ""]
    ),
    st.none() | st.binary(max_size=8) | st.sampled_from([b"1.0", b"application/cloudevents+json"]),
)


@given(
    st.lists(HEADERS, max_size=6),
    st.none() | st.binary(max_size=20) | FIELDS.map(lambda fields: json.dumps(fields).encode()),
    st.none() | st.binary(max_size=9),
    st.sampled_from(KeyType),
)
def test_there_is_an_event_for_any_record_and_http_carries_it(headers, value, key, kind):
    maker = EventMaker("/s", kind)
    for more in ((), (STRUCTURED,)):
        made = maker.make(Record(key, value, (*headers, *more)))
        said, _ = to_http(made.event)
        assert all(text.isascii() and text.isprintable() for header in said for text in header)


def test_a_header_without_a_value_is_an_empty_one():
    event = MAKER.make(Record(headers=(("a", None), ("ce_specversion", None)))).event
    assert event.attributes["kafkaheadera"] == ""


def test_an_event_of_its_own_is_passed_on_without_the_records_key_which_its_reply_gets():
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"9"), ("ce_source", b"/m"), ("ce_type", b"m"))
    made = MAKER.make(Record(key=b"k", headers=headers))
    assert (made.key, "partitionkey" in made.event.attributes) == ("k", False)
