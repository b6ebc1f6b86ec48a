"""From a revision's annotations and the cluster's settings to a `KpaSpec`.

Source: Knative, serving pkg/reconciler/autoscaling/{kpa,resources}, apis/autoscaling/v1alpha1
(`PodAutoscaler`). What admission would have refused (see `annotations.py`) counts as absent here,
because a document may be older than the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import floor

from tidegate.policy import annotation_keys as keys
from tidegate.policy.annotation_keys import Annotation
from tidegate.policy.config_autoscaler import TARGET_LEAST, AutoscalerConfig
from tidegate.policy.config_deployment import DeploymentConfig
from tidegate.policy.go_values import parse_float, parse_int, parse_seconds
from tidegate.scaling.kpa_spec import Bounds, KpaSpec, Metric, Reachability, ScaleToZero
from tidegate.scaling.window import Aggregation

# The share of a target that requests per second aim for; the percentage in config-autoscaler
# is about concurrency only.
_RPS_FRACTION = 0.7
# A revision is given this much longer than its progress deadline before it goes back to zero.
_ACTIVATION_BUFFER_S = 30.0
_WEIGHTED_SPELLINGS = ("weighted-exponential", "weightedExponential")


def kpa_spec(
    annotations: Mapping[str, str],
    config: AutoscalerConfig,
    deployment: DeploymentConfig,
    *,
    container_concurrency: int = 0,
    reachability: Reachability = Reachability.UNKNOWN,
) -> KpaSpec:
    """What the revision's owner and the cluster ask of the autoscaler together.

    `container_concurrency` is the revision's hard limit per replica; 0 means none. Raises `BadSpec`
    for readable numbers that no decision could be based on; admission refuses them earlier.
    """
    metric = _metric(annotations)
    target, total = _target(annotations, config, metric, container_concurrency)
    window_s = _seconds(keys.WINDOW, annotations, config.stable_window_s)
    panic_percentage = _float(keys.PANIC_WINDOW, annotations, config.panic_window_percentage)
    threshold = _float(keys.PANIC_THRESHOLD, annotations, config.panic_threshold_percentage)
    return KpaSpec(
        target=target,
        total=total,
        metric=metric,
        aggregation=_aggregation(annotations),
        stable_window_s=max(1, floor(window_s)),
        panic_window_s=_panic_window_s(window_s, panic_percentage),
        panic_threshold=threshold / 100.0,
        max_up_rate=config.max_scale_up_rate,
        max_down_rate=config.max_scale_down_rate,
        target_burst_capacity=_float(
            keys.TARGET_BURST_CAPACITY, annotations, config.target_burst_capacity
        ),
        activator_capacity=config.activator_capacity,
        scale_down_delay_s=_seconds(keys.SCALE_DOWN_DELAY, annotations, config.scale_down_delay_s),
        reachability=reachability,
        bounds=scale_bounds(annotations, config, reachability),
        to_zero=_to_zero(annotations, config, deployment),
    )


def initial_scale(annotations: Mapping[str, str], config: AutoscalerConfig) -> int:
    """The replicas a new revision starts with and is measured by until it first had them."""
    asked = keys.INITIAL_SCALE.read(annotations, parse_int)
    if asked is None or (asked == 0 and not config.allow_zero_initial_scale):
        return config.initial_scale
    return asked


def unusable_initial_scale(annotations: Mapping[str, str], *, allow_zero: bool) -> str | None:
    """The key of an initial scale that Knative would refuse; None: there is none such. `allow_zero` is the
    cluster's allow-zero-initial-scale. KServe leaves such a one out.

    Source: kserve pkg/utils (ValidateInitialScaleAnnotation).
    """
    found = keys.INITIAL_SCALE.find(annotations)
    if found is None:
        return None
    count = keys.INITIAL_SCALE.read(annotations, parse_int)
    fits = count is not None and count >= (0 if allow_zero else 1)
    return None if fits else found[0]


def first_replicas(annotations: Mapping[str, str], config: AutoscalerConfig) -> int:
    """The replicas of a revision's new Deployment: the annotation as written, even 0, else the
    cluster's. Bounds come with the first decision."""
    asked = keys.INITIAL_SCALE.read(annotations, parse_int)
    return config.initial_scale if asked is None or asked < 0 else asked


def progress_deadline_s(annotations: Mapping[str, str], deployment: DeploymentConfig) -> float:
    """How long a revision may take to become ready before it has failed."""
    return _seconds(keys.PROGRESS_DEADLINE, annotations, deployment.progress_deadline_s)


def _metric(annotations: Mapping[str, str]) -> Metric:
    found = keys.METRIC.find(annotations)
    return Metric.RPS if found is not None and found[1] == Metric.RPS else Metric.CONCURRENCY


def _target(
    annotations: Mapping[str, str],
    config: AutoscalerConfig,
    metric: Metric,
    container_concurrency: int,
) -> tuple[float, float]:
    """(what one replica should carry, what it could carry)."""
    if metric is Metric.RPS:
        total, fraction = config.rps_target_default, _RPS_FRACTION
    else:
        total = container_concurrency or config.concurrency_target_default
        fraction = config.concurrency_target_fraction
    asked = keys.TARGET.read(annotations, parse_float)
    if asked is not None:
        total = asked
        if metric is Metric.CONCURRENCY and container_concurrency:
            total = min(asked, container_concurrency)
    utilization = keys.TARGET_UTILIZATION.read(annotations, parse_float)
    if utilization is not None:
        fraction = utilization / 100.0
    return max(TARGET_LEAST, total * fraction), total


def _aggregation(annotations: Mapping[str, str]) -> Aggregation:
    found = keys.ALGORITHM.find(annotations)
    if found is not None and found[1] in _WEIGHTED_SPELLINGS:
        return Aggregation.WEIGHTED
    return Aggregation.LINEAR


def _panic_window_s(window_s: float, percentage: float) -> int:
    # Half a second rounds up, as Go's Duration.Round does; Python's round() would go to even.
    return max(1, floor(window_s * percentage / 100.0 + 0.5))


def scale_bounds(
    annotations: Mapping[str, str], config: AutoscalerConfig, reachability: Reachability
) -> Bounds:
    """The replica counts that a revision's owner and the cluster allow."""
    low = 0
    if reachability is not Reachability.UNREACHABLE:
        low = _int(keys.MIN_SCALE, annotations, config.min_scale)
    return Bounds(
        min_scale=low,
        max_scale=_int(keys.MAX_SCALE, annotations, config.max_scale),
        initial_scale=initial_scale(annotations, config),
        activation_scale=_int(keys.ACTIVATION_SCALE, annotations, 0),
    )


def _to_zero(
    annotations: Mapping[str, str], config: AutoscalerConfig, deployment: DeploymentConfig
) -> ScaleToZero:
    return ScaleToZero(
        enabled=config.enable_scale_to_zero,
        grace_s=config.scale_to_zero_grace_s,
        retention_s=_seconds(keys.POD_RETENTION, annotations, config.pod_retention_s),
        activation_timeout_s=progress_deadline_s(annotations, deployment) + _ACTIVATION_BUFFER_S,
    )


def _float(annotation: Annotation, annotations: Mapping[str, str], default: float) -> float:
    value = annotation.read(annotations, parse_float)
    return default if value is None else value


def _int(annotation: Annotation, annotations: Mapping[str, str], default: int) -> int:
    value = annotation.read(annotations, parse_int)
    return default if value is None else value


def _seconds(annotation: Annotation, annotations: Mapping[str, str], default: float) -> float:
    value = annotation.read(annotations, parse_seconds)
    return default if value is None else value
