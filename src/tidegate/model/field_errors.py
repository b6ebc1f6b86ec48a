"""What is wrong with a field, and how a list of that reads in Knative's and Kubernetes' words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong. `paths` are dotted (`spec.template.spec.containers[0].image`); empty for
    entries that carry none. `details` is a further sentence, or empty."""

    message: str
    paths: tuple[str, ...] = ()
    details: str = ""


def knative_text(errors: Iterable[FieldError]) -> str:
    """The text of Knative's webhook: one entry a line, same message and details merged.

    Source: knative.dev/pkg/apis/field_error.go (`FieldError.Error`).
    """
    merged: dict[tuple[str, str], set[str]] = {}
    for error in errors:
        merged.setdefault((error.message, error.details), set()).update(error.paths)
    lines = []
    for (message, details), paths in sorted(merged.items()):
        line = f"{message}: {', '.join(sorted(paths))}"
        lines.append(f"{line}\n{details}" if details else line)
    return "\n".join(lines)
