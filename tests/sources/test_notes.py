"""What is written beside an offset is read again, and what is not ours is not believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.sources.kafka.notes import Notes, Tries, read_notes, write_notes


@st.composite
def notes(draw):
    at, runs = draw(st.integers(0, 2**62)), []
    base = at
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 2**30), st.integers(1, 2**30)))):
        runs.append((at + gap, at + gap + length))
        at += gap + length
    offsets = draw(st.lists(st.integers(base, base + 2**40), unique=True, max_size=30))
    tries = tuple(
        (offset, Tries(draw(st.integers(1, 500)), under_way=draw(st.booleans())))
        for offset in sorted(offsets)
    )
    return base, Notes(tuple(runs), tries)


@given(notes())
def test_notes_are_read_as_they_were_written(case):
    base, written = case
    assert read_notes(base, write_notes(base, written, most_chars=10**6)) == written


@given(notes(), st.integers(8, 200))
def test_where_not_all_fits_a_part_of_it_that_is_true_is_written(case, most):
    base, written = case
    text = write_notes(base, written, most_chars=most)
    assert len(text) <= most
    read = read_notes(base, text)
    assert read is not None
    assert read.finished == written.finished[: len(read.finished)]
    assert read.tries == written.tries[: len(read.tries)]


@pytest.mark.parametrize(
    "text", [None, "", "somebody else's", "tg1:", "tg1:!!", "tg1:BQE", "tg2:AAA", "tg1:gICA"]
)
def test_what_is_damaged_or_not_ours_tells_nothing(text):
    assert read_notes(5, text) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text):
    read = read_notes(0, "tg1:" + text)
    assert read is None or read_notes(0, write_notes(0, read, most_chars=10**6)) == read
