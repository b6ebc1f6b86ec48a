"""The cluster-wide autoscaler settings: Knative's config map `config-autoscaler`.

Source: Knative, serving pkg/autoscaler/config/config.go. The order of the rules is Knative's, so
that a map with two mistakes is refused for the same one. The wording for `min-scale`, which is
younger than the sources at hand, is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.kit.duration import format_duration
from tidegate.policy.config_map import Key, read_keys
from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import (
    number_text,
    parse_bool,
    parse_float,
    parse_int,
    parse_seconds,
)

NAME = "config-autoscaler"

# Shared with the annotations of the same meaning.
TARGET_LEAST = 0.01
WINDOW_LEAST_S = 6.0
WINDOW_MOST_S = 3600.0


@dataclass(frozen=True, slots=True)
class AutoscalerConfig:
    """Defaults are Knative's. Fractions are of 1; `max_scale` and `max_scale_limit` 0: none."""

    concurrency_target_fraction: float = 0.7
    concurrency_target_default: float = 100.0
    rps_target_default: float = 200.0
    target_burst_capacity: float = 211.0
    stable_window_s: float = 60.0
    panic_window_percentage: float = 10.0
    panic_threshold_percentage: float = 200.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    enable_scale_to_zero: bool = True
    scale_to_zero_grace_s: float = 30.0
    pod_retention_s: float = 0.0
    autoscaler_class: str = "kpa.autoscaling.knative.dev"
    activator_capacity: float = 100.0
    initial_scale: int = 1
    allow_zero_initial_scale: bool = False
    min_scale: int = 0
    max_scale: int = 0
    max_scale_limit: int = 0
    scale_down_delay_s: float = 0.0


KEYS: tuple[Key, ...] = (
    ("pod-autoscaler-class", "autoscaler_class", str),
    ("enable-scale-to-zero", "enable_scale_to_zero", parse_bool),
    ("allow-zero-initial-scale", "allow_zero_initial_scale", parse_bool),
    ("max-scale-up-rate", "max_scale_up_rate", parse_float),
    ("max-scale-down-rate", "max_scale_down_rate", parse_float),
    ("container-concurrency-target-percentage", "concurrency_target_fraction", parse_float),
    ("container-concurrency-target-default", "concurrency_target_default", parse_float),
    ("requests-per-second-target-default", "rps_target_default", parse_float),
    ("target-burst-capacity", "target_burst_capacity", parse_float),
    ("panic-window-percentage", "panic_window_percentage", parse_float),
    ("activator-capacity", "activator_capacity", parse_float),
    ("panic-threshold-percentage", "panic_threshold_percentage", parse_float),
    ("initial-scale", "initial_scale", parse_int),
    ("min-scale", "min_scale", parse_int),
    ("max-scale", "max_scale", parse_int),
    ("max-scale-limit", "max_scale_limit", parse_int),
    ("stable-window", "stable_window_s", parse_seconds),
    ("scale-down-delay", "scale_down_delay_s", parse_seconds),
    ("scale-to-zero-grace-period", "scale_to_zero_grace_s", parse_seconds),
    ("scale-to-zero-pod-retention-period", "pod_retention_s", parse_seconds),
)


def parse_config_autoscaler(data: Mapping[str, str]) -> AutoscalerConfig:
    """The settings of a config map's `data`. Raises `BadConfig` with Knative's words."""
    found = read_keys(NAME, data, KEYS, opening="failed to parse data: ")
    fraction = found.get("concurrency_target_fraction", 0.0)
    if fraction > 1.0:  # a percentage; up to 1 it is read as a fraction, for old maps' sake
        found["concurrency_target_fraction"] = fraction / 100.0
    config = AutoscalerConfig(**found)
    problem = _times(config) or _targets(config) or _rates_and_windows(config) or _scales(config)
    if problem:
        raise BadConfig(NAME, problem)
    return config


def _times(config: AutoscalerConfig) -> str | None:
    grace_s, delay_s = config.scale_to_zero_grace_s, config.scale_down_delay_s
    if grace_s <= 0:
        return f"scale-to-zero-grace-period must be positive, was: {format_duration(grace_s)}"
    if delay_s < 0:
        return f"scale-down-delay cannot be negative, was: {format_duration(delay_s)}"
    if delay_s != int(delay_s):
        return _too_precise("scale-down-delay", delay_s)
    if config.pod_retention_s < 0:
        was = format_duration(config.pod_retention_s)
        return f"scale-to-zero-pod-retention-period cannot be negative, was: {was}"
    return None


def _targets(config: AutoscalerConfig) -> str | None:
    burst, fraction = config.target_burst_capacity, config.concurrency_target_fraction
    if burst < 0 and burst != -1:
        return (
            "target-burst-capacity must be either non-negative or -1 (for unlimited), "
            f"was: {burst:.6f}"
        )
    if not 0 < fraction <= 1:
        return (
            f"container-concurrency-target-percentage = {fraction:.6f} "
            "is outside of valid range of (0, 100]"
        )
    least, target = number_text(TARGET_LEAST), fraction * config.concurrency_target_default
    if target < TARGET_LEAST:
        return (
            "container-concurrency-target-percentage and container-concurrency-target-default "
            f"yield target concurrency of {number_text(target)}, can't be less than {least}"
        )
    if config.rps_target_default < TARGET_LEAST:
        was = number_text(config.rps_target_default)
        return f"requests-per-second-target-default must be at least {least}, was: {was}"
    if config.activator_capacity < 1:
        return f"activator-capacity = {number_text(config.activator_capacity)}, must be at least 1"
    return None


def _rates_and_windows(config: AutoscalerConfig) -> str | None:
    rates = {
        "max-scale-up-rate": config.max_scale_up_rate,
        "max-scale-down-rate": config.max_scale_down_rate,
    }
    for key, rate in rates.items():
        if rate <= 1.0:
            return f"{key} = {number_text(rate)}, must be greater than 1.0"
    window_s, percentage = config.stable_window_s, config.panic_window_percentage
    if not WINDOW_LEAST_S <= window_s <= WINDOW_MOST_S:
        least, most = format_duration(WINDOW_LEAST_S), format_duration(WINDOW_MOST_S)
        return f"stable-window = {format_duration(window_s)}, must be in [{least}; {most}] range"
    if window_s != int(window_s):
        return _too_precise("stable-window", window_s)
    if not 1 <= percentage <= 100:
        was = number_text(percentage)
        return f"panic-window-percentage = {was}, must be in [1, 100] interval"
    return None


def _scales(config: AutoscalerConfig) -> str | None:
    initial, low, high = config.initial_scale, config.min_scale, config.max_scale
    limit = config.max_scale_limit
    if initial < 0 or (initial == 0 and not config.allow_zero_initial_scale):
        return (
            f"initial-scale = {initial}, must be at least 0 "
            "(or at least 1 when allow-zero-initial-scale is false)"
        )
    if low < 0 or 0 < high < low:
        return f"min-scale = {low}, must be in [0, max-scale({high})] range"
    least = 1 if limit > 0 else 0  # a limit makes no sense without a default below it
    if high < least or 0 < limit < high:
        return f"max-scale = {high}, must be in [{least}, max-scale-limit({limit})] range"
    if limit < 0:
        return f"max-scale-limit = {limit}, must be at least 0"
    return None


def _too_precise(key: str, seconds: float) -> str:
    return f"{key} = {format_duration(seconds)}, must be specified with at most second precision"
