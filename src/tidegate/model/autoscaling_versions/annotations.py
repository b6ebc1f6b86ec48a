"""What a version has no field for, kept in annotations as Kubernetes keeps it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.model.meta import Object, touched

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, BEHAVIOR = f"{_PREFIX}metrics", f"{_PREFIX}behavior"
CONDITIONS, CURRENT = f"{_PREFIX}conditions", f"{_PREFIX}current-metrics"


def noted(hpa: Object, notes: Mapping[str, str]) -> Any:
    kept = {k: v for k, v in hpa.metadata.annotations.items() if k not in _KEPT_HERE}
    return touched(hpa.metadata, annotations={**kept, **notes})


def plain(document: Object) -> Any:
    return noted(document, {})


_KEPT_HERE = frozenset((METRICS, BEHAVIOR, CONDITIONS, CURRENT))


def text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def read(notes: Mapping[str, str], key: str, type_: Any) -> Any:
    """What an annotation holds; None without it. One that can't be read counts as absent, as in
    Kubernetes: an older client wrote it, or nobody did."""
    if key not in notes:
        return None
    try:
        return msgspec.json.decode(notes[key], type=type_)
    except msgspec.DecodeError:
        return None
