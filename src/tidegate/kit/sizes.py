"""Sizes in bytes as people read them."""

from __future__ import annotations

from decimal import Decimal

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def bytes_text(size_bytes: int | Decimal) -> str:
    """`1.16GiB`. Source: docker go-units (`BytesSize`), as Fluid writes sizes."""
    value, place = Decimal(size_bytes), 0
    while value >= 1024 and place < len(_UNITS) - 1:
        value, place = value / 1024, place + 1
    return f"{value:.2f}{_UNITS[place]}"
