"""Reading the texts of a trigger's `metadata`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tidegate.kit.quantity import BadQuantity, parse_quantity

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class BadTrigger(ValueError):
    """A trigger that can't be done; `field` is its path below the trigger."""

    def __init__(self, field: str, why: str) -> None:
        self.field, self.why = field, why
        super().__init__(f"{field}: {why}")


def needed(metadata: Mapping[str, str], key: str) -> str:
    if not metadata.get(key):
        raise BadTrigger(f"metadata.{key}", "required")
    return metadata[key]


def only(metadata: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Nothing is silently ignored."""
    for key in metadata:
        if key not in known:
            raise BadTrigger(f"metadata.{key}", f"not honoured here: known are {', '.join(known)}")


def decimal(metadata: Mapping[str, str], key: str, default: str | None) -> Decimal:
    text = metadata.get(key) or default
    if text is None:
        raise BadTrigger(f"metadata.{key}", "required")
    return quantity(key, text)


def quantity(key: str, text: str) -> Decimal:
    try:
        return parse_quantity(text)
    except BadQuantity as why:
        raise BadTrigger(f"metadata.{key}", f'"{text}" is no number') from why


def whole(metadata: Mapping[str, str], key: str, default: int, *, least: int) -> int:
    text = metadata.get(key)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < least:
        raise BadTrigger(f"metadata.{key}", f'"{text}" is no whole number from {least} on')
    return int(text)


def flag(metadata: Mapping[str, str], key: str) -> bool:
    """As Go's ParseBool; absent: false."""
    text = metadata.get(key, "false")
    if text not in _TRUE + _FALSE:
        raise BadTrigger(f"metadata.{key}", f'"{text}" is neither true nor false')
    return text in _TRUE
