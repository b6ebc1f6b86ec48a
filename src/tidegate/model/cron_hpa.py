"""autoscaling.alibabacloud.com/v1beta1 CronHorizontalPodAutoscaler.

Source: kubernetes-cronhpa-controller pkg/apis/autoscaling/v1beta1/cronhorizontalpodautoscaler_types.go.
"""

from __future__ import annotations

from tidegate.model.autoscaling import CrossVersionObjectReference
from tidegate.model.meta import Object
from tidegate.model.wire import Wire, always

SUBMITTED, SUCCEED, FAILED = "Submitted", "Succeed", "Failed"


class CronJobSpec(Wire, frozen=True, kw_only=True):
    """`schedule`: six fields, seconds first, or a descriptor. `run_once`: done after its first run."""

    name: str = ""
    schedule: str = ""
    target_size: int = always(0)
    run_once: bool | None = None


class CronHorizontalPodAutoscalerSpec(Wire, frozen=True, kw_only=True):
    scale_target_ref: CrossVersionObjectReference = CrossVersionObjectReference()
    jobs: tuple[CronJobSpec, ...] = ()
    exclude_dates: tuple[str, ...] = ()


class CronJobCondition(Wire, frozen=True, kw_only=True):
    """One row a job. `last_probe_time`: when it was registered, or last ran."""

    name: str
    job_id: str = always("")
    schedule: str = always("")
    target_size: int = always(0)
    run_once: bool = always(False)
    state: str = always(SUBMITTED)
    last_probe_time: str | None = None
    message: str | None = None


class CronHorizontalPodAutoscalerStatus(Wire, frozen=True, kw_only=True):
    scale_target_ref: CrossVersionObjectReference | None = None
    exclude_dates: tuple[str, ...] = ()
    conditions: tuple[CronJobCondition, ...] = ()


class CronHorizontalPodAutoscaler(Object, frozen=True, kw_only=True):
    spec: CronHorizontalPodAutoscalerSpec = CronHorizontalPodAutoscalerSpec()
    status: CronHorizontalPodAutoscalerStatus | None = None
