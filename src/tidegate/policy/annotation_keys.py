"""The autoscaling annotations: their keys, the old spellings, and how one is looked up.

Source: Knative, serving pkg/apis/autoscaling/register.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tidegate.policy.go_values import BadValue

PREFIX = "autoscaling.knative.dev/"
KPA_CLASS = "kpa.autoscaling.knative.dev"
HPA_CLASS = "hpa.autoscaling.knative.dev"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Annotation:
    """`key` is today's spelling; `legacy` an older one that still counts, or None."""

    key: str
    legacy: str | None = None

    def find(self, annotations: Mapping[str, str]) -> tuple[str, str] | None:
        """The spelling used and its value. Today's spelling hides the old one even if invalid."""
        for key in (self.key, self.legacy):
            if key is not None and key in annotations:
                return key, annotations[key]
        return None

    def read(self, annotations: Mapping[str, str], parse: Callable[[str], Value]) -> Value | None:
        """The value; None if absent or unreadable: at run time a bad annotation doesn't count."""
        found = self.find(annotations)
        if found is None:
            return None
        try:
            return parse(found[1])
        except BadValue:
            return None


def _autoscaling(key: str, legacy: str | None = None) -> Annotation:
    return Annotation(PREFIX + key, None if legacy is None else PREFIX + legacy)


CLASS = _autoscaling("class")
METRIC = _autoscaling("metric")
TARGET = _autoscaling("target")
TARGET_UTILIZATION = _autoscaling("target-utilization-percentage", "targetUtilizationPercentage")
TARGET_BURST_CAPACITY = _autoscaling("target-burst-capacity", "targetBurstCapacity")
WINDOW = _autoscaling("window")
PANIC_WINDOW = _autoscaling("panic-window-percentage", "panicWindowPercentage")
PANIC_THRESHOLD = _autoscaling("panic-threshold-percentage", "panicThresholdPercentage")
MIN_SCALE = _autoscaling("min-scale", "minScale")
MAX_SCALE = _autoscaling("max-scale", "maxScale")
INITIAL_SCALE = _autoscaling("initial-scale", "initialScale")
ACTIVATION_SCALE = _autoscaling("activation-scale")
SCALE_DOWN_DELAY = _autoscaling("scale-down-delay", "scaleDownDelay")
POD_RETENTION = _autoscaling("scale-to-zero-pod-retention-period", "scaleToZeroPodRetentionPeriod")
ALGORITHM = _autoscaling("metric-aggregation-algorithm", "metricAggregationAlgorithm")
PROGRESS_DEADLINE = Annotation("serving.knative.dev/progress-deadline")
