import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.link.frames import Lines, LineTooLong, NotAnObject, decode_line, encode_line


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)), st.integers(1, 7), st.binary())
def test_lines_come_out_whole_however_they_are_cut(lines, step, tail):
    tail = tail.replace(b"\n", b"")
    data = b"".join(line + b"\n" for line in lines) + tail
    reader, got = Lines(), []
    for at in range(0, len(data), step):
        got += reader.feed(data[at : at + step])
    assert got == lines


def test_a_line_without_end_is_refused_before_it_fills_the_memory():
    reader = Lines(100)
    reader.feed(b"x" * 100)
    with pytest.raises(LineTooLong):
        reader.feed(b"x")


def test_a_message_survives_the_way():
    message = {"op": "spawn", "id": 3, "text": "two\nlines €"}
    line = encode_line(message)
    assert line.count(b"\n") == 1
    assert decode_line(line.rstrip(b"\n")) == message


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"3", b"\xff", b"GET / HTTP/1.1", b"[" * 99_999]
)
def test_garbage_is_named_as_such(line):
    with pytest.raises(NotAnObject):
        decode_line(line)
