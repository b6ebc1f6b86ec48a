"""`tidegate cache ls`: what is in the caches, and how full they are."""

from __future__ import annotations

import json
from typing import Any

from tidegate.cli.cache.found import caches_of
from tidegate.cli.options import AsTable, DataDir
from tidegate.cli.tables import show_table
from tidegate.kit.realtime import RealClock
from tidegate.modelcache.values import Entry, TierUse

_HEADER = ("URI", "SIZE", "FILES", "TIER", "STATE", "PINNED BY", "USED BY", "USED")


def ls(*, output: AsTable = "table", data_dir: DataDir = None) -> None:
    """List what is on the disk: who uses and pins it, and how full each tier is.

    Example: tidegate cache ls -o json
    """
    caches = caches_of(data_dir)
    entries = [(name, entry) for name, cache in caches.items() for entry in cache.entries()]
    usage = [(name, use) for name, cache in caches.items() for use in cache.usage()]
    if output == "json":
        print(
            json.dumps(
                {
                    "entries": [_json(name, entry) for name, entry in entries],
                    "tiers": [_tier_json(name, use) for name, use in usage],
                },
                indent=2,
            )
        )
        return
    several = len(caches) > 1  # only then a cache needs a name
    if entries:
        show_table(
            (("CACHE",) if several else ()) + _HEADER,
            [((name,) if several else ()) + _row(entry) for name, entry in entries],
        )
        print()
    for name, use in usage:
        print((f"{name}: " if several else "") + _tier_text(use))


def _tier_text(use: TierUse) -> str:
    quota = use.tier.quota_bytes
    of = f" of {size(quota)}" if quota else ""
    return (
        f"{use.tier.medium} {use.tier.path}: {size(use.used_bytes)}{of} used, "
        f"{size(use.free_bytes)} free on its disk"
    )


def files_text(count: int) -> str:
    """`1 file`, `12 files`."""
    return f"{count} file{'' if count == 1 else 's'}"


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _state(entry: Entry) -> str:
    progress = entry.progress
    if progress is not None:
        if progress.total_bytes and progress.stage == "fetching":
            return f"Fetching {progress.done_bytes / progress.total_bytes:.0%}"
        return progress.stage.value.capitalize()
    return "Ready" if entry.snapshot else "Evicted"


def _row(entry: Entry) -> tuple[str, ...]:
    snapshot = entry.snapshot
    total = entry.progress.total_bytes if entry.progress and not snapshot else None
    return (
        entry.uri,
        size(snapshot.total_bytes) if snapshot else size(total) if total else "-",
        str(snapshot.files) if snapshot else "-",
        entry.medium.value if entry.medium else "-",
        _state(entry),
        ",".join(entry.pinned_by) or "-",
        f"{len(entry.held_by)} pods" if len(entry.held_by) > 1 else "".join(entry.held_by) or "-",
        _ago(entry.used_at),
    )


def _ago(at: float) -> str:
    if not at:
        return "-"
    seconds = max(0.0, RealClock().now() - at)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f}{unit} ago"
    return f"{seconds:.0f}s ago"


def _json(cache: str, entry: Entry) -> dict[str, Any]:
    snapshot, progress = entry.snapshot, entry.progress
    return {
        "cache": cache,
        "key": entry.key,
        "uri": entry.uri,
        "endpoint": entry.endpoint,
        "state": _state(entry).partition(" ")[0],
        "snapshot": snapshot.id if snapshot else None,
        "path": str(snapshot.path) if snapshot else None,
        "bytes": snapshot.total_bytes if snapshot else None,
        "files": snapshot.files if snapshot else None,
        "tier": entry.medium.value if entry.medium else None,
        "pinnedBy": list(entry.pinned_by),
        "heldBy": list(entry.held_by),
        "checkedAt": entry.checked_at,
        "usedAt": entry.used_at,
        "doneBytes": progress.done_bytes if progress else None,
        "totalBytes": progress.total_bytes if progress else None,
    }


def _tier_json(cache: str, use: TierUse) -> dict[str, Any]:
    return {
        "cache": cache,
        "path": str(use.tier.path),
        "medium": use.tier.medium.value,
        "quotaBytes": use.tier.quota_bytes,
        "usedBytes": use.used_bytes,
        "freeBytes": use.free_bytes,
    }
