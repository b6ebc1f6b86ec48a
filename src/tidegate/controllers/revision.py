"""Knative Revision: one Deployment and one PodAutoscaler, and a status from what became of them.

The Deployment's replica count is written here once, at creation; after that it is the
autoscaler's alone.
Source: knative/serving pkg/reconciler/revision (reference sheet 8.4, 8.7, 11.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.apps import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    RollingUpdateDeployment,
)
from tidegate.model.conditions import derive_ready, find, merged
from tidegate.model.core import (
    Container,
    ContainerPort,
    EnvVar,
    Pod,
    PodSpec,
    PodTemplateSpec,
    Probe,
    TCPSocketAction,
)
from tidegate.model.errors import BadRequest, Forbidden, Invalid
from tidegate.model.labels import child_name
from tidegate.model.meta import (
    Condition,
    Key,
    LabelSelector,
    Object,
    ObjectMeta,
    ObjectReference,
    controller_of,
    owner_reference,
)
from tidegate.model.serving import (
    PodAutoscaler,
    PodAutoscalerSpec,
    Revision,
    RevisionContainerStatus,
    RevisionStatus,
)
from tidegate.model.trouble import Stage, Trouble, trouble_of
from tidegate.model.wire import IntOrString
from tidegate.policy import initial_scale
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.config_autoscaler import AutoscalerConfig
from tidegate.policy.config_deployment import DeploymentConfig
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status

_API = f"{names.GROUP}/v1"
_REFUSED_AGAIN_S = 30.0  # a quota or a policy may let the children in later


class RevisionController:
    """Makes what a revision runs on, and follows it."""

    name = "revision"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self.watches: Sequence[Watch] = (
            watch_self(Revision),
            watch_owned(Deployment, "Revision"),
            watch_owned(PodAutoscaler, "Revision"),
            watch_mapped(Pod, _of_pod),
        )

    async def reconcile(self, key: Key) -> Next:
        revision = self._api.get(Revision, *key)
        if revision is None or revision.metadata.deletion_timestamp:
            return Done()
        try:
            deployment, autoscaler = await self._children(revision)
        except (BadRequest, Forbidden, Invalid) as why:
            refused = plan_refused(revision, str(why), now_s=self._clock.now())
            await write_status(self._api, revision, refused)
            return Again(_REFUSED_AGAIN_S)
        pods = self._api.list(
            Pod, key.namespace, labels={names.REVISION_UID: revision.metadata.uid or ""}
        )
        status = plan_status(revision, deployment, autoscaler, pods, now_s=self._clock.now())
        await write_status(self._api, revision, status)
        return Done()

    async def _children(self, revision: Revision) -> tuple[Deployment, PodAutoscaler]:
        wanted = desired_deployment(revision, self._config.autoscaler(), self._config.deployment())
        deployment = self._api.get(Deployment, *wanted.key)
        if deployment is None:
            deployment = await ensure(self._api, wanted, lambda existing, _: existing)
        autoscaler = self._api.get(PodAutoscaler, *revision.key)
        if autoscaler is None or _owned(autoscaler, revision):
            scaler = desired_autoscaler(revision, deployment.metadata.name)
            autoscaler = await ensure(self._api, scaler, _carry_autoscaler)
        return deployment, autoscaler


def _of_pod(pod: Pod) -> Iterable[Key]:
    name = pod.metadata.labels.get(names.REVISION)
    if name:
        yield Key(pod.metadata.namespace or "", name)


def _owned(obj: Object, by: Revision) -> bool:
    ref = controller_of(obj.metadata)
    return ref is not None and ref.uid == by.metadata.uid


def pod_labels(revision: Revision) -> dict[str, str]:
    """The labels of a revision's Deployment and pods."""
    meta = revision.metadata
    labels = {k: v for k, v in meta.labels.items() if k != names.ROUTING_STATE}
    own = {names.REVISION: meta.name, names.REVISION_UID: meta.uid or ""}
    return {"app": meta.name, **labels, **own}


def _pod_annotations(revision: Revision) -> dict[str, str]:
    changing = {names.ROUTING_STATE_MODIFIED, names.LAST_APPLIED}
    return {k: v for k, v in revision.metadata.annotations.items() if k not in changing}


def desired_deployment(
    revision: Revision, scaling: AutoscalerConfig, deploying: DeploymentConfig
) -> Deployment:
    """The Deployment of a new revision, at its initial scale."""
    meta = revision.metadata
    labels = pod_labels(revision)
    asked = meta.annotations.get("autoscaling.knative.dev/initial-scale")
    replicas = 0 if asked == "0" else initial_scale(meta.annotations, scaling)
    return Deployment(
        metadata=ObjectMeta(
            name=child_name(meta.name, "-deployment"),
            namespace=meta.namespace,
            labels=labels,
            annotations=_pod_annotations(revision),
            owner_references=(owner_reference("Revision", _API, meta),),
        ),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels={names.REVISION_UID: meta.uid or ""}),
            strategy=DeploymentStrategy(
                type="RollingUpdate",
                rolling_update=RollingUpdateDeployment(max_unavailable=0, max_surge="25%"),
            ),
            revision_history_limit=0,
            progress_deadline_seconds=int(deploying.progress_deadline_s),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels=labels, annotations=_pod_annotations(revision)),
                spec=pod_spec(revision),
            ),
        ),
    )


def pod_spec(revision: Revision) -> PodSpec:
    """The pods of a revision: its own pod spec with Knative's environment, port and probes."""
    spec = revision.spec
    common = {
        name: getattr(spec, name)
        for name in PodSpec.__struct_fields__
        if name not in ("containers", "init_containers")
    }
    serving = serving_container(spec.containers)
    containers = tuple(
        _container(c, revision, serving=index == serving) for index, c in enumerate(spec.containers)
    )
    init = tuple(_with_env(c, _identity(revision)) for c in spec.init_containers)
    base = PodSpec(**{**common, "containers": containers, "init_containers": init})
    return msgspec.structs.replace(
        base,
        termination_grace_period_seconds=spec.timeout_seconds or 300,
        restart_policy="Always",
    )


def serving_container(containers: Sequence[Container]) -> int:
    """The index of the container that owns the port: the one that says so, else the only one."""
    return next((i for i, c in enumerate(containers) if c.ports), 0)


def _identity(revision: Revision) -> tuple[EnvVar, ...]:
    labels = revision.metadata.labels
    return (
        EnvVar(name="K_REVISION", value=revision.metadata.name),
        EnvVar(name="K_CONFIGURATION", value=labels.get(names.CONFIGURATION, "")),
        EnvVar(name="K_SERVICE", value=labels.get(names.SERVICE, "")),
    )


def _with_env(container: Container, more: tuple[EnvVar, ...]) -> Container:
    return msgspec.structs.replace(container, env=(*container.env, *more))


def _container(container: Container, revision: Revision, *, serving: bool) -> Container:
    # The end of the log says more than nothing when a container fails and wrote no message file.
    policy = container.termination_message_policy or "FallbackToLogsOnError"
    container = msgspec.structs.replace(container, termination_message_policy=policy)
    if not serving:
        return _with_env(container, _identity(revision))
    given = container.ports[0] if container.ports else None
    number = (given.container_port if given else 0) or names.DEFAULT_PORT
    port = ContainerPort(container_port=number, name=names.USER_PORT, protocol="TCP")
    with_env = _with_env(container, (EnvVar(name="PORT", value=str(number)), *_identity(revision)))
    return msgspec.structs.replace(
        with_env,
        ports=(port,),
        readiness_probe=_readiness(container.readiness_probe, number),
        liveness_probe=_at_user_port(container.liveness_probe, number),
        startup_probe=_at_user_port(container.startup_probe, number),
    )


def _readiness(probe: Probe | None, port: int) -> Probe:
    """Knative probes a pod itself, at once and often, until it answers; here the node agent does.

    periodSeconds 0 or absent means that aggressive way, which is how the agent starts anyway, so a
    period of 1 s says it in Kubernetes' terms.
    """
    given = probe or Probe()
    if not (given.http_get or given.tcp_socket or given.exec or given.grpc):
        given = msgspec.structs.replace(given, tcp_socket=TCPSocketAction(port=port))
    aggressive = not given.period_seconds
    placed = _at_user_port(given, port)
    assert placed is not None
    return msgspec.structs.replace(
        placed,
        period_seconds=1 if aggressive else given.period_seconds,
        timeout_seconds=given.timeout_seconds or 1,
        success_threshold=given.success_threshold or 1,
        failure_threshold=given.failure_threshold or 3,
    )


def _at_user_port(probe: Probe | None, port: int) -> Probe | None:
    """Probes go to the user's port; a port that isn't given (or 0) means that one."""
    if probe is None:
        return None
    if probe.http_get is not None and _is_user_port(probe.http_get.port):
        action = msgspec.structs.replace(probe.http_get, port=port)
        return msgspec.structs.replace(probe, http_get=action)
    if probe.tcp_socket is not None and _is_user_port(probe.tcp_socket.port):
        tcp = msgspec.structs.replace(probe.tcp_socket, port=port)
        return msgspec.structs.replace(probe, tcp_socket=tcp)
    return probe


def _is_user_port(port: IntOrString | None) -> bool:
    # A named port can only be the container's one port: admission has seen to that.
    return not port or isinstance(port, str)


def desired_autoscaler(revision: Revision, target: str) -> PodAutoscaler:
    """The PodAutoscaler; its annotations are the revision's autoscaling ones."""
    meta = revision.metadata
    state = meta.labels.get(names.ROUTING_STATE)
    keep = (names.AUTOSCALING, names.PROGRESS_DEADLINE)
    return PodAutoscaler(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=pod_labels(revision),
            annotations={k: v for k, v in meta.annotations.items() if k.startswith(keep)},
            owner_references=(owner_reference("Revision", _API, meta),),
        ),
        spec=PodAutoscalerSpec(
            scale_target_ref=ObjectReference(api_version="apps/v1", kind="Deployment", name=target),
            container_concurrency=revision.spec.container_concurrency or 0,
            reachability={names.ACTIVE: "Reachable", names.RESERVE: "Unreachable"}.get(state or ""),
            protocol_type="http1",
        ),
    )


def _carry_autoscaler(existing: PodAutoscaler, desired: PodAutoscaler) -> PodAutoscaler:
    meta = msgspec.structs.replace(
        existing.metadata, labels=desired.metadata.labels, annotations=desired.metadata.annotations
    )
    return msgspec.structs.replace(existing, metadata=meta, spec=desired.spec)


def plan_status(
    revision: Revision,
    deployment: Deployment,
    autoscaler: PodAutoscaler,
    pods: Sequence[Pod],
    *,
    now_s: float,
) -> RevisionStatus:
    """The whole status from what was seen."""
    was = revision.status or RevisionStatus()
    if not _owned(deployment, revision):
        resources, healthy = _foreign("Deployment", deployment), _deploying("ContainerHealthy")
    elif not _owned(autoscaler, revision):
        resources, healthy = _foreign("PodAutoscaler", autoscaler), _deploying("ContainerHealthy")
    else:
        resources, healthy = _health(was, deployment, autoscaler, pods)
    active = _active(autoscaler)
    kept = merged(was.conditions, (resources, healthy, active), now_s=now_s)
    seen = autoscaler.status
    return RevisionStatus(
        observed_generation=revision.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
        actual_replicas=seen.actual_scale if seen else None,
        desired_replicas=seen.desired_scale if seen and (seen.desired_scale or 0) >= 0 else None,
        container_statuses=tuple(
            RevisionContainerStatus(name=c.name) for c in revision.spec.containers
        ),
    )


def plan_refused(revision: Revision, why: str, *, now_s: float) -> RevisionStatus:
    """The status of a revision whose Deployment or PodAutoscaler the API doesn't take."""
    was = revision.status or RevisionStatus()
    parts = (
        _unavailable("FailedCreate", why),
        _deploying("ContainerHealthy"),
        Condition(type="Active", severity="Info", status="Unknown", reason="Deploying"),
    )
    kept = merged(was.conditions, parts, now_s=now_s)
    return msgspec.structs.replace(
        was,
        observed_generation=revision.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
    )


def _foreign(kind: str, obj: Object) -> Condition:
    return Condition(
        type="ResourcesAvailable",
        status="False",
        reason="NotOwned",
        message=f'There is an existing {kind} "{obj.metadata.name}" that we do not own.',
    )


def _deploying(type_: str, message: str | None = None) -> Condition:
    return Condition(type=type_, status="Unknown", reason="Deploying", message=message)


def _active(autoscaler: PodAutoscaler) -> Condition:
    seen = find(autoscaler.status.conditions, "Active") if autoscaler.status else None
    if seen is None:
        return Condition(type="Active", severity="Info", status="Unknown", reason="Deploying")
    return Condition(
        type="Active",
        severity="Info",
        status=seen.status,
        reason=seen.reason,
        message=seen.message,
    )


def _health(
    was: RevisionStatus, deployment: Deployment, autoscaler: PodAutoscaler, pods: Sequence[Pod]
) -> tuple[Condition, Condition]:
    """(ResourcesAvailable, ContainerHealthy). What was true stays so until something is seen."""
    resources = _kept(was, "ResourcesAvailable")
    healthy = _kept(was, "ContainerHealthy")
    if healthy.status == "Unknown":  # keep what was said last: the pods that said it may go
        said = find(was.conditions, "ContainerHealthy")
        healthy = _deploying("ContainerHealthy", said.message if said is not None else None)
    status = deployment.status
    conditions = status.conditions if status else ()
    if status is not None and (status.ready_replicas or 0) > 0:
        healthy = Condition(type="ContainerHealthy", status="True")
    scaled = autoscaler.status.conditions if autoscaler.status else ()
    initialized = find(scaled, "ScaleTargetInitialized")
    if initialized is not None and initialized.status == "True":
        resources = Condition(type="ResourcesAvailable", status="True")
        if healthy.status != "False" or not pods:
            healthy = Condition(type="ContainerHealthy", status="True")
    elif _given_up(autoscaler):
        resources = _unavailable(
            "ProgressDeadlineExceeded", _because("Initial scale was never achieved", healthy)
        )
    for type_, bad in (("Progressing", "False"), ("ReplicaFailure", "True")):
        seen = find(conditions, type_)
        if seen is not None and seen.status == bad:
            resources = _unavailable(seen.reason, _because(seen.message or "", healthy))
    wanted = deployment.spec.replicas or 0
    if wanted > 0 and not (status and status.available_replicas):
        resources, healthy = _troubled(trouble_of(pods), resources, healthy)
    return resources, healthy


def _given_up(autoscaler: PodAutoscaler) -> bool:
    """Inactive before it ever had its initial scale. Without a service name it has yet to begin."""
    status = autoscaler.status
    active = find(status.conditions, "Active") if status else None
    begun = status is not None and bool(status.service_name)
    return begun and active is not None and active.status == "False"


def _because(what: str, healthy: Condition) -> str:
    """With what was last seen of the pods, which may be gone by now."""
    seen = healthy.message if healthy.status != "True" else None
    return f"{what}: {seen}" if seen else what


def _kept(was: RevisionStatus, type_: str) -> Condition:
    old = find(was.conditions, type_)
    if old is not None and old.status == "True":
        return Condition(type=type_, status="True")
    return _deploying(type_)


def _unavailable(reason: str | None, message: str | None) -> Condition:
    return Condition(type="ResourcesAvailable", status="False", reason=reason, message=message)


def _troubled(
    trouble: Trouble | None, resources: Condition, healthy: Condition
) -> tuple[Condition, Condition]:
    """With what the pods say when replicas are wanted and none is available."""
    if trouble is None:
        return resources, healthy
    match trouble.stage:
        case Stage.NO_ROOM:
            return _unavailable(trouble.reason, trouble.message), healthy
        case Stage.FAILED:
            failed = Condition(
                type="ContainerHealthy",
                status="False",
                reason=trouble.reason,
                message=trouble.message,
            )
            return resources, failed
        case Stage.ON_ITS_WAY:
            if healthy.status == "Unknown":
                healthy = _deploying("ContainerHealthy", trouble.message)
            return resources, healthy
