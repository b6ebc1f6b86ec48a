"""The JSONPath that `kubectl` users write: `{.status.conditions[?(@.type=="Ready")].status}`.

Names, `[0]`, `[-1]`, `[*]`, `['a.b']`, escaped dots and equality filters. No scripts, slices, unions or `..`.
"""

from __future__ import annotations

import json
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

_PART = re.compile(r"\{((?:\"(?:\\.|[^\"])*\"|'[^']*'|[^{}\"'])*)\}")


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


def render(template: str, value: Any) -> str:
    """A template such as `{.metadata.name}: {.status.url}{"\\n"}`, with what its paths lead to; several
    values of a path with blanks between. Without braces all of it is one path. Raises `Usage`."""
    if "{" not in template:
        template = f"{{{template}}}"
    out, at = [], 0
    for part in _PART.finditer(template):
        out += [template[at : part.start()], _shown(part[1].strip(), value)]
        at = part.end()
    rest = template[at:]
    if "{" in rest:
        raise Usage(f"JSONPath {template!r}: {rest!r} has no end, close it with }}")
    return "".join(out) + rest


def _shown(part: str, value: Any) -> str:
    if len(part) > 1 and part[0] == part[-1] == '"':
        try:
            return str(json.loads(part))  # a text: {"\n"}
        except ValueError as why:
            raise Usage(f"JSONPath {part}: no text: {why}") from why
    if len(part) > 1 and part[0] == part[-1] == "'":
        return part[1:-1]
    if part.split(" ")[0] in ("range", "end"):
        raise Usage(f"JSONPath {{{part}}}: loops are not known here, use `kubectl get` for it")
    return " ".join(_text(one) for one in find(part, value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


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
