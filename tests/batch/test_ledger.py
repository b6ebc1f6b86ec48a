"""Rows get done in any order, and are given out once."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.batch.ledger import Entry, Ledger, Mark


def line(row: int) -> Entry:
    return Entry(b"%d\n" % row)


@given(st.permutations(range(12)), st.integers(0, 12))
def test_in_order_rows_come_out_as_they_went_in_and_a_resumed_run_repeats_only_what_was_held(
    order, stop
):
    first = Ledger(ordered=True)
    written = [e for row in order[:stop] for e in first.done(row, (row + 1) * 10, line(row))]
    again = Ledger.resumed(first.mark(), ordered=True)
    rest = [row for row in order if row not in again]
    written += [e for row in rest for e in again.done(row, (row + 1) * 10, line(row))]
    assert written == [line(row) for row in range(12)]
    assert again.mark() == Mark(12, 120)
    assert again.held_bytes == 0


@given(st.permutations(range(12)), st.integers(0, 12))
def test_out_of_order_each_row_comes_out_at_once_and_a_resumed_run_repeats_nothing(order, stop):
    first = Ledger(ordered=False)
    written = []
    for row in order[:stop]:
        now = first.done(row, None, line(row))
        assert now == [line(row)]
        written += now
    mark = first.mark()
    assert all((row in mark) == (row in order[:stop]) for row in range(12))
    again = Ledger.resumed(mark, ordered=False)
    for row in [row for row in order if row not in again]:
        written += again.done(row, None, line(row))
    assert sorted(written, key=lambda e: int(e.line)) == [line(row) for row in range(12)]
    assert again.mark().next == 12
    assert again.mark().beyond == ()
