"""What of an InferenceService is accepted and has no effect: warnings, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.model import kserve_names as names
from tidegate.model.admission.kserve.modes import mode_of
from tidegate.model.kserve import Component, InferenceService
from tidegate.model.meta import Object


def kserve_notes(obj: Object, *, default_mode: str) -> list[str]:
    """Nothing for other kinds."""
    if not isinstance(obj, InferenceService):
        return []
    components: list[tuple[str, Component]] = [("predictor", obj.spec.predictor)]
    if obj.spec.transformer is not None:
        components.append(("transformer", obj.spec.transformer))
    of_component = _in_standard if mode_of(obj, default_mode) == names.STANDARD else _in_knative
    found = list(_of_annotations(obj, default_mode))
    for name, component in components:
        found += of_component(component, name, obj.metadata.annotations)
    return found


def _of_annotations(isvc: InferenceService, default_mode: str) -> Iterator[str]:
    said = isvc.metadata.annotations
    if said.get(names.METRIC_AGGREGATION) == "true":
        yield (
            f"metadata.annotations[{names.METRIC_AGGREGATION}]: no effect: the model's page and the "
            "gateway's figures stay apart"
        )
    if mode_of(isvc, default_mode) == names.STANDARD:
        return
    for key in (names.AUTOSCALER_CLASS, names.METRIC, names.TARGET_UTILIZATION):
        if key in said:
            yield (
                f"metadata.annotations[{key}]: has no effect in Knative mode: scaleMetric and "
                "scaleTarget have, or the annotations autoscaling.knative.dev/*"
            )


def _in_standard(component: Component, name: str, annotations: dict[str, str]) -> Iterator[str]:
    for field in _said(
        ("canaryTrafficPercent", component.canary_traffic_percent),
        ("containerConcurrency", component.container_concurrency),
        ("timeout", component.timeout),
    ):
        yield f"spec.{name}.{field}: has no effect in Standard mode, as in KServe: Knative mode has it"
    class_ = annotations.get(names.AUTOSCALER_CLASS, names.HPA)
    scaling = ("scaleMetric", component.scale_metric), ("scaleTarget", component.scale_target)
    if class_ in (names.EXTERNAL, names.NONE):
        for field in _said(*scaling, ("autoScaling", component.auto_scaling)):
            yield (
                f"spec.{name}.{field}: has no effect with {names.AUTOSCALER_CLASS}: {class_}, "
                "which leaves scaling to others"
            )
    elif component.auto_scaling is not None and component.auto_scaling.metrics:
        for field in _said(*scaling):
            yield f"spec.{name}.{field}: has no effect beside autoScaling.metrics"
    if class_ == names.HPA and component.min_replicas == 0:
        yield (
            f"spec.{name}.minReplicas: 0 is 1 in Standard mode, as in KServe: Knative mode, or the "
            "autoscaler class keda, go to zero"
        )


def _in_knative(component: Component, name: str, annotations: dict[str, str]) -> Iterator[str]:
    for field in _said(
        ("autoScaling", component.auto_scaling),
        ("scaleMetricType", component.scale_metric_type),
        ("deploymentStrategy", component.deployment_strategy),
    ):
        yield f"spec.{name}.{field}: has no effect in Knative mode, as in KServe: Standard mode has it"


def _said(*fields: tuple[str, object]) -> list[str]:
    """The names of those that are given."""
    return [name for name, value in fields if value is not None]
