"""What an answer that didn't serve is called."""

from __future__ import annotations

import pytest

from tidegate.batch.verdict import words_of

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
