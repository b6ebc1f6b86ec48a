"""KEDA's and Alibaba Cloud's scalers."""

from __future__ import annotations

from tidegate.model.cron_hpa import CronHorizontalPodAutoscaler
from tidegate.model.keda import ScaledObject, TriggerAuthentication
from tidegate.model.kind import Kind

KINDS: tuple[Kind, ...] = (
    Kind(
        ScaledObject,
        "keda.sh",
        "v1alpha1",
        "ScaledObject",
        "scaledobjects",
        "scaledobject",
        ("so",),
    ),
    Kind(
        TriggerAuthentication,
        "keda.sh",
        "v1alpha1",
        "TriggerAuthentication",
        "triggerauthentications",
        "triggerauthentication",
        ("ta", "triggerauth"),
    ),
    Kind(
        CronHorizontalPodAutoscaler,
        "autoscaling.alibabacloud.com",
        "v1beta1",
        "CronHorizontalPodAutoscaler",
        "cronhorizontalpodautoscalers",
        "cronhorizontalpodautoscaler",
        ("cronhpa",),
    ),
)

VERSIONS: tuple[Kind, ...] = ()
