"""ConfigMap `config-cache` in namespace `tidegate-system`: the cache of what is fetched without a Dataset.

```yaml
data:
  path: /mnt/ssd/models   # a folder of its own; absent: `cache` in the engine's home
  quota: 100Gi            # absent: half of what was free on that disk when the cache was first used
  high: "0.95"            # above this share of the quota the oldest go, until `low` is reached
  low: "0.7"
  look-ahead: 5m          # models of scheduled scale-ups are fetched so long before; 0s: not
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.kit.duration import BadDuration, parse_duration
from tidegate.kit.quantity import BadQuantity, parse_quantity
from tidegate.policy.config_map import bad_key, refuse_unknown
from tidegate.policy.errors import BadConfig

NAMESPACE, NAME = "tidegate-system", "config-cache"
_FIELDS = ("path", "quota", "high", "low", "look-ahead")
_HIGH, _LOW = 0.95, 0.7  # Fluid's samples; a cache that is swept seldom loses little to it
_LOOK_AHEAD_S = 300.0  # a model of some GiB takes minutes from an object store far away


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """`path` None: the engine's home. `quota_bytes` None: by the free disk."""

    path: str | None = None
    quota_bytes: int | None = None
    high: float = _HIGH
    low: float = _LOW
    look_ahead_s: float = _LOOK_AHEAD_S


def parse_config_cache(data: Mapping[str, str]) -> CacheConfig:
    """Raises `BadConfig`, which names the key."""
    refuse_unknown(NAME, data, _FIELDS)
    path = data.get("path", "").strip() or None
    if path is not None and (not path.startswith("/") or path.strip("/") == ""):
        raise _bad("path", f"must be a full path below /, not {path!r}")
    high, low = _ratio(data, "high", _HIGH), _ratio(data, "low", _LOW)
    if low > high:
        raise _bad("low", f"{low:g} is above high, which is {high:g}")
    return CacheConfig(path, _quota(data), high, low, _look_ahead(data))


def _quota(data: Mapping[str, str]) -> int | None:
    text = data.get("quota", "").strip()
    if not text:
        return None
    try:
        found = int(parse_quantity(text))
    except BadQuantity as why:
        raise _bad("quota", str(why)) from why
    if found <= 0:
        raise _bad("quota", f"{text!r} must be more than 0")
    return found


def _look_ahead(data: Mapping[str, str]) -> float:
    text = data.get("look-ahead", "").strip()
    if not text:
        return _LOOK_AHEAD_S
    try:
        found = parse_duration(text)
    except BadDuration as why:
        raise _bad("look-ahead", str(why)) from why
    if found < 0:
        raise _bad("look-ahead", f"{text!r} must not be negative")
    return float(found)


def _ratio(data: Mapping[str, str], key: str, default: float) -> float:
    text = data.get(key, "").strip()
    if not text:
        return default
    try:
        found = float(text)
    except ValueError as why:
        raise _bad(key, f"{text!r} is no number") from why
    if not 0 < found <= 1:
        raise _bad(key, f"{text} is not above 0 and at most 1")
    return found


def _bad(key: str, why: str) -> BadConfig:
    return bad_key(NAME, key, why)
