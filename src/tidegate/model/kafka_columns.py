"""Columns of Knative's Kafka kinds, as their CRDs have them."""

from __future__ import annotations

from tidegate.model.column import AGE, NAME, Cell, text
from tidegate.model.conditions import find


def _ready(field: str) -> Cell:
    def cell(obj: object, now_s: float) -> str:
        status = getattr(obj, "status", None)
        found = find(status.conditions, "Ready") if status is not None else None
        return (getattr(found, field) if found is not None else None) or ""

    return cell


def _json_list(values: tuple[str, ...]) -> str:
    """As a CRD's column prints a list."""
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


_READY = (text("Ready", _ready("status")), text("Reason", _ready("reason")))

SOURCE = (
    NAME,
    text("Topics", lambda obj, now_s: _json_list(obj.spec.topics)),
    text("BootstrapServers", lambda obj, now_s: _json_list(obj.spec.bootstrap_servers)),
    *_READY,
    AGE,
)
SINK = (
    NAME,
    text(
        "URL",
        lambda obj, now_s: (
            (obj.status.address.url if obj.status and obj.status.address else None) or ""
        ),
    ),
    AGE,
    *_READY,
)
