"""KEDA's ScaledObject: an HPA for what can be counted, and the way from and to zero."""

from tidegate.autoscale.keda.broker import BrokerOffsets
from tidegate.autoscale.keda.controller import ScaledObjectController
from tidegate.autoscale.keda.lags import Access, GroupLags, NoOffsets, OffsetSource
from tidegate.autoscale.keda.metrics import KedaMetrics

__all__ = [
    "Access",
    "BrokerOffsets",
    "GroupLags",
    "KedaMetrics",
    "NoOffsets",
    "OffsetSource",
    "ScaledObjectController",
]
