"""Durations as ISO 8601 writes them: `PT2S`, `PT0.3S`, `P1DT12H`."""

from __future__ import annotations

import re

_DAY_S = 86400.0
#: Knative's library takes the mean Gregorian year, and a twelfth of it for a month.
_YEAR_S = 365.2425 * _DAY_S
_UNITS_S = (_YEAR_S, _YEAR_S / 12, 7 * _DAY_S, _DAY_S, 3600.0, 60.0, 1.0)
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_WHOLE = re.compile(
    rf"P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?"
)


class BadIsoDuration(ValueError):
    """The text is no ISO 8601 duration."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{text!r} is no ISO 8601 duration: write it like PT2S, PT0.3S or PT1M30S")


def parse_iso_duration(text: str) -> float:
    """Seconds, never negative. Raises `BadIsoDuration`.

    Source: ISO 8601, as github.com/rickb777/date/period (Knative's) reads it; signs are left out.
    """
    hit = _WHOLE.fullmatch(text)
    if hit is None or not any(hit.groups()):
        raise BadIsoDuration(text)
    return sum(
        float(number.replace(",", ".")) * unit_s
        for number, unit_s in zip(hit.groups(), _UNITS_S, strict=True)
        if number is not None
    )
