"""Requests written with holes for a row's columns, and paths into values. Pure.

A template is JSON. A text that is nothing but `{{column}}` becomes the column's value as it is; inside
longer text the value is put in as text. Dots lead into objects and lists: `{{user.name}}`, `choices.0.text`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

_HOLE: Final = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


class BadRow(Exception):
    """The row lacks what the request needs; the sentence says what."""


class BadTemplate(Exception):
    """It is no JSON."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read. `value` is its JSON."""

    value: Any

    def render(self, row: Any) -> Any:
        """The request's value for a row. Raises `BadRow`."""
        return _filled(self.value, row)


def parse_template(text: str) -> Template:
    """Raises `BadTemplate`."""
    try:
        return Template(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError) as why:
        raise BadTemplate(f"it is no JSON: {why}") from why


def pick(value: Any, path: Sequence[str]) -> Any:
    """What is at a path. Raises `BadRow`."""
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise BadRow(f"nothing is called {step!r} there")
    return value


def columns_of(row: Any, names: Sequence[str]) -> list[Any]:
    """The values of a row's columns. Raises `BadRow`, which names those that are missing."""
    if not isinstance(row, Mapping):
        raise BadRow(f"the row is no object with columns {', '.join(names)}")
    missing = [name for name in names if name not in row]
    if missing:
        has = ", ".join(list(map(str, row))[:20]) or "none"
        raise BadRow(f"it has no column {', '.join(missing)} (its columns: {has})")
    return [row[name] for name in names]


def _filled(value: Any, row: Any) -> Any:
    if isinstance(value, str):
        return _text(value, row)
    if isinstance(value, list):
        return [_filled(each, row) for each in value]
    if isinstance(value, dict):
        return {name: _filled(each, row) for name, each in value.items()}
    return value


def _text(text: str, row: Any) -> Any:
    whole = _HOLE.fullmatch(text)
    if whole is not None:
        return _column(row, whole[1])

    def written(hole: re.Match[str]) -> str:
        found = _column(row, hole[1])
        return found if isinstance(found, str) else msgspec.json.encode(found).decode()

    return _HOLE.sub(written, text)


def _column(row: Any, path: str) -> Any:
    if isinstance(row, Mapping) and path in row:  # a column's name may have dots in it
        return row[path]
    try:
        return pick(row, path.split("."))
    except BadRow as why:
        raise BadRow(f"no column {path} for {{{{{path}}}}}: {why}") from why
