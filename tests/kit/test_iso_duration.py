"""Durations as ISO 8601 writes them."""

from __future__ import annotations

import pytest

from tidegate.kit.iso_duration import BadIsoDuration, parse_iso_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT2S", 2.0),
        ("PT0.3S", 0.3),
        ("PT0,3S", 0.3),
        ("PT1M30S", 90.0),
        ("P1DT12H", 129600.0),
        ("P2W", 1209600.0),
        ("PT0S", 0.0),
    ],
)
def test_a_duration_is_seconds(text, seconds):
    assert parse_iso_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "2S", "PT-1S", "P1", "PT2", "2s", "PT1S1M", "P1S"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(BadIsoDuration, match="write it like PT2S"):
        parse_iso_duration(text)
