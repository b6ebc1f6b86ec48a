"""HorizontalPodAutoscaler as autoscaling/v1 and v2beta1 write it; v2beta2 is written as v2 is."""

from tidegate.model.autoscaling_versions.v1 import V1Autoscaler, v1_down, v1_up
from tidegate.model.autoscaling_versions.v2beta1 import (
    V2beta1Autoscaler,
    v2beta1_down,
    v2beta1_up,
)

__all__ = [
    "V1Autoscaler",
    "V2beta1Autoscaler",
    "deprecated",
    "v1_down",
    "v1_up",
    "v2beta1_down",
    "v2beta1_up",
]


def deprecated(version: str, since: str, gone: str) -> str:
    """As Kubernetes says it with every answer."""
    return (
        f"autoscaling/{version} HorizontalPodAutoscaler is deprecated in v{since}+, "
        f"unavailable in v{gone}+; use autoscaling/v2 HorizontalPodAutoscaler"
    )
