"""One field that breaks a rule, worded as Kubernetes words it.

Source: apimachinery pkg/util/validation/field/errors.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tidegate.model.errors import Cause
from tidegate.model.wire import Wire

INT32_MOST = 2**31 - 1
AT_LEAST_0 = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"

Problems = list[Cause]


class GoText(str):
    """A value that is already written as Go would print it: shown without quotes."""

    __slots__ = ()


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", _with_detail("Required value", detail), path)


def invalid(path: str, value: object, detail: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}", path)


def duplicate(path: str, value: object) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {shown(value)}", path)


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", path)


def not_found(path: str, value: object) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {shown(value)}", path)


def too_long(path: str, most_bytes: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {most_bytes} bytes", path)


def not_supported(path: str, value: object, supported: Sequence[str]) -> Cause:
    choices = ", ".join(f'"{choice}"' for choice in supported)
    message = f"Unsupported value: {shown(value)}: supported values: {choices}"
    return Cause("FieldValueNotSupported", message, path)


def each_invalid(path: str, value: object, details: Iterable[str]) -> Problems:
    return [invalid(path, value, detail) for detail in details]


def one_of(path: str, value: str | None, supported: Sequence[str]) -> Problems:
    """Unset is fine: defaults came before."""
    return [] if value is None or value in supported else [not_supported(path, value, supported)]


def not_negative(path: str, value: int | None) -> Problems:
    return [invalid(path, value, AT_LEAST_0)] if value is not None and value < 0 else []


def repeated(paths_and_values: Iterable[tuple[str, str]]) -> Problems:
    """Values that came before under another path. Empty ones don't count."""
    seen: set[str] = set()
    found = []
    for path, value in paths_and_values:
        if value and value in seen:
            found.append(duplicate(path, value))
        seen.add(value)
    return found


def shown(value: object) -> str:
    """A value as Kubernetes prints it: text quoted, string maps in Go's notation."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, GoText):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values()):
        pairs = (f"{quoted(k)}:{quoted(v)}" for k, v in sorted(value.items()))
        return f"map[string]string{{{', '.join(pairs)}}}"
    if isinstance(value, Wire):
        value = msgspec.to_builtins(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return str(value)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _with_detail(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def differences(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Where two JSON-like values differ: path, old, new. A missing side is None."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for key in sorted(old.keys() | new.keys())
            for found in differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        return [
            found
            for i, (was, now) in enumerate(zip(old, new, strict=True))
            for found in differences(was, now, f"{path}[{i}]")
        ]
    return [(path, old, new)]
