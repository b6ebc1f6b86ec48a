"""Tokens are counted as an answer passes: by its pieces, and by what it says itself at its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.tokens import tokens_of

CHAT = b"/v1/chat/completions"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def delta(text: str | None) -> bytes:
    return event(choices=[{"delta": {"content": text} if text is not None else {"role": "a"}}])


def counted(start: bytes, *pieces: bytes, target: bytes = CHAT) -> int:
    tokens = tokens_of(target, 200, start)
    assert tokens is not None
    return sum(tokens.add(piece) for piece in pieces) + tokens.end()


def test_an_answer_in_one_piece_has_its_usage():
    body = json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 12}})
    assert counted(JSON, body.encode()) == 12
    assert counted(JSON, json.dumps({"error": "no"}).encode()) == 0


def test_a_stream_counts_its_pieces_with_text():
    pieces = [delta(None), delta("a"), delta(""), delta("b"), b"data: [DONE]\n\n"]
    assert counted(STREAM, *pieces) == 2


def test_the_usage_at_a_streams_end_corrects_the_count():
    usage = event(choices=[], usage={"completion_tokens": 7, "prompt_tokens": 3})
    assert counted(STREAM, delta("a"), delta("b"), usage, b"data: [DONE]\n\n") == 7
    less = event(choices=[], usage={"completion_tokens": 1})
    assert counted(STREAM, delta("a"), delta("b"), less) == 2


def test_usage_in_every_piece_is_not_added_up():
    pieces = [
        event(choices=[{"text": "x"}], usage={"completion_tokens": count}) for count in (1, 2, 3)
    ]
    assert counted(STREAM, *pieces) == 3


@given(st.lists(st.integers(1, 200), max_size=6))
def test_it_does_not_matter_how_a_stream_is_cut(cuts):
    whole = b"".join([delta("a"), delta("b"), delta("c"), b"data: [DONE]\n\n"])
    places = {min(sum(cuts[: i + 1]), len(whole)) for i in range(len(cuts))} | {len(whole)}
    edges = [0, *sorted(places)]
    pieces = [whole[edges[i] : edges[i + 1]] for i in range(len(edges) - 1)]
    assert counted(STREAM, *pieces) == 3


def test_words_in_a_text_that_look_like_a_usage_are_escaped_and_count_as_a_text():
    assert counted(STREAM, delta('"completion_tokens": 900')) == 1


@pytest.mark.parametrize(
    ("target", "status", "start"),
    [
        (b"/v1/models", 200, JSON),
        (CHAT, 500, JSON),
        (CHAT, 200, JSON + b"Content-Encoding: gzip\r\n"),
        (CHAT, 200, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"),
        (b"/v1/models/iris:predict", 200, JSON),
    ],
)
def test_other_answers_have_no_tokens(target, status, start):
    assert tokens_of(target, status, start) is None


def test_an_endless_line_is_not_kept_whole():
    tokens = tokens_of(CHAT, 200, STREAM)
    assert tokens is not None
    for _ in range(100):
        tokens.add(b"x" * 10_000)
    assert len(tokens._rest) <= 64 * 1024
