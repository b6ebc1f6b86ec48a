"""The part of Knative's config map `config-deployment` that scaling needs.

Source: Knative, serving pkg/deployment/config.go. The sidecar's image and resources are left out:
there is no queue-proxy here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.kit.duration import format_duration
from tidegate.policy.config_map import Key, read_keys
from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import parse_seconds

NAME = "config-deployment"


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """`progress_deadline_s`: how long a revision may take to become ready before it has failed."""

    progress_deadline_s: float = 600.0


KEYS: tuple[Key, ...] = (
    ("progressDeadline", "progress_deadline_s", parse_seconds),  # the old spelling loses
    ("progress-deadline", "progress_deadline_s", parse_seconds),
)


def parse_config_deployment(data: Mapping[str, str]) -> DeploymentConfig:
    """Raises `BadConfig` with Knative's words."""
    config = DeploymentConfig(**read_keys(NAME, data, KEYS))
    deadline_s = config.progress_deadline_s
    was = format_duration(deadline_s)
    if deadline_s <= 0:
        raise BadConfig(NAME, f"progress-deadline cannot be a non-positive duration, was {was}")
    if deadline_s != int(deadline_s):
        raise BadConfig(NAME, f"progress-deadline must be rounded to a whole second, was: {was}")
    return config
