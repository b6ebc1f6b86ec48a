"""Header blocks: what is remembered of them never differs from what they say."""

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.gateway.h2.frames import Code, Fault
from tidegate.gateway.h2.hpack import NO_TABLE, Reader, encoded_lines

NAMES = st.sampled_from([b":method", b":path", b"te", b"x-a", b"x-b", b"cookie", b"grpc-timeout"])
VALUES = st.sampled_from([b"", b"GET", b"POST", b"/", b"1", b"2"]) | st.binary(max_size=40)
FIELD = st.tuples(NAMES, VALUES)
# Few different blocks, so that the same one comes again and again.
BLOCKS = st.lists(st.lists(FIELD, min_size=1, max_size=6), min_size=1, max_size=4).flatmap(
    lambda some: st.lists(st.sampled_from(some), min_size=1, max_size=30)
)
TABLE = st.none() | st.integers(0, 4096)


def fields_of(fields, ends):
    return tuple(fields), ends


@settings(max_examples=80, deadline=None)
@given(BLOCKS, st.data())
def test_a_block_that_comes_again_means_what_it_means_now(blocks, data):
    encoder = hpack.Encoder()
    reader = Reader(fields_of, lambda fields, ends: tuple(b"%b: %b" % pair for pair in fields))
    for block in blocks:
        size = data.draw(TABLE)
        if size is not None:
            encoder.header_table_size = size
        wire = encoder.encode(block, huffman=data.draw(st.booleans()))
        match data.draw(st.sampled_from(["head", "trailers", "skip"])):
            case "head":
                assert reader.head(wire, ends=False) == (tuple(block), False)
                if len(wire) and min(wire) > 0x80:
                    assert reader.head(wire, ends=True) == (tuple(block), True)
            case "trailers":
                assert reader.trailers(wire, True) == tuple(b"%b: %b" % pair for pair in block)
            case _:
                reader.skip(wire)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"X-A", b"te", b"Cookie", b"content-type"]), VALUES)))
def test_what_we_write_is_read_as_it_was(pairs):
    lines = [b"%b: %b" % (name, value.strip(b" \t")) for name, value in pairs]
    read = hpack.Decoder().decode(NO_TABLE + encoded_lines(lines), raw=True)
    assert [(f[0], f[1]) for f in read] == [(n.lower(), v.strip(b" \t")) for n, v in pairs]


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=200))
def test_no_block_makes_us_fail(block):
    reader = Reader(fields_of, lambda fields, ends: ())
    code = Code.COMPRESSION_ERROR
    try:
        reader.head(block, False)
    except Fault as why:
        code = why.code
    assert code in (Code.COMPRESSION_ERROR, Code.ENHANCE_YOUR_CALM)


def test_a_cookie_is_never_to_be_indexed_by_anybody():
    [read] = hpack.Decoder().decode(encoded_lines([b"Cookie: secret"]), raw=True)
    assert isinstance(read, hpack.NeverIndexedHeaderTuple)


@pytest.mark.parametrize("length", [0, 126, 127, 128, 300, 20_000])
def test_long_values_keep_their_length(length):
    [read] = hpack.Decoder().decode(encoded_lines([b"x-long: " + b"v" * length]), raw=True)
    assert read[1] == b"v" * length
