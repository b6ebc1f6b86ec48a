"""serving.knative.dev/v1 and autoscaling.internal.knative.dev/v1alpha1."""

from __future__ import annotations

from tidegate.model.meta import Condition, Object, ObjectMeta, ObjectReference
from tidegate.model.pods import PodSpec
from tidegate.model.wire import Wire


class RevisionSpec(PodSpec, frozen=True, kw_only=True):
    container_concurrency: int | None = None  # 0: no limit
    timeout_seconds: int | None = None
    response_start_timeout_seconds: int | None = None
    idle_timeout_seconds: int | None = None


class RevisionTemplateSpec(Wire, frozen=True, kw_only=True):
    metadata: ObjectMeta | None = None
    spec: RevisionSpec = RevisionSpec()


class TrafficTarget(Wire, frozen=True, kw_only=True):
    revision_name: str | None = None
    configuration_name: str | None = None
    latest_revision: bool | None = None
    percent: int | None = None
    tag: str | None = None
    url: str | None = None


class Addressable(Wire, frozen=True, kw_only=True):
    url: str | None = None
    name: str | None = None
    audience: str | None = None


class ServingStatus(Wire, frozen=True, kw_only=True):
    """Fields that all serving kinds have."""

    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = ()
    annotations: dict[str, str] = {}


# --- Service


class ServiceSpec(Wire, frozen=True, kw_only=True):
    template: RevisionTemplateSpec = RevisionTemplateSpec()
    traffic: tuple[TrafficTarget, ...] = ()


class ServiceStatus(ServingStatus, frozen=True, kw_only=True):
    latest_created_revision_name: str | None = None
    latest_ready_revision_name: str | None = None
    url: str | None = None
    address: Addressable | None = None
    traffic: tuple[TrafficTarget, ...] = ()


class Service(Object, frozen=True, kw_only=True):
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus | None = None


# --- Configuration


class ConfigurationSpec(Wire, frozen=True, kw_only=True):
    template: RevisionTemplateSpec = RevisionTemplateSpec()


class ConfigurationStatus(ServingStatus, frozen=True, kw_only=True):
    latest_created_revision_name: str | None = None
    latest_ready_revision_name: str | None = None


class Configuration(Object, frozen=True, kw_only=True):
    spec: ConfigurationSpec = ConfigurationSpec()
    status: ConfigurationStatus | None = None


# --- Revision


class RevisionContainerStatus(Wire, frozen=True, kw_only=True):
    name: str | None = None
    image_digest: str | None = None


class RevisionStatus(ServingStatus, frozen=True, kw_only=True):
    actual_replicas: int | None = None
    desired_replicas: int | None = None
    container_statuses: tuple[RevisionContainerStatus, ...] = ()
    init_container_statuses: tuple[RevisionContainerStatus, ...] = ()
    log_url: str | None = None


class Revision(Object, frozen=True, kw_only=True):
    spec: RevisionSpec = RevisionSpec()
    status: RevisionStatus | None = None


# --- Route


class RouteSpec(Wire, frozen=True, kw_only=True):
    traffic: tuple[TrafficTarget, ...] = ()


class RouteStatus(ServingStatus, frozen=True, kw_only=True):
    url: str | None = None
    address: Addressable | None = None
    traffic: tuple[TrafficTarget, ...] = ()


class Route(Object, frozen=True, kw_only=True):
    spec: RouteSpec = RouteSpec()
    status: RouteStatus | None = None


# --- PodAutoscaler (autoscaling.internal.knative.dev/v1alpha1)


class PodAutoscalerSpec(Wire, frozen=True, kw_only=True):
    scale_target_ref: ObjectReference = ObjectReference()
    container_concurrency: int | None = None
    reachability: str | None = None  # Reachable, Unreachable; absent: unknown
    protocol_type: str | None = None


class ScaleDecision(Wire, frozen=True, kw_only=True):
    """One change of mind of an autoscaler; it holds until the next one.

    `was`, `replicas`: the count written before and after it, None: unset. `wanted`: what the demand
    alone asks for, None: nothing was decided. `rule`: the rule that had the last
    word. `stable`, `panic`: averages of `metric` over both windows, None: nothing was measured.
    """

    time: str
    rule: str
    message: str
    ready: int
    replicas: int | None = None
    was: int | None = None
    wanted: int | None = None
    metric: str | None = None
    stable: float | None = None
    panic: float | None = None


class ColdStart(Wire, frozen=True, kw_only=True):
    """A request that found no replica (at `time`), and the stages until it was answered, in seconds
    after `time`; None: not reached yet, or not seen."""

    time: str
    pod: str | None = None
    decided_s: float | None = None  # the replica was asked for
    seen_s: float | None = None  # scheduled, and the node agent has it
    spawned_s: float | None = None  # its process runs
    listening_s: float | None = None
    woken_s: float | None = None  # it was at rest and loaded, and woke
    ready_s: float | None = None  # its probe passed, or it was woken
    first_byte_s: float | None = None  # of the answer


class PodAutoscalerStatus(ServingStatus, frozen=True, kw_only=True):
    """`decision` is the last one in words; `decisions` and `cold_starts` are the last ones, oldest
    first; `scaler` is what the autoscaler must remember over a restart (opaque to everybody else)."""

    service_name: str | None = None
    metrics_service_name: str | None = None
    desired_scale: int | None = None
    actual_scale: int | None = None
    decision: str | None = None
    decisions: tuple[ScaleDecision, ...] = ()
    cold_starts: tuple[ColdStart, ...] = ()
    scaler: str | None = None


class PodAutoscaler(Object, frozen=True, kw_only=True):
    spec: PodAutoscalerSpec = PodAutoscalerSpec()
    status: PodAutoscalerStatus | None = None
