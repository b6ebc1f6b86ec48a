"""Knative's config map `config-gc`: how long revisions stay that get no traffic.

Source: Knative, serving pkg/gc/config.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.policy.config_map import Key, read_keys
from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import parse_int, parse_seconds

NAME = "config-gc"
_DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class GcConfig:
    """None: that limit is off (`disabled`). Counts are of revisions without traffic."""

    retain_since_create_s: float | None = 48 * 3600.0
    retain_since_active_s: float | None = 15 * 3600.0
    min_non_active: int = 20
    max_non_active: int | None = 1000


def parse_config_gc(data: Mapping[str, str]) -> GcConfig:
    """Raises `BadConfig` with Knative's words."""
    config = GcConfig(**read_keys(NAME, data, KEYS))
    for key, value_s in (
        ("retain-since-create-time", config.retain_since_create_s),
        ("retain-since-last-active-time", config.retain_since_active_s),
    ):
        if value_s is not None and value_s < 0:
            raise BadConfig(NAME, f"{key} must be non-negative, was: {data[key]}")
    least, most = config.min_non_active, config.max_non_active
    if least < 0:
        raise BadConfig(NAME, f"min-non-active-revisions must be non-negative, was: {least}")
    if most is not None and most < 0:
        raise BadConfig(NAME, f"max-non-active-revisions must be non-negative, was: {most}")
    if most is not None and most < least:
        raise BadConfig(
            NAME,
            f"min-non-active-revisions({least}) must be <= max-non-active-revisions({most})",
        )
    return config


def _duration(text: str) -> float | None:
    return None if text.lower() == _DISABLED else parse_seconds(text)


def _count(text: str) -> int | None:
    return None if text.lower() == _DISABLED else parse_int(text, 64)


def _whole(text: str) -> int:
    return parse_int(text, 64)


KEYS: tuple[Key, ...] = (
    ("retain-since-create-time", "retain_since_create_s", _duration),
    ("retain-since-last-active-time", "retain_since_active_s", _duration),
    ("min-non-active-revisions", "min_non_active", _whole),
    ("max-non-active-revisions", "max_non_active", _count),
)
