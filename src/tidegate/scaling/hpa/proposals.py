"""What the metrics propose: each by itself, then the greatest of them."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.scaling.hpa.errors import MetricFailed, NoFigure
from tidegate.scaling.hpa.pods import Sample, group, ready_pods, resource_samples
from tidegate.scaling.hpa.requests import requests_of
from tidegate.scaling.hpa.seen import (
    ExternalReading,
    ObjectReading,
    PodsReading,
    ReadFailed,
    Reading,
    ResourceReading,
    Seen,
)
from tidegate.scaling.hpa.spec import HpaConfig, HpaSpec, Metric, MetricType, TargetType
from tidegate.scaling.hpa.status import Current
from tidegate.scaling.hpa.usage import (
    Average,
    Utilization,
    propose,
    propose_average,
    propose_value,
    share,
    tolerance,
)

_NO_PODS = "no pods returned by selector while calculating replica count"
_UNREADY = "did not receive metrics for targeted pods (pods might be unready)"


@dataclass(frozen=True, slots=True)
class Proposal:
    """`metric`: its name as reasons say it."""

    replicas: int
    metric: str
    current: Current


def proposal_of(
    metric: Metric, reading: Reading, spec: HpaSpec, config: HpaConfig, seen: Seen
) -> Proposal:
    """One metric by itself. Raises `MetricFailed`."""
    match metric.type:
        case MetricType.RESOURCE | MetricType.CONTAINER:
            return _of_resource(metric, reading, spec, config, seen)
        case MetricType.PODS:
            return _of_pods(metric, reading, spec, config, seen)
        case MetricType.OBJECT:
            return _of_object(metric, reading, spec, config, seen)
        case MetricType.EXTERNAL:
            return _of_external(metric, reading, spec, config, seen)


def _of_resource(
    metric: Metric, reading: Reading, spec: HpaSpec, config: HpaConfig, seen: Seen
) -> Proposal:
    is_container = metric.type is MetricType.CONTAINER
    share_of_request = metric.target.type is TargetType.UTILIZATION
    try:
        if isinstance(reading, ReadFailed):
            why = f"unable to fetch metrics from resource metrics API: {reading.why}"
            raise NoFigure(f"unable to get metrics for resource {metric.name}: {why}")
        assert isinstance(reading, ResourceReading)
        if not reading.items:
            why = "no metrics returned from resource metrics API"
            raise NoFigure(f"unable to get metrics for resource {metric.name}: {why}")
        samples = resource_samples(reading.items, metric.name, metric.container)
        replicas, current = _from_samples(metric, samples, spec, config, seen)
    except NoFigure as why_not:
        what = "utilization" if share_of_request else "usage"
        message = f"failed to get {metric.name} {what}: {why_not}"
        of = f"{metric.container} container" if is_container else f"{metric.name} resource"
        raise MetricFailed(
            "FailedGetContainerResourceMetric" if is_container else "FailedGetResourceMetric",
            message,
            f"failed to get {of} metric value: {message}",
        ) from why_not
    if not share_of_request:
        return Proposal(replicas, f"{metric.name} resource", current)
    sort = "container resource" if is_container else "resource"
    return Proposal(replicas, f"{metric.name} {sort} utilization (percentage of request)", current)


def _of_pods(
    metric: Metric, reading: Reading, spec: HpaSpec, config: HpaConfig, seen: Seen
) -> Proposal:
    try:
        if isinstance(reading, ReadFailed):
            why = f"unable to fetch metrics from custom metrics API: {reading.why}"
            raise NoFigure(f"unable to get metric {metric.name}: {why}")
        assert isinstance(reading, PodsReading)
        if not reading.items:
            why = "no metrics returned from custom metrics API"
            raise NoFigure(f"unable to get metric {metric.name}: {why}")
        samples = {i.pod: Sample(i.milli, i.at_s, i.window_s) for i in reading.items}
        replicas, current = _from_samples(metric, samples, spec, config, seen)
    except NoFigure as why_not:
        raise MetricFailed(
            "FailedGetPodsMetric", str(why_not), f"failed to get pods metric value: {why_not}"
        ) from why_not
    return Proposal(replicas, f"pods metric {metric.name}", current)


def _from_samples(
    metric: Metric, samples: dict[str, Sample], spec: HpaSpec, config: HpaConfig, seen: Seen
) -> tuple[int, Current]:
    """Raises `NoFigure`."""
    if not seen.pods:
        raise NoFigure(_NO_PODS)
    is_cpu = metric.type is not MetricType.PODS and metric.name == "cpu"
    groups = group(seen.pods, samples, is_cpu=is_cpu, config=config, now_s=seen.now_s)
    dropped = groups.ignored | groups.unready
    samples = {pod: sample for pod, sample in samples.items() if pod not in dropped}
    if not samples:
        raise NoFigure(_UNREADY)
    measure: Utilization | Average
    if metric.target.type is TargetType.UTILIZATION:
        asked = requests_of(seen.pods, metric.name, metric.container)
        measure = Utilization(asked, metric.target.amount)
        percent = measure.percent(samples)
        current = Current(average=measure.average(samples), utilization=percent)
    else:
        measure = Average(metric.target.amount)
        current = Current(average=measure.average(samples))
    within = tolerance(config, spec.behavior)
    replicas = propose(measure, samples, groups, current=seen.scale.replicas, within=within)
    return replicas, current


def _of_object(
    metric: Metric, reading: Reading, spec: HpaSpec, config: HpaConfig, seen: Seen
) -> Proposal:
    try:
        if isinstance(reading, ReadFailed):
            place = f"{metric.object_kind} on {spec.namespace} {metric.object_name}"
            why = f"unable to fetch metrics from custom metrics API: {reading.why}"
            raise NoFigure(f"unable to get metric {metric.name}: {place}/{why}")
        assert isinstance(reading, ObjectReading)
        name = f"{metric.object_kind} metric {metric.name}"
        return _of_total(metric, reading.milli, spec, config, seen, value_name=name)
    except NoFigure as why_not:
        raise MetricFailed(
            "FailedGetObjectMetric",
            str(why_not),
            f"failed to get object metric value: failed to get {metric.name} object metric: "
            f"{why_not}",
        ) from why_not


def _of_external(
    metric: Metric, reading: Reading, spec: HpaSpec, config: HpaConfig, seen: Seen
) -> Proposal:
    try:
        where = f"{spec.namespace}/{metric.name}/{metric.selector}"
        if isinstance(reading, ReadFailed):
            why = f"unable to fetch metrics from external metrics API: {reading.why}"
            raise NoFigure(f"unable to get external metric {where}: {why}")
        assert isinstance(reading, ExternalReading)
        if not reading.milli:
            why = "no metrics returned from external metrics API"
            raise NoFigure(f"unable to get external metric {where}: {why}")
        name = f"external metric {metric.name}({metric.selector})"
        return _of_total(metric, sum(reading.milli), spec, config, seen, value_name=name)
    except NoFigure as why_not:
        is_value = metric.target.type is TargetType.VALUE
        what = f"external metric {metric.name}" if is_value else f"{metric.name} external metric"
        raise MetricFailed(
            "FailedGetExternalMetric",
            str(why_not),
            f"failed to get {metric.name} external metric value: failed to get {what}: {why_not}",
        ) from why_not


def _of_total(
    metric: Metric, total: int, spec: HpaSpec, config: HpaConfig, seen: Seen, *, value_name: str
) -> Proposal:
    """Raises `NoFigure`."""
    target, within = metric.target.amount, tolerance(config, spec.behavior)
    scale = seen.scale
    if metric.target.type is TargetType.AVERAGE:
        replicas = propose_average(total, target, observed=scale.observed, within=within)
        average = Current(average=share(total, scale.observed))
        return Proposal(replicas, f"external metric {metric.name}({metric.selector})", average)
    ready = ready_pods(seen.pods) if seen.pods else None
    proposed = propose_value(total, target, current=scale.replicas, ready=ready, within=within)
    if proposed is None:
        raise NoFigure(f"unable to calculate ready pods: {_NO_PODS}")
    return Proposal(proposed, value_name, Current(value=total))


@dataclass(frozen=True, slots=True)
class Computed:
    """All metrics together. `replicas` None: too many failed to say anything. `slots`: what each was,
    None for those that failed."""

    replicas: int | None
    metric: str
    slots: tuple[Current | None, ...]
    failures: tuple[MetricFailed, ...]

    @property
    def error(self) -> str:
        """Empty when no metric failed."""
        if not self.failures:
            return ""
        return (
            f"invalid metrics ({len(self.failures)} invalid out of {len(self.slots)}), "
            f"first error is: {self.failures[0].whole}"
        )


def compute(spec: HpaSpec, config: HpaConfig, seen: Seen) -> Computed:
    """The greatest proposal; none if all failed, or if some did and the others would shrink."""
    replicas, name = 0, ""
    slots: list[Current | None] = []
    failures: list[MetricFailed] = []
    for metric, reading in zip(spec.metrics, seen.readings, strict=True):
        try:
            one = proposal_of(metric, reading, spec, config, seen)
        except MetricFailed as why:
            failures.append(why)
            slots.append(None)
            continue
        slots.append(one.current)
        if replicas == 0 or one.replicas > replicas:
            replicas, name = one.replicas, one.metric
    unsafe = len(failures) == len(slots) or (failures and replicas < seen.scale.replicas)
    return Computed(None if unsafe else replicas, name, tuple(slots), tuple(failures))
