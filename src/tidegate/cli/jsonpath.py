"""The JSONPath that `kubectl` users write: `{.status.conditions[?(@.type=="Ready")].status}`.

Names, `[0]`, `[-1]`, `[*]`, `['a.b']`, escaped dots and equality filters. No scripts, slices, unions or `..`.
"""

from __future__ import annotations

import re
from typing import Any

from tidegate.cli.errors import Usage

_STEP = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\\])+)
      | \[(?P<index>-?\d+)\]
      | \[(?P<every>\*)\]
      | \[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]
      | \[\?\(@\.(?P<field>[\w.\-]+)\s*==\s*(?P<q2>['"])(?P<equals>.*?)(?P=q2)\)\]""",
    re.VERBOSE,
)


def find(path: str, value: Any) -> list[Any]:
    """What a path leads to, in order; empty when there is nothing. Raises `Usage`."""
    text = path.strip().removeprefix("{").removesuffix("}").strip().removeprefix("$")
    if not text.startswith((".", "[")):
        text = f".{text}"
    found, at = [value], 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise Usage(f"JSONPath {path!r}: {text[at:]!r} is no step such as .name, [0] or [*]")
        found = [inner for one in found for inner in _follow(step, one)]
        at = step.end()
    return found


def _follow(step: re.Match[str], value: Any) -> list[Any]:
    name = step["key"] if step["key"] is not None else step["name"]
    if name is not None:
        name = re.sub(r"\\(.)", r"\1", name) if step["name"] else name
        return [value[name]] if isinstance(value, dict) and name in value else []
    if step["every"]:
        return list(value.values()) if isinstance(value, dict) else _items(value)
    if step["index"] is not None:
        items, index = _items(value), int(step["index"])
        return [items[index]] if -len(items) <= index < len(items) else []
    return [one for one in _items(value) if find(step["field"], one) == [step["equals"]]]


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
