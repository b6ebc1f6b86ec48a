"""Where caches lie on this machine: the default one's settings and datasets' tiers, as folders."""

from __future__ import annotations

import shutil
from pathlib import Path

from tidegate.kit.home import Home
from tidegate.model.meta import Key
from tidegate.modelcache.errors import NoRoom
from tidegate.modelcache.layout import blob_bytes
from tidegate.modelcache.values import Medium, Tier
from tidegate.policy.cache_place import CachePlace, TierPlace
from tidegate.policy.config_cache import NAME, NAMESPACE, CacheConfig

_SHARE_OF_FREE = 0.5  # the default cache must not fill a disk that others write to as well
_DATASETS = "datasets"


def default_tiers(home: Home, config: CacheConfig) -> tuple[Tier, ...]:
    """Raises `NoRoom`: the folder can't be made."""
    path = Path(config.path) if config.path is not None else home.cache / "data"
    _make(path, f"ConfigMap {NAMESPACE}/{NAME}, path")
    quota = config.quota_bytes
    if quota is None:
        quota = max(1, int(_SHARE_OF_FREE * (shutil.disk_usage(path).free + blob_bytes(path))))
    return (Tier(path, quota, Medium.SSD, config.high, config.low),)


def dataset_root(home: Home, key: Key) -> Path:
    return home.cache / _DATASETS / key.namespace / key.name


def dataset_roots(home: Home) -> dict[Key, Path]:
    """Those that are on the disk."""
    found = (home.cache / _DATASETS).glob("*/*")
    return {Key(path.parent.name, path.name): path for path in found if path.is_dir()}


def dataset_tiers(home: Home, place: CachePlace) -> tuple[Tier, ...]:
    """Raises `NoRoom`: a folder can't be made."""
    tiers = []
    for i, each in enumerate(place.tiers):
        path = tier_folder(home, place.key, i, each)
        _make(path, f"runtime {place.key}, spec.tieredstore.levels")
        tiers.append(Tier(path, each.quota_bytes, Medium(each.medium), each.high, each.low))
    return tuple(tiers)


def tier_folder(home: Home, key: Key, number: int, tier: TierPlace) -> Path:
    """A dataset's own folder below the path that its runtime names; memory is the engine's tmpfs."""
    if tier.medium == "MEM":
        return home.memory_cache / key.namespace / key.name / f"tier-{number}"
    if tier.path is None:
        return dataset_root(home, key) / f"tier-{number}"
    return Path(tier.path) / key.namespace / key.name


def _make(path: Path, said: str) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise NoRoom(
            f"the cache's folder {path} can't be made: {why.strerror}: name another one ({said})"
        ) from why
