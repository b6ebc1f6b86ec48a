"""Tables as lines of text."""

from tidegate.cli.tables import paint, plain_line, widths_of


def test_columns_are_as_wide_as_their_widest_cell():
    widths = widths_of(["NAME", "AGE"], [["a-long-name", "1s"]])
    assert plain_line(["NAME", "AGE"], widths) == "NAME          AGE"
    assert plain_line(["a-long-name", "1s"], widths) == "a-long-name   1s"


def test_a_cell_that_comes_later_and_is_wider_keeps_its_distance():
    widths = widths_of(["NAME", "DATA"], [])
    assert plain_line(["watched", "0"], widths) == "watched   0"
    assert paint(["watched", "0"], widths) == "watched   0"
