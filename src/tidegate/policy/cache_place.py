"""The tiers in which a dataset's data is kept, as its runtime says. Pure.

Source: fluid pkg/utils/tieredstore.go (quota over paths), pkg/ddc/jindofsx (watermarks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tidegate.kit.quantity import parse_quantity
from tidegate.model.fluid_runtimes import DataRuntime, TierLevel
from tidegate.model.meta import Key

#: Jindo's defaults: above `high` it evicts down to `low`.
HIGH, LOW = 0.8, 0.6
_LEAST = 0.01  # a watermark of 0 would keep nothing at all


@dataclass(frozen=True, slots=True)
class TierPlace:
    """`path` None: a folder of the engine's own (volumeType emptyDir, or MEM without a path)."""

    medium: str  # MEM, SSD, HDD
    path: str | None
    quota_bytes: int | None
    high: float = HIGH
    low: float = LOW


@dataclass(frozen=True, slots=True)
class CachePlace:
    """The cache of one dataset. No tiers: it is in the engine's default cache."""

    key: Key
    tiers: tuple[TierPlace, ...]


def cache_place(key: Key, runtime: DataRuntime | None) -> CachePlace | None:
    """None: the default cache. All workers' quotas are on this one machine."""
    if runtime is None or not runtime.spec.tieredstore.levels:
        return None
    workers = 1 if runtime.spec.replicas is None else runtime.spec.replicas
    tiers = [tier for level in runtime.spec.tieredstore.levels for tier in _tiers(level, workers)]
    return CachePlace(key, tuple(tiers)) if tiers else None


def _tiers(level: TierLevel, workers: int) -> Sequence[TierPlace]:
    paths: list[str | None] = [
        each.strip() for each in (level.path or "").split(",") if each.strip()
    ]
    if not paths or level.volume_type == "emptyDir":
        paths = [None]
    quotas = _quotas(level, len(paths))
    high = _ratio(level.high, HIGH)
    low = min(_ratio(level.low, LOW), high)
    return [
        TierPlace(level.mediumtype, path, _whole(quota, workers), high, low)
        for path, quota in zip(paths, quotas, strict=True)
    ]


def _quotas(level: TierLevel, count: int) -> Sequence[Decimal | None]:
    listed = _listed(level)
    if len(listed) == count:
        return listed
    quota = level_quota(level)
    return [None if quota is None else quota / count] * count


def level_quota(level: TierLevel) -> Decimal | None:
    """Of all its paths together, for one worker; None: without a quota."""
    if level.quota_list:
        return sum(_listed(level), Decimal(0))
    return None if level.quota is None else parse_quantity(level.quota)


def _listed(level: TierLevel) -> list[Decimal]:
    return [parse_quantity(text) for text in (level.quota_list or "").split(",") if text]


def _whole(quota: Decimal | None, workers: int) -> int | None:
    return None if quota is None else max(1, int(quota * workers))


def _ratio(text: str | None, default: float) -> float:
    return default if text is None else min(1.0, max(_LEAST, float(text)))
