"""serving.kserve.io: InferenceService v1beta1, ServingRuntime and ClusterServingRuntime v1alpha1.

A component (predictor, transformer) has the fields of a PodSpec beside its own, and `model` those of
a Container: both inline, as KServe writes them.
Source: kserve pkg/apis/serving/v1beta1/{inference_service,component,predictor,transformer}.go,
v1alpha1/servingruntime_types.go.
"""

from __future__ import annotations

from typing import Any

from tidegate.model.apps import DeploymentStrategy
from tidegate.model.containers import Container
from tidegate.model.meta import Object
from tidegate.model.pods import PodSpec
from tidegate.model.serving import Addressable, ServingStatus, TrafficTarget
from tidegate.model.wire import NotHonoured, QuantityText, Wire, always

# --- what all components have


class ScaleTarget(Wire, frozen=True, kw_only=True):
    """Utilization in percent, or AverageValue/Value as a quantity."""

    type: str | None = None
    average_utilization: int | None = None
    average_value: QuantityText | None = None
    value: QuantityText | None = None


class ResourceScale(Wire, frozen=True, kw_only=True):
    name: str | None = None
    target: ScaleTarget | None = None


class ExternalMetric(Wire, frozen=True, kw_only=True):
    backend: str | None = None  # prometheus
    server_address: str | None = None
    query: str | None = None
    namespace: NotHonoured = None


class ExternalScale(Wire, frozen=True, kw_only=True):
    metric: ExternalMetric | None = None
    target: ScaleTarget | None = None
    authentication_ref: NotHonoured = None


class ScaleMetric(Wire, frozen=True, kw_only=True):
    type: str
    resource: ResourceScale | None = None
    external: ExternalScale | None = None
    podmetric: Any = None


class AutoScaling(Wire, frozen=True, kw_only=True):
    """`behavior` is a HorizontalPodAutoscaler's, handed on as it is."""

    metrics: tuple[ScaleMetric, ...] = ()
    behavior: Any = None


class Logger(Wire, frozen=True, kw_only=True):
    url: str | None = None
    mode: str | None = None  # all, request, response
    metadata_headers: tuple[str, ...] = ()
    metadata_annotations: NotHonoured = None
    storage: NotHonoured = None
    batch_size: NotHonoured = None
    batch_interval: NotHonoured = None
    marshaller_url: NotHonoured = None


class Batcher(Wire, frozen=True, kw_only=True):
    max_batch_size: int | None = None  # instances; 32
    max_latency: int | None = None  # ms; 5000
    timeout: NotHonoured = None  # s; the service's own timeouts hold


class StorageUri(Wire, frozen=True, kw_only=True):
    uri: str = ""
    mount_path: str | None = None


class Component(PodSpec, frozen=True, kw_only=True):
    """`timeout` in seconds. `max_replicas` 0 or None: no upper bound in Knative mode, no growth in
    Standard mode."""

    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_target: int | None = None
    scale_metric: str | None = None
    scale_metric_type: str | None = None
    auto_scaling: AutoScaling | None = None
    container_concurrency: int | None = None
    timeout: int | None = None
    canary_traffic_percent: int | None = None
    logger: Logger | None = None
    batcher: Batcher | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deployment_strategy: DeploymentStrategy | None = None
    storage_uris: tuple[StorageUri, ...] = ()
    hostname_override: NotHonoured = None


# --- predictor


class ModelFormat(Wire, frozen=True, kw_only=True):
    name: str = ""
    version: str | None = None


class StorageSpec(Wire, frozen=True, kw_only=True):
    key: str | None = None
    path: str | None = None
    parameters: dict[str, str] = {}
    schema_path: str | None = None


class FrameworkSpec(Container, frozen=True, kw_only=True):
    """The legacy form, `sklearn: {...}`; admission turns it into `model`."""

    storage_uri: str | None = None
    storage: StorageSpec | None = None
    runtime_version: str | None = None
    protocol_version: str | None = None
    confidential: NotHonoured = None


class ModelSpec(FrameworkSpec, frozen=True, kw_only=True):
    model_format: ModelFormat = ModelFormat()
    runtime: str | None = None


class Predictor(Component, frozen=True, kw_only=True):
    """Exactly one of `model`, a framework key and `containers`."""

    model: ModelSpec | None = None
    name: NotHonoured = None  # of a variant: only canary[] gives it a meaning
    sklearn: FrameworkSpec | None = None
    xgboost: FrameworkSpec | None = None
    tensorflow: FrameworkSpec | None = None
    pytorch: FrameworkSpec | None = None
    triton: FrameworkSpec | None = None
    onnx: FrameworkSpec | None = None
    huggingface: FrameworkSpec | None = None
    pmml: FrameworkSpec | None = None
    lightgbm: FrameworkSpec | None = None
    paddle: FrameworkSpec | None = None
    worker_spec: Any = None
    storage_container_name: NotHonoured = None


class Transformer(Component, frozen=True, kw_only=True):
    """Always custom: `containers`."""


# --- InferenceService


class InferenceServiceSpec(Wire, frozen=True, kw_only=True):
    predictor: Predictor = Predictor()
    transformer: Transformer | None = None
    explainer: Any = None
    canary: Any = None


class ComponentStatus(Wire, frozen=True, kw_only=True):
    latest_ready_revision: str | None = None
    latest_created_revision: str | None = None
    previous_rolledout_revision: str | None = None
    latest_rolledout_revision: str | None = None
    traffic: tuple[TrafficTarget, ...] = ()
    url: str | None = None
    rest_url: str | None = None
    grpc_url: str | None = None
    address: Addressable | None = None


class ModelStates(Wire, frozen=True, kw_only=True):
    active_model_state: str | None = None
    target_model_state: str | None = None


class FailureInfo(Wire, frozen=True, kw_only=True):
    location: str | None = None
    reason: str | None = None
    message: str | None = None
    model_revision_name: str | None = None
    time: str | None = None
    exit_code: int | None = None


class ModelCopies(Wire, frozen=True, kw_only=True):
    failed_copies: int = always(0)  # as the CRD requires
    total_copies: int | None = None


class ModelStatus(Wire, frozen=True, kw_only=True):
    transition_status: str | None = None
    states: ModelStates | None = None
    last_failure_info: FailureInfo | None = None
    copies: ModelCopies | None = None


class InferenceServiceStatus(ServingStatus, frozen=True, kw_only=True):
    """`deployment_mode`: what it was first made with; it can't change."""

    url: str | None = None
    address: Addressable | None = None
    components: dict[str, ComponentStatus] = {}
    model_status: ModelStatus | None = None
    deployment_mode: str | None = None
    serving_runtime_name: str | None = None
    cluster_serving_runtime_name: str | None = None


class InferenceService(Object, frozen=True, kw_only=True):
    spec: InferenceServiceSpec = InferenceServiceSpec()
    status: InferenceServiceStatus | None = None


# --- runtimes


class SupportedModelFormat(Wire, frozen=True, kw_only=True):
    name: str = ""
    version: str | None = None
    auto_select: bool | None = None
    priority: int | None = None


class ServingRuntimeSpec(PodSpec, frozen=True, kw_only=True):
    supported_model_formats: tuple[SupportedModelFormat, ...] = ()
    protocol_versions: tuple[str, ...] = ()
    multi_model: bool | None = None
    disabled: bool | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    worker_spec: Any = None
    built_in_adapter: NotHonoured = None
    grpc_data_endpoint: NotHonoured = None
    grpc_endpoint: NotHonoured = None
    http_data_endpoint: NotHonoured = None
    storage_helper: NotHonoured = None
    replicas: NotHonoured = None


class ServingRuntime(Object, frozen=True, kw_only=True):
    spec: ServingRuntimeSpec = ServingRuntimeSpec()
    status: Any = None


class ClusterServingRuntime(Object, frozen=True, kw_only=True):
    spec: ServingRuntimeSpec = ServingRuntimeSpec()
    status: Any = None


# --- known, and refused with the reason when one is written (`admission.kserve`)


class InferenceGraph(Object, frozen=True, kw_only=True):
    spec: Any = None
    status: Any = None


class TrainedModel(Object, frozen=True, kw_only=True):
    spec: Any = None
    status: Any = None


class LLMInferenceService(Object, frozen=True, kw_only=True):
    spec: Any = None
    status: Any = None
