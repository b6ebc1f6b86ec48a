"""Numbers, truth values and durations as Go's standard library reads them out of strings.

Annotations and config maps hold strings that Knative parses with Go's `strconv` and `time`; what
is accepted, and how a refusal reads, must not differ here. Deliberate difference: NaN and infinity
are refused, since no scaling rule means anything with them.
"""

from __future__ import annotations

import re
from math import isfinite

from tidegate.kit.duration import BadDuration, parse_duration

_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class BadValue(ValueError):
    """The text isn't such a value. `out_of_range`: well formed, but too large to hold."""

    def __init__(self, text: str, *, out_of_range: bool = False) -> None:
        self.out_of_range = out_of_range
        super().__init__(text)


def parse_int(text: str, bits: int = 32) -> int:
    """`strconv.ParseInt(text, 10, bits)`. Raises `BadValue`."""
    if not _INT.fullmatch(text):
        raise BadValue(_refusal("ParseInt", text, "invalid syntax"))
    # Longer than any 64-bit number: don't make Python build it first.
    if len(text.lstrip("+-0")) > 20 or not -(1 << bits - 1) <= int(text) < 1 << bits - 1:
        raise BadValue(_refusal("ParseInt", text, "value out of range"), out_of_range=True)
    return int(text)


def parse_float(text: str) -> float:
    """`strconv.ParseFloat(text, 64)`, finite values only. Raises `BadValue`."""
    if _FLOAT.fullmatch(text):
        value = float(text)
    elif _HEX_FLOAT.fullmatch(text):
        value = _hex_float(text)
    else:
        raise BadValue(_refusal("ParseFloat", text, "invalid syntax"))
    if not isfinite(value):
        raise BadValue(_refusal("ParseFloat", text, "value out of range"), out_of_range=True)
    return value


def parse_bool(text: str) -> bool:
    """`strconv.ParseBool(text)`. Raises `BadValue`."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise BadValue(_refusal("ParseBool", text, "invalid syntax"))


def parse_seconds(text: str) -> float:
    """`time.ParseDuration(text)` in seconds. Raises `BadValue`."""
    try:
        return parse_duration(text)
    except BadDuration:
        pass
    problem = "missing unit in" if _FLOAT.fullmatch(text) else "invalid"
    raise BadValue(f"time: {problem} duration {quoted(text)}")


def quoted(text: str) -> str:
    """As Go's `%q` for ordinary text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number_text(value: float) -> str:
    """As Go's `%v` prints a float64."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def _hex_float(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return float("inf")


def _refusal(function: str, text: str, cause: str) -> str:
    return f"strconv.{function}: parsing {quoted(text)}: {cause}"
