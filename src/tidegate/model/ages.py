"""How long ago, in the few characters that kubectl prints.

Source: apimachinery pkg/util/duration/duration.go (`HumanDuration`).
"""

from __future__ import annotations

from tidegate.model.conditions import seconds_of

UNKNOWN = "<unknown>"
_MINUTE_S, _HOUR_S, _DAY_H, _YEAR_D = 60, 3600, 24, 365


def human_age(seconds: float) -> str:
    """Two units while the second one matters: `4s`, `2m46s`, `15m`, `3h7m`, `2d`."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"  # clocks differ by more than a second: say so rather than lie
    if whole < 2 * _MINUTE_S:
        return f"{max(0, whole)}s"
    minutes, hours = whole // _MINUTE_S, whole // _HOUR_S
    if minutes < 10:
        return _two(minutes, "m", whole % _MINUTE_S, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 2 * _DAY_H:
        return f"{hours}h"
    days = hours // _DAY_H
    if days < 8:
        return _two(days, "d", hours % _DAY_H, "h")
    if days < 2 * _YEAR_D:
        return f"{days}d"
    if days < 8 * _YEAR_D:
        return _two(days // _YEAR_D, "y", days % _YEAR_D, "d")
    return f"{days // _YEAR_D}y"


def age_of(timestamp: str | None, now_s: float) -> str:
    """The age of an RFC 3339 time; unknown if there is none, or none that can be read."""
    if not timestamp:
        return UNKNOWN
    try:
        return human_age(now_s - seconds_of(timestamp))
    except ValueError:
        return UNKNOWN


def _two(major: int, unit: str, minor: int, smaller: str) -> str:
    return f"{major}{unit}{minor}{smaller}" if minor else f"{major}{unit}"
