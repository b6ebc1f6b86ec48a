"""HorizontalPodAutoscaler: defaults and checks, in Kubernetes' words."""

from tidegate.model.admission.autoscalers.checks import check_autoscaler
from tidegate.model.admission.autoscalers.defaults import default_autoscaler

__all__ = ["check_autoscaler", "default_autoscaler"]
