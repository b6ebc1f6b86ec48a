"""Durations as Go writes and reads them: `300ms`, `1.5h`, `1m30s`, `0`."""

import re
from decimal import Decimal

_UNIT_S = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


class BadDuration(ValueError):
    """The text is not a Go duration."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{text!r} is not a duration: write it like 300ms, 30s, 1m30s or 1.5h")


def parse_duration(text: str) -> float:
    """Seconds. A unit is required except for a bare `0`. Raises `BadDuration`."""
    rest = text
    sign = 1
    if rest[:1] in ("+", "-"):
        sign = -1 if rest[0] == "-" else 1
        rest = rest[1:]
    if rest == "0":
        return 0.0
    total, at = Decimal(0), 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None:
            raise BadDuration(text)
        total += Decimal(match[1]) * _UNIT_S[match[2]]
        at = match.end()
    if not rest:
        raise BadDuration(text)
    return float(total * sign)


def format_duration(seconds: float) -> str:
    """As Go's `Duration.String` for whole milliseconds: `1h0m0s`, `6s`, `1.5s`, `300ms`."""
    millis = round(seconds * 1000)
    sign = "-" if millis < 0 else ""
    millis = abs(millis)
    if millis == 0:
        return "0s"
    if millis < 1000:
        return f"{sign}{millis}ms"
    whole, part = divmod(millis, 1000)
    text = f"{whole % 60}" + (f".{part:03d}".rstrip("0") if part else "") + "s"
    if whole >= 60:
        text = f"{whole // 60 % 60}m{text}"
    if whole >= 3600:
        text = f"{whole // 3600}h{text}"
    return sign + text
