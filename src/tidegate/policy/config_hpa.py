"""The config map `config-hpa`: the settings that kube-controller-manager takes as flags.

The keys are the flags without `horizontal-pod-autoscaler-` in front; times are written as Go writes
them (`15s`, `5m0s`).
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.policy.config_map import Key, read_keys
from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import parse_float, parse_seconds
from tidegate.scaling.hpa import HpaConfig

NAME = "config-hpa"


def parse_config_hpa(data: Mapping[str, str]) -> HpaConfig:
    """Raises `BadConfig`."""
    config = HpaConfig(**read_keys(NAME, data, KEYS))
    if config.period_s < 1:
        raise BadConfig(NAME, f"sync-period must be at least 1s, was: {data['sync-period']}")
    if config.tolerance < 0:
        raise BadConfig(NAME, f"tolerance must be non-negative, was: {data['tolerance']}")
    for key, value_s in (
        ("downscale-stabilization", config.downscale_window_s),
        ("cpu-initialization-period", config.cpu_initialization_s),
        ("initial-readiness-delay", config.readiness_delay_s),
    ):
        if value_s < 0:
            raise BadConfig(NAME, f"{key} must be non-negative, was: {data[key]}")
    return config


KEYS: tuple[Key, ...] = (
    ("sync-period", "period_s", parse_seconds),
    ("tolerance", "tolerance", parse_float),
    ("downscale-stabilization", "downscale_window_s", parse_seconds),
    ("cpu-initialization-period", "cpu_initialization_s", parse_seconds),
    ("initial-readiness-delay", "readiness_delay_s", parse_seconds),
)
