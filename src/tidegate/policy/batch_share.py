"""How far batch requests may fill a replica."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Final

from tidegate.policy import annotation_keys as keys
from tidegate.scaling import KpaSpec, Metric

KEY: Final = "tidegate.dev/batch-concurrency"
#: For replicas of which nobody said how much they take: enough to keep one busy, too few to hurt it.
UNSAID: Final = 8


def batch_share(annotations: Mapping[str, str], spec: KpaSpec, container_concurrency: int) -> int:
    """Requests at once on a replica up to which batch requests start: what its owner says, else its hard
    limit, else the load at which the autoscaler would leave it alone, if that was named."""
    said = said_share(annotations)
    if said is not None:
        return said
    if container_concurrency:
        return container_concurrency
    if spec.metric is Metric.CONCURRENCY and keys.TARGET.find(annotations) is not None:
        return max(1, floor(spec.target))
    return UNSAID


def said_share(annotations: Mapping[str, str]) -> int | None:
    """What the annotation says; None: nothing that is a number of 1 or more."""
    text = annotations.get(KEY, "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 10**6 else None


def share_notes(annotations: Mapping[str, str]) -> list[str]:
    """One sentence if it is there and means nothing."""
    if KEY not in annotations or said_share(annotations) is not None:
        return []
    return [f"{KEY}: {annotations[KEY]!r} is no number of 1 or more, it has no effect"]
