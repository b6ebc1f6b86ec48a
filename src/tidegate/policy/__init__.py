"""Reads documents' annotations and the cluster's config maps into scaling specs, so that the live
engine and the simulator scale by the same reading. Pure."""

from tidegate.policy.annotations import (
    validate_autoscaling,
    validate_no_autoscaling,
    validate_progress_deadline,
    validate_rollout_duration,
)
from tidegate.policy.config_autoscaler import AutoscalerConfig, parse_config_autoscaler
from tidegate.policy.config_defaults import DefaultsConfig, container_name, parse_config_defaults
from tidegate.policy.config_deployment import DeploymentConfig, parse_config_deployment
from tidegate.policy.errors import BadConfig, PolicyError
from tidegate.policy.kpa import first_replicas, initial_scale, kpa_spec, progress_deadline_s

__all__ = [
    "AutoscalerConfig",
    "BadConfig",
    "DefaultsConfig",
    "DeploymentConfig",
    "PolicyError",
    "container_name",
    "first_replicas",
    "initial_scale",
    "kpa_spec",
    "parse_config_autoscaler",
    "parse_config_defaults",
    "parse_config_deployment",
    "progress_deadline_s",
    "validate_autoscaling",
    "validate_no_autoscaling",
    "validate_progress_deadline",
    "validate_rollout_duration",
]
