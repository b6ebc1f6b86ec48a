"""The columns of Fluid's kinds, as its CRDs' additionalPrinterColumns say."""

from __future__ import annotations

from tidegate.model.column import AGE, NAME, Cell, Column, number, text


def _extra(name: str, cell: Cell, *, priority: int = 10) -> Column:
    """Shown with `-o wide`."""
    return Column(name, "string", priority, cell)


def _status(field: str) -> Cell:
    def cell(obj: object, now_s: float) -> str:
        return str(getattr(getattr(obj, "status", None), field, None) or "")

    return cell


def _count(name: str, field: str) -> Column:
    def cell(obj: object, now_s: float) -> int:
        return int(getattr(getattr(obj, "status", None), field, None) or 0)

    return number(name, cell, priority=10)


def _cache(key: str) -> Cell:
    def cell(obj: object, now_s: float) -> str:
        states = getattr(getattr(obj, "status", None), "cache_states", None) or {}
        return str(states.get(key, ""))

    return cell


def _endpoint(field: str) -> Cell:
    def cell(obj: object, now_s: float) -> str:
        part = getattr(getattr(obj, "status", None), field, None)
        return str(getattr(part, "endpoint", None) or "")

    return cell


DATASET = (
    NAME,
    text("Ufs Total Size", _status("ufs_total")),
    text("Cached", _cache("cached")),
    text("Cache Capacity", _cache("cacheCapacity")),
    text("Cached Percentage", _cache("cachedPercentage")),
    text("Phase", _status("phase")),
    _extra("HCFS URL", _endpoint("hcfs")),
    _extra("TOTAL FILES", _status("file_num"), priority=11),
    _extra("CACHE HIT RATIO", _cache("cacheHitRatio")),
    AGE,
)

RUNTIME = (
    NAME,
    _count("Ready Masters", "master_number_ready"),
    _count("Desired Masters", "desired_master_number_scheduled"),
    text("Master Phase", _status("master_phase")),
    _count("Ready Workers", "worker_number_ready"),
    _count("Desired Workers", "desired_worker_number_scheduled"),
    text("Worker Phase", _status("worker_phase")),
    _count("Ready Fuses", "fuse_number_ready"),
    _count("Desired Fuses", "desired_fuse_number_scheduled"),
    text("Fuse Phase", _status("fuse_phase")),
    AGE,
)

ALLUXIO_RUNTIME = (*RUNTIME[:-1], _extra("API Gateway", _endpoint("api_gateway")), AGE)

DATA_LOAD = (
    NAME,
    text("Dataset", lambda obj, now_s: obj.spec.dataset.name),
    text("Phase", _status("phase")),
    AGE,
    text("Duration", _status("duration")),
)
