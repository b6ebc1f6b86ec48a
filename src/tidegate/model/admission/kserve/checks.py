"""What KServe's webhook refuses, and what can't be served on this machine.

Each check answers with sentences; the first one is what a cluster would have said.
Source: kserve pkg/apis/serving/v1beta1/{inference_service_validation,component,predictor}.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.model import kserve_names as names
from tidegate.model.admission.kserve.defaults import said_frameworks
from tidegate.model.kserve import (
    Component,
    InferenceService,
    Predictor,
    ScaleMetric,
    ScaleTarget,
    StorageSpec,
)
from tidegate.model.storage_uris import is_fetched, not_fetchable

_NAME = "[a-z]([-a-z0-9]*[a-z0-9])?"
_CLASSES = (names.HPA, names.KEDA, names.EXTERNAL, names.NONE)
_KNATIVE_METRICS = ("cpu", "memory", "concurrency", "rps")
_HPA_METRICS = ("cpu", "memory")
_IMPLEMENTATIONS = (
    "SKLearn, XGBoost, Tensorflow, PyTorch, Triton, ONNX, HuggingFace, PMML, LightGBM, Paddle, "
    "Model, PodSpec"
)
_LOCAL = ("file", "pvc")
#: Schemes that KServe has and that nothing fetches here.
_ELSEWHERE = ("hdfs", "webhdfs", "oci", "oci+native", "oci+fetch", "modelscope")
_STORAGE_TYPES = ("s3", "oss", "gs", "https", "http", "hf")


def check_inference_service(isvc: InferenceService, mode: str) -> Iterator[str]:
    """What is wrong with it; `mode` is the deployment mode in force for it."""
    name = isvc.metadata.name
    if not re.fullmatch(_NAME, name):
        yield (
            f"the InferenceService {name!r} is invalid: a InferenceService name must consist of "
            "lower case alphanumeric characters or '-', and must start with alphabetical "
            f'character. (e.g. "my-name" or "abc-123", regex used for validation is \'{_NAME}\')'
        )
    written = isvc.metadata.annotations.get(names.DEPLOYMENT_MODE)
    if written is not None and written not in names.MODES:
        yield (
            f"metadata.annotations[{names.DEPLOYMENT_MODE}]: {written!r} is no deployment mode "
            "here: Standard (RawDeployment) and Knative (Serverless) are"
        )
    yield from _check_class(isvc)
    yield from _check_old_annotations(isvc)
    spec = isvc.spec
    yield from _check_predictor(spec.predictor)
    yield from _check_component(spec.predictor, "predictor", isvc, mode)
    if spec.transformer is not None:
        if not spec.transformer.containers:
            yield "exactly one of [PodSpec] must be specified in TransformerSpec"
        yield from _check_component(spec.transformer, "transformer", isvc, mode)
    if spec.explainer is not None:
        yield "spec.explainer: explainers are not served here: leave it out, or use a cluster"
    if spec.canary is not None:
        yield (
            "spec.canary: a second Deployment as canary is not made here: use Knative mode with "
            "spec.predictor.canaryTrafficPercent"
        )


def check_mode_change(mode: str, was: str) -> Iterator[str]:
    if mode != was:
        yield f"update rejected: deploymentMode cannot be changed from '{was}' to '{mode}'"


def _check_class(isvc: InferenceService) -> Iterator[str]:
    class_ = isvc.metadata.annotations.get(names.AUTOSCALER_CLASS)
    if class_ is None:
        return
    if class_ not in _CLASSES:
        yield f"[{class_}] is not a supported autoscaler class type.\n"


def _check_old_annotations(isvc: InferenceService) -> Iterator[str]:
    """How scaling was said before there were fields for it."""
    metric = isvc.metadata.annotations.get(names.METRIC)
    if metric is not None and metric not in _HPA_METRICS:
        yield f"[{metric}] is not a supported metric.\n"
    percent = isvc.metadata.annotations.get(names.TARGET_UTILIZATION)
    if percent is not None and not (percent.isdecimal() and 1 <= int(percent) <= 100):
        yield "the target utilization percentage should be a [1-100] integer"


def _check_predictor(predictor: Predictor) -> Iterator[str]:
    said = said_frameworks(predictor)
    custom = [c for c in predictor.containers if c.name != names.TRANSFORMER_CONTAINER]
    given = len(said) + (predictor.model is not None) + bool(custom)
    if given != 1:
        yield f"exactly one of [{_IMPLEMENTATIONS}] must be specified in PredictorSpec"
    if custom and names.CONTAINER not in [c.name for c in custom]:
        yield (
            f"spec.predictor.containers: one of them must be named {names.CONTAINER!r}: it is the "
            "one that serves"
        )
    for container in predictor.containers:
        beside = container.name == names.TRANSFORMER_CONTAINER
        if beside and any(variable.name == names.STORAGE_URI for variable in container.env):
            yield "storage uri should not be specified in transformer container"
    if predictor.worker_spec is not None:
        yield "spec.predictor.workerSpec: one machine runs no model over several: leave it out"
    model = predictor.model
    if model is None:
        return
    if not model.model_format.name:
        yield "spec.predictor.model.modelFormat.name: required: which kind of model is it?"
    if model.storage is not None:
        yield from _check_storage(model.storage, both=model.storage_uri is not None)
    if model.storage_uri is not None:
        yield from check_storage_uri(model.storage_uri, "spec.predictor.model.storageUri")


def _check_storage(storage: StorageSpec, *, both: bool) -> Iterator[str]:
    """`storage`: a key of the Secret storage-config and a path in the bucket that it names."""
    path = "spec.predictor.model.storage"
    if both:
        yield f"{path}: say either storageUri or storage, not both"
    if storage.schema_path is not None:
        yield f"{path}.schemaPath: is read by ModelMesh only, which is not run here: leave it out"
    type_ = storage.parameters.get("type")
    if type_ is not None and type_ not in _STORAGE_TYPES:
        yield f"{path}.parameters.type: {type_!r} is none of {', '.join(_STORAGE_TYPES)}"
    if ".." in (storage.path or "").split("/"):
        yield f'{path}.path: {storage.path!r} must not contain ".."'


def check_storage_uri(uri: str, path: str) -> Iterator[str]:
    """Nothing for what is on this machine or can be fetched: see `model.storage_uris`."""
    scheme, colon, rest = uri.partition("://")
    if not colon or scheme in _LOCAL:
        if not (rest if colon else uri).strip("/"):
            yield f"{path}: StorageUri [{uri}] names no folder"
        return
    if is_fetched(uri) or scheme in _ELSEWHERE:
        why = not_fetchable(uri)
        if why is not None:
            yield f"{path}: {why}"
        return
    yield (
        "storageUri, must be one of: [gs://, s3://, pvc://, file://, https://, http://, hf://] or "
        f"be an absolute or relative local path. StorageUri [{uri}] is not supported."
    )


def _check_component(
    component: Component, name: str, isvc: InferenceService, mode: str
) -> Iterator[str]:
    low, high = component.min_replicas, component.max_replicas or 0
    if low is not None and low < 0:
        yield "'MinReplicas' cannot be less than 0"
    if high < 0:
        yield "'MaxReplicas' cannot be less than 0"
    if high and low is not None and low > high:
        yield "'MinReplicas' cannot be greater than MaxReplicas"
    if component.container_concurrency is not None and component.container_concurrency < 0:
        yield "'ContainerConcurrency' cannot be less than 0"
    percent = component.canary_traffic_percent
    if percent is not None and not 0 <= percent <= 100:
        yield f"spec.{name}.canaryTrafficPercent: {percent} is not within 0..100"
    yield from _check_metric(component, name, mode)
    for i, volume in enumerate(component.storage_uris):
        yield from check_storage_uri(volume.uri, f"spec.{name}.storageUris[{i}].uri")
    yield from _check_agent(component, name)
    class_ = isvc.metadata.annotations.get(names.AUTOSCALER_CLASS, names.HPA)
    if mode == names.STANDARD and class_ in (names.HPA, names.KEDA):  # else nothing looks at it
        yield from _check_auto_scaling(component, name, class_)


def _check_agent(component: Component, name: str) -> Iterator[str]:
    """The batcher and the logger, which run as KServe's agent beside the model."""
    logger, batcher = component.logger, component.batcher
    if logger is not None:
        if not (logger.url or "").startswith("http://"):
            yield f"spec.{name}.logger.url: events are sent to an http:// address: {logger.url!r}"
        if logger.mode not in (None, "all", "request", "response"):
            yield f"spec.{name}.logger.mode: {logger.mode!r} is none of all, request, response"
    if batcher is not None:
        for field, value in (
            ("maxBatchSize", batcher.max_batch_size),
            ("maxLatency", batcher.max_latency),
        ):
            if value is not None and value < 1:
                yield f"spec.{name}.batcher.{field}: {value} is not 1 or more"


def _check_metric(component: Component, name: str, mode: str) -> Iterator[str]:
    metric, target = component.scale_metric, component.scale_target
    supported = _HPA_METRICS if mode == names.STANDARD else _KNATIVE_METRICS
    if metric is not None and metric not in supported:
        yield f"[{metric}] is not a supported metric.\n"
        return
    percent = metric in _HPA_METRICS or (metric is None and mode == names.STANDARD)
    if percent and target is not None and not 1 <= target <= 100:
        yield "the target utilization percentage should be a [1-100] integer"
    kind = component.scale_metric_type
    if kind is not None and kind not in ("Utilization", "AverageValue"):
        yield f"spec.{name}.scaleMetricType: {kind!r} is neither Utilization nor AverageValue"


def _check_auto_scaling(component: Component, name: str, class_: str) -> Iterator[str]:
    scaling = component.auto_scaling
    if class_ == names.KEDA:
        if component.scale_metric is not None:
            yield "ScaleMetric is not supported for KEDA: use autoScaling"
        metrics = scaling.metrics if scaling else ()
        for i, metric in enumerate(metrics):
            yield from _check_keda_metric(metric, f"spec.{name}.autoScaling.metrics[{i}]")
        if component.min_replicas == 0 and all(metric.type == "Resource" for metric in metrics):
            yield (
                f"spec.{name}.minReplicas: 0 needs an External metric in autoScaling: at zero there "
                "is no cpu or memory to measure"
            )
        return
    for i, metric in enumerate(scaling.metrics if scaling else ()):
        path = f"spec.{name}.autoScaling.metrics[{i}]"
        if metric.type != "Resource":
            yield (
                f"{path}.type: {metric.type} needs the autoscaler class keda (annotation "
                f"{names.AUTOSCALER_CLASS})"
            )
        else:
            yield from _check_resource(metric, path)


def _check_resource(metric: ScaleMetric, path: str) -> Iterator[str]:
    if metric.resource is None or metric.resource.name not in _HPA_METRICS:
        yield f"{path}.resource: name must be cpu or memory"
        return
    target = metric.resource.target or ScaleTarget()
    kind = target.type or "Utilization"
    if kind not in ("Utilization", "AverageValue"):
        yield f"{path}.resource.target.type: {kind!r} is neither Utilization nor AverageValue"
    elif kind == "AverageValue" and target.average_value is None:
        yield f"{path}.resource.target.averageValue: required with type AverageValue"
    elif (kind, metric.resource.name, target.average_utilization) == (
        "Utilization",
        "memory",
        None,
    ):
        yield f"{path}.resource.target.averageUtilization: required for memory"


def _check_keda_metric(metric: ScaleMetric, path: str) -> Iterator[str]:
    if metric.type == "Resource":
        yield from _check_resource(metric, path)
    elif metric.type == "External":
        said = metric.external
        if said is None or said.metric is None or said.target is None:
            yield f"{path}.external: metric and target are needed"
        elif said.metric.backend != "prometheus":
            yield f"{path}.external.metric.backend: {said.metric.backend!r}: prometheus is served here"
        elif not said.metric.server_address or not said.metric.query:
            yield f"{path}.external.metric: serverAddress and query are needed"
        elif said.target.value is None and said.target.average_value is None:
            yield f"{path}.external.target.value: required"
    else:
        yield f"{path}.type: {metric.type} is not served here: Resource and External are"
