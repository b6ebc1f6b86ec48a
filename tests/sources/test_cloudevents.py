"""Events keep what they say through every form they take."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.sources.cloudevents import (
    CloudEvent,
    NotAnEvent,
    from_http,
    from_kafka,
    from_structured,
    header_value,
    to_http,
    to_kafka,
    to_structured,
)

NEEDED = {"id": "1", "source": "/s", "type": "t"}
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
EVENTS = st.builds(
    CloudEvent,
    st.dictionaries(
        st.from_regex(r"\A[a-z][a-z0-9]{0,9}\Z").filter(
            lambda n: n not in ("specversion", "datacontenttype", "data", "dataschema")
        ),
        TEXT,
        max_size=5,
    ).map(lambda more: {**more, **NEEDED}),
    st.binary(min_size=1, max_size=100),
    st.sampled_from(["text/plain", "application/octet-stream"]),
)


@given(EVENTS)
def test_an_event_survives_http(event):
    headers, body = to_http(event)
    for _, value in headers:
        assert value.isascii()
        assert value.isprintable()
        assert not {'"', " "} & set(value)
    assert from_http(headers, body) == event


@given(EVENTS, st.booleans())
def test_an_event_survives_a_topic_in_both_modes(event, structured):
    headers, value = to_kafka(event, structured=structured)
    assert from_kafka(headers, value) == event


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain-~!", "plain-~!"),
        ("Euro € \N{GRINNING FACE}", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ('50% of "it"', "50%25%20of%20%22it%22"),
        ("two\r\nlines", "two%0D%0Alines"),
    ],
)
def test_values_are_encoded_as_the_http_binding_says(value, sent):
    assert header_value(value) == sent


def test_json_data_of_a_structured_event_becomes_its_body():
    text = json.dumps({"specversion": "1.0", **NEEDED, "data": {"a": [1]}, "n": 3, "b": True})
    event = from_structured("application/cloudevents+json; charset=utf-8", text.encode())
    assert (event.data, event.content_type) == (b'{"a":[1]}', "application/json")
    assert (event.attributes["n"], event.attributes["b"]) == ("3", "true")


def test_json_is_json_again_in_a_structured_event():
    event = CloudEvent(NEEDED, b'{"a": 1}', "application/json")
    assert json.loads(to_structured(event))["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("content_type", "text", "said"),
    [
        ("application/cloudevents-batch+json", "[]", "batches"),
        ("application/cloudevents+avro", "", "only JSON"),
        ("application/cloudevents+json", "{", "no JSON"),
        ("application/cloudevents+json", "[]", "no JSON object"),
        ("application/cloudevents+json", '{"specversion":"0.1"}', "specversion"),
        ("application/cloudevents+json", '{"specversion":"1.0","id":"1","type":"t"}', "'source'"),
        (
            "application/cloudevents+json",
            '{"specversion":"1.0","id":"1","type":"t","source":"s","Big":"x"}',
            "lower-case",
        ),
        (
            "application/cloudevents+json",
            '{"specversion":"1.0","id":"1","type":"t","source":"s","data_base64":"?"}',
            "base64",
        ),
        ("application/cloudevents+json", "[" * 100_000, "nested too deep"),
        (
            "application/cloudevents+json",
            '{"specversion":"1.0","id":"1","type":"t","source":"s","datacontenttype":["a"]}',
            "'datacontenttype' is neither text",
        ),
        (
            "application/cloudevents+json",
            '{"specversion":"1.0","id":"1","type":"t","source":"s","n":"\\ud800"}',
            "no Unicode",
        ),
    ],
)
def test_what_is_no_event_says_why(content_type, text, said):
    with pytest.raises(NotAnEvent, match=said):
        from_http([("Content-Type", content_type)], text.encode())


def test_a_request_without_an_event_has_none():
    assert from_http([("content-type", "application/json")], b"{}") is None


@pytest.mark.parametrize("text", [b"NaN", b'{"a": 1e999}', b"[" * 100_000 + b"]" * 100_000])
def test_what_json_cannot_say_again_is_kept_as_it_is_in_a_structured_event(text):
    event = CloudEvent(NEEDED, text, "application/json")
    assert from_structured("application/cloudevents+json", to_structured(event)) == event


def test_a_record_that_only_says_it_were_an_event_is_an_ordinary_one():
    assert from_kafka((("ce_specversion", b"1.0"), ("ce_id", b"1")), b"x") is None
    assert from_kafka((("content-type", b"application/cloudevents+json"),), b"{") is None
