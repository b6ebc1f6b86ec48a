"""The columns of KServe's kinds, as the printer columns of their CRDs."""

from __future__ import annotations

from typing import Any

from tidegate.model.column import AGE, NAME, Cell, number, text
from tidegate.model.conditions import find
from tidegate.model.serving import TrafficTarget


def _url(isvc: Any, now_s: float) -> str:
    return (isvc.status.url if isvc.status else None) or ""


def _ready(isvc: Any, now_s: float) -> str:
    ready = find(isvc.status.conditions if isvc.status else (), "Ready")
    return ready.status if ready is not None else ""


def _of_traffic(*, prev: bool, field: str) -> Cell:
    def cell(isvc: Any, now_s: float) -> str | int:
        components = isvc.status.components if isvc.status else {}
        predictor = components.get("predictor")
        targets: tuple[TrafficTarget, ...] = predictor.traffic if predictor else ()
        for target in targets:
            if target.tag == "prev" if prev else target.latest_revision:
                value: str | int | None = getattr(target, field)
                return "" if value is None else value
        return ""

    return cell


def _disabled(runtime: Any, now_s: float) -> str | bool:
    return "" if runtime.spec.disabled is None else runtime.spec.disabled


INFERENCE_SERVICE = (
    NAME,
    text("URL", _url),
    text("Ready", _ready),
    number("Prev", _of_traffic(prev=True, field="percent")),
    number("Latest", _of_traffic(prev=False, field="percent")),
    text("PrevRolledoutRevision", _of_traffic(prev=True, field="revision_name")),
    text("LatestReadyRevision", _of_traffic(prev=False, field="revision_name")),
    AGE,
)
SERVING_RUNTIME = (
    NAME,
    text("Disabled", _disabled),  # a boolean, as the CRD has it
    # A JSONPath with [*] prints the first match only, so does kubectl.
    text("ModelType", lambda r, now_s: next((f.name for f in r.spec.supported_model_formats), "")),
    text("Containers", lambda r, now_s: next((c.name for c in r.spec.containers), "")),
    AGE,
)
