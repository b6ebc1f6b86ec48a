"""The columns of Knative's kinds, as the printer columns of their CRDs.

Cells of absent values stay empty, as those of any CRD.
"""

from __future__ import annotations

from typing import Any

from tidegate.model import serving_names as names
from tidegate.model.column import AGE, NAME, Cell, number, text
from tidegate.model.conditions import find


def _of_status(field: str) -> Cell:
    def cell(obj: Any, now_s: float) -> str | int:
        value: str | int | None = getattr(obj.status, field, None)
        return "" if value is None else value

    return cell


def _of_ready(field: str) -> Cell:
    def cell(obj: Any, now_s: float) -> str:
        ready = find(obj.status.conditions if obj.status else (), "Ready")
        return getattr(ready, field, None) or ""

    return cell


def _of_labels(key: str) -> Cell:
    return lambda obj, now_s: obj.metadata.labels.get(key, "")


_READY = (text("Ready", _of_ready("status")), text("Reason", _of_ready("reason")))
_LATEST = (
    text("LatestCreated", _of_status("latest_created_revision_name")),
    text("LatestReady", _of_status("latest_ready_revision_name")),
)
_URL = text("URL", _of_status("url"))
REVISION = (
    NAME,
    text("Config Name", _of_labels(names.CONFIGURATION)),
    text("Generation", _of_labels(names.CONFIGURATION_GENERATION)),
    *_READY,
    number("Actual Replicas", _of_status("actual_replicas")),
    number("Desired Replicas", _of_status("desired_replicas")),
)
POD_AUTOSCALER = (
    NAME,
    number("DesiredScale", _of_status("desired_scale")),
    number("ActualScale", _of_status("actual_scale")),
    *_READY,
)


def _of_total(field: str) -> Cell:
    def cell(obj: Any, now_s: float) -> int:
        count: int = getattr(obj.status.total, field) if obj.status else 0
        return count

    return cell


TRAFFIC_REPORT = (
    NAME,
    number("Requests", _of_total("requests")),
    number("Errors", _of_total("errors")),
    number("Cold Starts", _of_total("cold_starts")),
    AGE,
)
SERVICE = (NAME, _URL, *_LATEST, *_READY)
CONFIGURATION = (NAME, *_LATEST, *_READY)
ROUTE = (NAME, _URL, *_READY)
DOMAIN_MAPPING = ROUTE
INGRESS = (NAME, *_READY)
