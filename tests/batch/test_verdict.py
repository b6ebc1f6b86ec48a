"""What an answer means for its row, and what one that didn't serve is called."""

from __future__ import annotations

import pytest

from tidegate.batch.verdict import Verdict, is_yield, judge, pause_s, words_of

OURS = {"tidegate-error": "gateway; not-ready"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        pytest.param(
            503,
            OURS,
            b'{"error":{"code":503,"message":"nothing that is ready serves x"}}',
            "503 nothing that is ready serves x",
            id="the gateway's sentence, without its JSON",
        ),
        pytest.param(503, OURS, b"no JSON", "503 no JSON", id="or what came"),
        pytest.param(
            404,
            {"tidegate-error": "gateway; no-route"},
            b'{"error":{"message":"send a Host header"}}',
            "404, the service isn't there",
            id="not how to write a request",
        ),
        pytest.param(
            404, {}, b'{"error":\n "no model"}', '404 {"error": "no model"}', id="the model's own"
        ),
        pytest.param(500, {}, b"x" * 900, "500 " + "x" * 300, id="not all of a long one"),
        pytest.param(500, {}, b"", "500", id="none"),
    ],
)
def test_a_failing_answer_in_words(status, headers, body, words):
    assert words_of(status, headers, body) == words


@pytest.mark.parametrize(
    ("statuses", "headers", "verdict"),
    [
        pytest.param((200, 201, 204), {}, Verdict.DONE, id="served"),
        pytest.param((425, 429, 503), {}, Verdict.LATER, id="no room"),
        pytest.param((404, 410), OURS, Verdict.LATER, id="no such service, says the gateway"),
        pytest.param((404, 410), {}, Verdict.FAILED, id="no such thing, says the model"),
        pytest.param((408, 500, 502, 504), {}, Verdict.AGAIN, id="perhaps the row's fault"),
        pytest.param((301, 400, 413, 422, 426, 430, 501), {}, Verdict.FAILED, id="for good"),
    ],
)
def test_what_becomes_of_a_row(statuses, headers, verdict):
    assert {judge(status, headers) for status in statuses} == {verdict}


def test_only_the_gateways_own_503_says_that_the_place_was_taken_back():
    ours = {"tidegate-error": "gateway; yielded"}
    assert is_yield(503, ours)
    assert not is_yield(503, OURS)
    assert not is_yield(503, {})
    assert not is_yield(429, ours)


def test_pauses_double_up_to_the_most_and_are_never_shorter_than_asked():
    assert [pause_s(tries, retry_after=None) for tries in (0, 1, 2, 20)] == [0.1, 0.2, 0.4, 10.0]
    assert pause_s(0, retry_after=" 3 ") == 3.0
    assert pause_s(5, retry_after="1") == 3.2
    assert pause_s(0, retry_after="3600") == 10.0
    assert pause_s(0, retry_after="Sun, 22 Nov 2026 09:00:00 GMT") == 0.1
