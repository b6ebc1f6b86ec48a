"""Chunked bodies are taken apart strictly, however their bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.chunks import LAST_CHUNK, BadChunk, Chunks, chunk

PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def feed(pieces: list[bytes]) -> tuple[bytes, bytes, bool]:
    chunks, body, rest = Chunks(), b"", b""
    for piece in pieces:
        assert not chunks.done
        out, rest = chunks.feed(piece)
        body += b"".join(out)
    return body, rest, chunks.done


@given(PIECES, st.data())
def test_a_body_is_read_the_same_however_it_is_cut(pieces, data):
    wire = b"".join(chunk(piece) for piece in pieces) + LAST_CHUNK
    cuts = sorted(data.draw(st.lists(st.integers(1, len(wire) - 1), max_size=8, unique=True)))
    parts = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert feed(parts) == (b"".join(pieces), b"", True)


def test_what_follows_the_body_is_given_back():
    assert feed([b"1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1"]) == (b"x", b"GET / HTTP/1.1", True)


def test_extensions_and_trailers_are_read_and_dropped():
    assert feed([b"1;a=b\r\nx\r\n0\r\nDigest: y\r\n\r\n"]) == (b"x", b"", True)


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"x\r\n", id="no number"),
        pytest.param(b"\r\n", id="no size"),
        pytest.param(b"-1\r\n", id="negative"),
        pytest.param(b"0x1\r\n", id="prefix"),
        pytest.param(b"1 \r\n", id="space"),
        pytest.param(b"1\r\nxy\r\n", id="longer than its size"),
        pytest.param(b"1\r\nx\n0\r\n\r\n", id="bare line feed"),
        pytest.param(b"f" * 16 + b"\r\n", id="too large"),
        pytest.param(b"1;" + b"x" * 5000, id="endless extension"),
        pytest.param(b"0\r\n folded\r\n\r\n", id="folded trailer"),
        pytest.param(b"0\r\n" + b"a: b\r\n" * 5000, id="endless trailers"),
    ],
)
def test_chunking_that_can_not_be_read_is_refused(wire):
    with pytest.raises(BadChunk):
        Chunks().feed(wire)
