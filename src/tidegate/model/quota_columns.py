"""Columns of ResourceQuota and LimitRange.

Source: kubernetes 1.32 pkg/printers/internalversion/printers.go (Age goes last from 1.33 on).
"""

from __future__ import annotations

from tidegate.model.column import AGE, NAME, text
from tidegate.model.quotas import ResourceQuota


def _shares(quota: ResourceQuota, *, limits: bool) -> str:
    status = quota.status
    if status is None:
        return ""
    return ", ".join(
        f"{name}: {status.used.get(name, 0)}/{hard}"
        for name, hard in sorted(status.hard.items())
        if name.startswith("limits.") == limits
    )


RESOURCE_QUOTA = (
    NAME,
    AGE,
    text("Request", lambda quota, now_s: _shares(quota, limits=False)),
    text("Limit", lambda quota, now_s: _shares(quota, limits=True)),
)
LIMIT_RANGE = (
    NAME,
    text("Created At", lambda limits, now_s: limits.metadata.creation_timestamp or "<unknown>"),
)
