"""One column of a Table, and those that most kinds have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidegate.model.ages import age_of

NONE = "<none>"

# Cells get an object of their own kind: `columns_of` is the only way to them.
Cell = Callable[[Any, float], str | int | bool]


@dataclass(frozen=True, slots=True)
class Column:
    """`priority` 1: shown with `-o wide` only. `cell` gets the object and the time in seconds."""

    name: str
    type: str  # string, integer, boolean
    priority: int
    cell: Cell


def text(name: str, cell: Cell) -> Column:
    return Column(name, "string", 0, cell)


def wide(name: str, cell: Cell) -> Column:
    return Column(name, "string", 1, cell)


def number(name: str, cell: Cell, *, priority: int = 0) -> Column:
    return Column(name, "integer", priority, cell)


NAME = text("Name", lambda obj, now_s: obj.metadata.name)
AGE = text("Age", lambda obj, now_s: age_of(obj.metadata.creation_timestamp, now_s))
