"""What ended a connection, in words that help."""

from __future__ import annotations

import errno
import socket

import pytest

from tidegate.modelcache.web import said


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "the resolver doesn't know the host's name",
        ),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "Connection refused"),
        (TimeoutError(), "no answer in time"),
    ],
)
def test_no_error_number_reaches_the_user(why: OSError, words: str) -> None:
    assert said(why) == words
