"""Kubernetes resource quantities: `500m`, `1.5Gi`, `2`, `1e3`.

Source: apimachinery pkg/api/resource/quantity.go (the forms people write; arithmetic is exact).
"""

import re
from decimal import Decimal, InvalidOperation
from math import ceil

_SUFFIX = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_FORM = re.compile(
    r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?))$"
)


class BadQuantity(ValueError):
    """The text is not a quantity as Kubernetes writes them."""

    def __init__(self, text: object) -> None:
        self.text = text
        super().__init__(
            f"{text!r} is not a quantity: write a number with an optional suffix, as in 500m, 2, 1.5Gi"
        )


def parse_quantity(text: str | int | float) -> Decimal:
    """The exact value of a quantity. Raises `BadQuantity`."""
    match = _FORM.match(str(text).strip())
    if match is None:
        raise BadQuantity(text)
    number, exponent, suffix = match.groups()
    try:
        if exponent:
            return Decimal(number + exponent)
        return Decimal(number) * _SUFFIX[suffix or ""]
    except InvalidOperation as why:
        raise BadQuantity(text) from why


def cpu_milli(text: str | int | float) -> int:
    """CPU in thousandths of a core, rounded up."""
    return ceil(parse_quantity(text) * 1000)


def as_bytes(text: str | int | float) -> int:
    """Memory or storage in bytes, rounded up."""
    return ceil(parse_quantity(text))


_DECIMAL = ("m", "", "k", "M", "G", "T", "P", "E")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def milli(text: str | int | float) -> int:
    """Thousandths of the unit, rounded up. Raises `BadQuantity`."""
    return ceil(parse_quantity(text) * 1000)


def milli_text(thousandths: int, *, binary: bool = False) -> str:
    """Thousandths as Kubernetes writes them: `250m`, `12`, `1k`. `binary`: whole numbers from 1024 on
    with a power of 1024 (`128Mi`), as memory is written."""
    if thousandths % 1000 == 0:
        whole = thousandths // 1000
        if binary and abs(whole) >= 1024:
            return _reduced(whole, 1024, _BINARY)
        return _reduced(whole, 1000, _DECIMAL[1:])
    return f"{thousandths}m"


def canonical_quantity(text: str | int | float) -> str:
    """The one way in which Kubernetes writes a quantity back. Raises `BadQuantity`.

    Smaller parts than thousandths are kept as they were written.
    """
    value = parse_quantity(text)
    thousandths = value * 1000
    if thousandths != int(thousandths):
        return str(text)
    return milli_text(int(thousandths), binary=str(text).strip().endswith("i"))


def _reduced(whole: int, base: int, suffixes: tuple[str, ...]) -> str:
    """With the greatest suffix that leaves a whole number."""
    place = 0
    while whole and whole % base == 0 and place < len(suffixes) - 1:
        whole, place = whole // base, place + 1
    return f"{whole}{suffixes[place]}"
