import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tidegate.keeper.lines import PARTIAL_BYTES, Joiner, render, timestamp


def records_of(*reads: bytes) -> list[bytes]:
    joiner = Joiner()
    return [record for read in reads for record in joiner.feed(read)] + joiner.flush()


def test_a_line_that_comes_in_two_reads_is_one_record():
    assert records_of(b"hel", b"lo\nwor", b"ld\n") == [b"hello\n", b"world\n"]


def test_the_last_line_is_kept_though_it_has_no_newline():
    assert records_of(b"done\nnot quite") == [b"done\n", b"not quite"]


def test_empty_lines_are_records_too():
    assert records_of(b"\n\na\n") == [b"\n", b"\n", b"a\n"]


def test_a_long_line_is_split_at_16_kib_and_only_its_end_has_the_newline():
    first, second = records_of(b"x" * (PARTIAL_BYTES + 10) + b"\n")
    assert (len(first), second) == (PARTIAL_BYTES, b"x" * 10 + b"\n")


def test_a_line_without_end_is_not_held_back_for_ever():
    joiner = Joiner()
    assert joiner.feed(b"x" * (3 * PARTIAL_BYTES)) != []


def test_a_character_is_never_cut_in_two():
    records = records_of("€".encode() * PARTIAL_BYTES)
    assert len(records) > 1
    assert "".join(record.decode() for record in records) == "€" * PARTIAL_BYTES


@given(st.lists(st.binary(max_size=PARTIAL_BYTES * 2), max_size=6))
def test_the_records_together_are_what_was_written(reads):
    records = records_of(*reads)
    assert b"".join(records) == b"".join(reads)
    assert all(len(record) <= PARTIAL_BYTES + 1 for record in records)


@given(st.text())
def test_a_rendered_record_is_json_that_holds_the_text(text):
    (line,) = render([text.encode(errors="replace")], "stderr", "now")
    assert line.endswith(b"\n")
    expected = text.encode(errors="replace").decode()
    assert json.loads(line) == {"log": expected, "stream": "stderr", "time": "now"}


def test_bytes_that_are_no_text_are_shown_as_such():
    (line,) = render([b"\xff\xfe\n"], "stdout", "now")
    assert json.loads(line)["log"] == "��\n"


@given(st.datetimes(datetime(1970, 1, 1), datetime(2400, 1, 1)))  # noqa: DTZ001
def test_timestamps_are_the_calendar_s(naive):
    moment = naive.replace(microsecond=0, tzinfo=UTC)
    expected = moment.strftime("%Y-%m-%dT%H:%M:%S.000000007Z")
    assert timestamp(int(moment.timestamp()) * 10**9 + 7) == expected
