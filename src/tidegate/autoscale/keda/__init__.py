"""KEDA's ScaledObject: an HPA for what can be counted, and the way from and to zero."""

from tidegate.autoscale.keda.controller import ScaledObjectController
from tidegate.autoscale.keda.metrics import KedaMetrics

__all__ = ["KedaMetrics", "ScaledObjectController"]
