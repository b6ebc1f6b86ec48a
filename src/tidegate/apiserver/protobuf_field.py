"""How one field of a protobuf message is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` is text, bytes, int, bool, time, quantity, int-or-text, or the name of a message; a
    map's is that of its values. `zero`: a zero (or false) means something there, because it would
    not have been written otherwise. `inline`: its fields are the outer message's own in JSON."""

    name: str
    kind: str
    many: bool = False
    map: bool = False
    zero: bool = False
    inline: bool = False


def texts(name: str) -> Field:
    return Field(name, "text", many=True)


def map_of(name: str, kind: str = "text") -> Field:
    return Field(name, kind, map=True)
