"""Refusals in the words of Knative's webhook.

Source: knative.dev/pkg/apis/field_error.go.
"""

from __future__ import annotations

from tidegate.model.admission.problems import differences
from tidegate.model.field_errors import FieldError
from tidegate.model.wire import Wire, to_raw

INT32_MOST = 2**31 - 1

Errors = list[FieldError]


def missing(*paths: str) -> FieldError:
    return FieldError("missing field(s)", paths)


def disallowed(*paths: str) -> FieldError:
    return FieldError("must not set the field(s)", paths)


def invalid_value(value: object, path: str, details: str = "") -> FieldError:
    return FieldError(f"invalid value: {value}", (path,), details)


def out_of_bounds(value: int, low: int, high: int, path: str) -> FieldError:
    return FieldError(f"expected {low} <= {value} <= {high}", (path,))


def got_neither(*paths: str) -> FieldError:
    return FieldError("expected exactly one, got neither", paths)


def got_both(*paths: str) -> FieldError:
    return FieldError("expected exactly one, got both", paths)


def invalid_key(key: str, path: str, details: str = "") -> FieldError:
    return FieldError(f'invalid key name "{key}"', (path,), details)


def switched_off(text: str) -> FieldError:
    """A feature that config-features turned off. Such entries carry no path."""
    return FieldError(text)


def listed(problems: tuple[str, ...]) -> str:
    """Several sentences as Go prints a list of strings."""
    return f"[{' '.join(problems)}]"


def under(prefix: str, error: FieldError) -> FieldError:
    """The error with `prefix` in front of its paths."""
    return FieldError(error.message, tuple(f"{prefix}.{p}" for p in error.paths), error.details)


def changes_shown(old: Wire, new: Wire) -> str:
    """What changed, a path, the old and the new value each."""
    lines = []
    for path, was, now in differences(to_raw(old), to_raw(new)):
        lines.append(f"{path or '{}'}:")
        lines += [] if was is None else [f"\t-: {_go(was)}"]
        lines += [] if now is None else [f"\t+: {_go(now)}"]
    return "\n".join(lines)


def _go(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
