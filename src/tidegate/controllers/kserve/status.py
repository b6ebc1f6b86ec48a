"""The status of an InferenceService, computed whole from what was seen. Pure.

Source: kserve pkg/apis/serving/v1beta1/inference_service_status.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from tidegate.controllers.kserve.serverless import Latest, rolled_out
from tidegate.model import kserve_names as names
from tidegate.model import serving
from tidegate.model.apps import Deployment
from tidegate.model.conditions import derive_ready, find, merged
from tidegate.model.domains import DomainMapping
from tidegate.model.kserve import (
    ComponentStatus,
    FailureInfo,
    InferenceService,
    InferenceServiceStatus,
    ModelCopies,
    ModelStates,
    ModelStatus,
)
from tidegate.model.meta import Condition
from tidegate.model.pods import Pod
from tidegate.model.serving import Addressable
from tidegate.model.trouble import Stage, Trouble, trouble_of
from tidegate.policy.config_inference import InferenceConfig
from tidegate.policy.kserve_runtimes import Chosen, NoRuntime

_IN_CLUSTER = "svc.cluster.local"


def ready_type(component: str) -> str:
    """PredictorReady, TransformerReady."""
    return f"{component.capitalize()}Ready"


# --- conditions of one component


def standard_ready(component: str, deployment: Deployment | None, pods: Iterable[Pod]) -> Condition:
    """From the Deployment: it has what it wants available, as last written."""
    type_ = ready_type(component)
    status = deployment.status if deployment else None
    if deployment is None or status is None or status.observed_generation is None:
        return Condition(type=type_, status="Unknown")
    if status.observed_generation < (deployment.metadata.generation or 0):
        return Condition(type=type_, status="Unknown", reason="OutOfDate")
    available = find(status.conditions, "Available")
    serves = status.updated_replicas or deployment.spec.replicas == 0  # at rest nothing is missing
    if available is not None and available.status == "True" and serves:
        return Condition(type=type_, status="True")
    trouble = trouble_of(pods)
    if trouble is not None:
        failed = trouble.stage is not Stage.ON_ITS_WAY
        return Condition(
            type=type_,
            status="False" if failed else "Unknown",
            reason=trouble.reason,
            message=trouble.message,
        )
    return Condition(
        type=type_,
        status="False",
        reason=available.reason if available else "MinimumReplicasUnavailable",
        message=available.message
        if available
        else "Deployment does not have minimum availability.",
    )


def knative_conditions(component: str, ksvc: serving.Service) -> tuple[Condition, ...]:
    """The component's Ready, and what it is made of."""
    title = component.capitalize()
    conditions = ksvc.status.conditions if ksvc.status else ()
    fresh = ksvc.status is not None and ksvc.status.observed_generation == ksvc.metadata.generation
    found = []
    for theirs, ours, severity in (
        ("Ready", f"{title}Ready", None),
        ("ConfigurationsReady", f"{title}ConfigurationReady", "Info"),
        ("RoutesReady", f"{title}RouteReady", "Info"),
    ):
        seen = find(conditions, theirs)
        if seen is None or not fresh:
            found.append(Condition(type=ours, status="Unknown", severity=severity))
        else:
            found.append(
                Condition(
                    type=ours,
                    status=seen.status,
                    severity=severity,
                    reason=seen.reason,
                    message=seen.message,
                )
            )
    return tuple(found)


def knative_sums(components: Iterable[Iterable[Condition]]) -> tuple[Condition, ...]:
    """LatestDeploymentReady and RoutesReady: those of all components together."""
    every = [condition for conditions in components for condition in conditions]
    found = []
    for ending, type_ in (
        ("ConfigurationReady", "LatestDeploymentReady"),
        ("RouteReady", "RoutesReady"),
    ):
        parts = [replace(c, severity=None) for c in every if c.type.endswith(ending)]
        if parts:
            found.append(replace(derive_ready(parts, type_=type_), severity="Info"))
    return tuple(found)


def mapped(mapping: DomainMapping) -> Condition:
    """IngressReady of an InferenceService whose host is a DomainMapping."""
    ready = find(mapping.status.conditions if mapping.status else (), "Ready")
    if ready is None:
        return Condition(type="IngressReady", status="Unknown")
    return Condition(
        type="IngressReady", status=ready.status, reason=ready.reason, message=ready.message
    )


def stopped(components: Sequence[str]) -> tuple[Condition, ...]:
    """A stopped InferenceService is not Ready, as in KServe: nothing answers at its URL."""
    why = f"annotation {names.STOP} is true"
    parts = (*(f"{component.capitalize()}Ready" for component in components), "IngressReady")
    return (
        Condition(type="Stopped", status="True", reason="Stopped"),
        *(Condition(type=part, status="False", reason="Stopped", message=why) for part in parts),
    )


def _resumed(was: InferenceServiceStatus, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """One that was stopped once says that it isn't any more; it has no part in Ready."""
    if find(was.conditions, "Stopped") is None or find(conditions, "Stopped") is not None:
        return ()
    return (Condition(type="Stopped", status="False"),)


# --- components


def standard_component(
    isvc: InferenceService, component: str, config: InferenceConfig
) -> ComponentStatus:
    namespace = isvc.metadata.namespace or ""
    child = names.child(isvc.metadata.name, component)
    return ComponentStatus(url=f"{config.url_scheme}://{config.host(child, namespace)}")


def knative_component(was: ComponentStatus, ksvc: serving.Service) -> ComponentStatus:
    status = ksvc.status or serving.ServiceStatus()
    latest = Latest(status.latest_created_revision_name, status.latest_ready_revision_name)
    now = rolled_out(was, status.traffic, latest)
    return ComponentStatus(
        latest_created_revision=now.latest_created_revision,
        latest_ready_revision=now.latest_ready_revision,
        latest_rolledout_revision=now.latest_rolledout_revision,
        previous_rolledout_revision=now.previous_rolledout_revision,
        traffic=status.traffic,
        url=status.url,
        address=status.address,
    )


# --- the model


def model_status(
    predictor: Condition, pods: Sequence[Pod], was: ModelStatus | None, *, time: str
) -> ModelStatus:
    """What became of the model that the spec names; an earlier one may still serve."""
    live = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    copies = ModelCopies(total_copies=len(live))
    if predictor.status == "True":
        states = ModelStates(active_model_state="Loaded", target_model_state="Loaded")
        return ModelStatus(transition_status="UpToDate", states=states, copies=copies)
    served_before = was is not None and was.states is not None and was.states.active_model_state
    active = "Loaded" if served_before == "Loaded" and _any_ready(live) else ""
    trouble = trouble_of(live)
    if trouble is None or trouble.stage is not Stage.FAILED:
        target = "Loading" if live else "Pending"
        states = ModelStates(active_model_state=active, target_model_state=target)
        return ModelStatus(transition_status="InProgress", states=states, copies=copies)
    states = ModelStates(active_model_state=active, target_model_state="FailedToLoad")
    return ModelStatus(
        transition_status="BlockedByFailedLoad",
        states=states,
        last_failure_info=_failure(trouble, was, time),
        copies=ModelCopies(failed_copies=1, total_copies=len(live)),
    )


def no_runtime(why: NoRuntime, *, time: str) -> ModelStatus:
    """The spec names nothing that could serve it."""
    return ModelStatus(
        transition_status="InvalidSpec",
        states=ModelStates(active_model_state="", target_model_state="FailedToLoad"),
        last_failure_info=FailureInfo(reason=why.reason, message=why.message, time=time),
    )


def _any_ready(pods: Iterable[Pod]) -> bool:
    for pod in pods:
        ready = find(pod.status.conditions if pod.status else (), "Ready")
        if ready is not None and ready.status == "True":
            return True
    return False


def _failure(trouble: Trouble, was: ModelStatus | None, time: str) -> FailureInfo:
    """The time is that of the first sight of this failure."""
    exit_code = None
    if trouble.reason.startswith("ExitCode"):
        exit_code = int(trouble.reason.removeprefix("ExitCode"))
    before = was.last_failure_info if was else None
    if before is not None and before.message == trouble.message and before.time:
        time = before.time
    return FailureInfo(
        reason="ModelLoadFailed", message=trouble.message, exit_code=exit_code, time=time
    )


# --- the whole


def plan_status(
    isvc: InferenceService,
    mode: str,
    *,
    conditions: Sequence[Condition],
    components: Mapping[str, ComponentStatus],
    model: ModelStatus | None,
    runtime: Chosen | None,
    url: str | None,
    now_s: float,
) -> InferenceServiceStatus:
    """`conditions` without Ready; `url` None: nothing routes to it yet."""
    was = isvc.status or InferenceServiceStatus()
    parts = merged(was.conditions, conditions, now_s=now_s)
    told = _resumed(was, conditions)
    first = "transformer" if isvc.spec.transformer is not None else "predictor"
    host = f"{names.child(isvc.metadata.name, first)}.{isvc.metadata.namespace}.{_IN_CLUSTER}"
    return InferenceServiceStatus(
        observed_generation=isvc.metadata.generation,
        conditions=merged(was.conditions, (*parts, derive_ready(parts), *told), now_s=now_s),
        components=dict(components),
        model_status=model,
        deployment_mode=mode,
        url=url,
        address=Addressable(url=f"http://{host}") if url else None,
        serving_runtime_name=runtime.name if runtime and not runtime.cluster else None,
        cluster_serving_runtime_name=runtime.name if runtime and runtime.cluster else None,
    )
