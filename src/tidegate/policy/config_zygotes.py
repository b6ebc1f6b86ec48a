"""ConfigMap `config-zygotes` in namespace `tidegate-system`: whether pods are forked, and how long zygotes stay.

```yaml
data:
  enabled: "true"   # "false": every pod starts fresh
  keep: 10m         # how long a zygote stays after its last child
  most: "4"         # zygotes at once; for one more, the one that was idle longest goes
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.policy.config_map import Key, read_keys, refuse_unknown
from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import parse_bool, parse_int, parse_seconds

NAMESPACE, NAME = "tidegate-system", "config-zygotes"
ANNOTATION, NEVER = "tidegate.dev/zygote", "never"  # on a pod: its containers start fresh


@dataclass(frozen=True, slots=True)
class ZygoteConfig:
    """Defaults: a zygote of scikit-learn is some 100 MiB that its children share, and a service that was
    asked within ten minutes is likely to be asked again; four of them are what a small machine can spare."""

    enabled: bool = True
    keep_s: float = 600.0
    most: int = 4


def parse_config_zygotes(data: Mapping[str, str]) -> ZygoteConfig:
    """Raises `BadConfig`, which names the key."""
    refuse_unknown(NAME, data, [key for key, _, _ in KEYS])
    config = ZygoteConfig(**read_keys(NAME, data, KEYS))
    if config.keep_s < 0:
        raise BadConfig(NAME, f"keep must be non-negative, was: {data['keep']}")
    if config.most < 1:
        raise BadConfig(
            NAME, f'most must be at least 1, was: {config.most} (enabled: "false" is none)'
        )
    return config


def zygote_notes(annotations: Mapping[str, str]) -> list[str]:
    """Of a pod's (or its template's) annotations: a sentence where it says what means nothing."""
    said = annotations.get(ANNOTATION)
    if said is None or said == NEVER:
        return []
    return [
        f'{ANNOTATION}: {said!r} has no effect: "{NEVER}" is the one value that means something'
    ]


KEYS: tuple[Key, ...] = (
    ("enabled", "enabled", parse_bool),
    ("keep", "keep_s", parse_seconds),
    ("most", "most", parse_int),
)
