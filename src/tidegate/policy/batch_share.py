"""How far batch requests may fill a replica."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Final

from tidegate.policy import annotation_keys as keys
from tidegate.scaling import KpaSpec, Metric

#: For replicas of which nobody said how much they take: enough to keep one busy, too few to hurt it.
UNSAID: Final = 8


def batch_share(annotations: Mapping[str, str], spec: KpaSpec, container_concurrency: int) -> int:
    """Requests at once on a replica up to which batch requests start: its hard limit, else the load at
    which the autoscaler would leave it alone, if its owner named one."""
    if container_concurrency:
        return container_concurrency
    if spec.metric is Metric.CONCURRENCY and keys.TARGET.find(annotations) is not None:
        return max(1, floor(spec.target))
    return UNSAID
