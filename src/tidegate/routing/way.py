"""Where one request can go."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """A revision. `head` is header lines, each with its end, that are added on this way."""

    revision: str
    head: bytes = b""
