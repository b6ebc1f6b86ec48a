"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902). Pure: the inputs are left as they are."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tidegate.model.errors import ApiError, BadRequest


class PatchRefused(ApiError):
    """The patch is well formed and can't be applied to this object."""

    code, reason = 422, "Invalid"


def merge_patch(target: Any, patch: Any) -> Any:
    """Null removes a key, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def json_patch(target: Any, operations: Any) -> Any:
    """Raises BadRequest for what is no JSON patch, PatchRefused for one that doesn't fit."""
    if not isinstance(operations, list):
        raise BadRequest("a JSON patch is a list of operations")
    out = deepcopy(target)
    for number, operation in enumerate(operations):
        if not isinstance(operation, dict) or "op" not in operation or "path" not in operation:
            raise BadRequest(f"operation {number} of the JSON patch needs an op and a path")
        out = _apply(out, operation, f"operation {number} of the JSON patch")
    return out


def _apply(doc: Any, operation: dict[str, Any], what: str) -> Any:
    path = _steps(operation["path"], what)
    match operation["op"]:
        case "add":
            return _add(doc, path, _value(operation, what), what)
        case "remove":
            return _remove(doc, path, what)
        case "replace":
            value = _value(operation, what)
            _find(doc, path, what)
            return value if not path else _add(_remove(doc, path, what), path, value, what)
        case "move":
            start = _steps(operation.get("from"), what)
            value = _find(doc, start, what)
            return _add(_remove(doc, start, what), path, value, what)
        case "copy":
            start = _steps(operation.get("from"), what)
            return _add(doc, path, deepcopy(_find(doc, start, what)), what)
        case "test":
            if _find(doc, path, what) != _value(operation, what):
                raise PatchRefused(f"{what}: the test of {operation['path']} failed")
            return doc
        case other:
            raise BadRequest(f'{what}: unknown op "{other}"')


def _value(operation: dict[str, Any], what: str) -> Any:
    if "value" not in operation:
        raise BadRequest(f"{what} needs a value")
    return operation["value"]


def _steps(pointer: Any, what: str) -> list[str]:
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise BadRequest(
            f'{what}: {pointer!r} is no JSON pointer: it must be empty or start with "/"'
        )
    return [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]


def _find(doc: Any, steps: list[str], what: str) -> Any:
    for step in steps:
        if isinstance(doc, dict) and step in doc:
            doc = doc[step]
        elif isinstance(doc, list):
            doc = doc[_index(doc, step, steps, what)]
        else:
            raise _missing(steps, what)
    return doc


def _add(doc: Any, steps: list[str], value: Any, what: str) -> Any:
    if not steps:
        return value
    parent, last = _find(doc, steps[:-1], what), steps[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        at = len(parent) if last == "-" else _index(parent, last, steps, what, end=1)
        parent.insert(at, value)
    else:
        raise _missing(steps, what)
    return doc


def _remove(doc: Any, steps: list[str], what: str) -> Any:
    if not steps:
        return None
    parent, last = _find(doc, steps[:-1], what), steps[-1]
    if isinstance(parent, dict) and last in parent:
        del parent[last]
    elif isinstance(parent, list):
        del parent[_index(parent, last, steps, what)]
    else:
        raise _missing(steps, what)
    return doc


def _index(items: list[Any], step: str, steps: list[str], what: str, *, end: int = 0) -> int:
    if not step.isdigit() or int(step) >= len(items) + end:
        raise _missing(steps, what)
    return int(step)


def _missing(steps: list[str], what: str) -> PatchRefused:
    return PatchRefused(f"{what}: there is no /{'/'.join(steps)} in the object")
