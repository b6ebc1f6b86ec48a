"""core/v1: pods: what is to run together, and how this machine runs it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tidegate.model.containers import Container
from tidegate.model.meta import Condition, Object, ObjectMeta
from tidegate.model.volumes import Volume
from tidegate.model.wire import ClusterOnly, ContainersOnly, NotHonoured, Wire, always

ServiceLinks = Annotated[
    bool | None,
    msgspec.Meta(
        extra={
            "note": "known, but no variables are set for Services on this machine: their hosts lead "
            "through the gateway"
        }
    ),
]


class PodReadinessGate(Wire, frozen=True, kw_only=True):
    """A condition that somebody else writes and without which the pod is not ready."""

    condition_type: str


class PodSpec(Wire, frozen=True, kw_only=True):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str | None = None
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    node_selector: dict[str, str] = {}
    node_name: str | None = None
    service_account_name: str | None = None
    service_account: str | None = None
    automount_service_account_token: ClusterOnly = None
    enable_service_links: ServiceLinks = None
    image_pull_secrets: ContainersOnly = None
    affinity: ClusterOnly = None
    tolerations: ClusterOnly = None
    topology_spread_constraints: ClusterOnly = None
    scheduler_name: str | None = None
    priority: ClusterOnly = None
    priority_class_name: ClusterOnly = None
    preemption_policy: ClusterOnly = None
    runtime_class_name: ClusterOnly = None
    overhead: ClusterOnly = None
    hostname: NotHonoured = None
    subdomain: NotHonoured = None
    set_hostname_as_fqdn: NotHonoured = msgspec.field(default=None, name="setHostnameAsFQDN")
    host_network: NotHonoured = None
    host_pid: NotHonoured = msgspec.field(default=None, name="hostPID")
    host_ipc: NotHonoured = msgspec.field(default=None, name="hostIPC")
    host_users: ClusterOnly = None
    host_aliases: NotHonoured = None
    dns_policy: str | None = None
    dns_config: NotHonoured = None
    share_process_namespace: NotHonoured = None
    security_context: ContainersOnly = None
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    ephemeral_containers: NotHonoured = None
    os: ClusterOnly = None
    scheduling_gates: NotHonoured = None
    resource_claims: ClusterOnly = None
    resources: NotHonoured = None


class ContainerStateWaiting(Wire, frozen=True, kw_only=True):
    reason: str | None = None
    message: str | None = None


class ContainerStateRunning(Wire, frozen=True, kw_only=True):
    started_at: str | None = None


class ContainerStateTerminated(Wire, frozen=True, kw_only=True):
    """`exit_code` -1 with reason Unknown: nobody was there to see it end."""

    exit_code: int = always(0)
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str | None = msgspec.field(default=None, name="containerID")


class ContainerState(Wire, frozen=True, kw_only=True):
    """Exactly one is set."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Wire, frozen=True, kw_only=True):
    """`container_id` is `process://<keeper name>` (for containers `podman://` or `docker://`), from
    which a restarted agent finds it again."""

    name: str
    state: ContainerState | None = None
    last_state: ContainerState | None = None
    ready: bool | None = None
    started: bool | None = None
    restart_count: int | None = None
    image: str | None = None
    image_id: str | None = msgspec.field(default=None, name="imageID")
    container_id: str | None = msgspec.field(default=None, name="containerID")


class PodIP(Wire, frozen=True, kw_only=True):
    ip: str


class PodStatus(Wire, frozen=True, kw_only=True):
    """`tidegate` tells what was done to run it here: local ports, what was rewritten, what could
    not be enforced."""

    phase: str | None = None
    conditions: tuple[Condition, ...] = ()
    message: str | None = None
    reason: str | None = None
    host_ip: str | None = msgspec.field(default=None, name="hostIP")
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    start_time: str | None = None
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str | None = None
    observed_generation: int | None = None
    tidegate: LocalPod | None = None


class LocalPort(Wire, frozen=True, kw_only=True):
    """A declared container port and the free local port that stands for it."""

    container: str
    container_port: int
    local_port: int
    name: str | None = None


class LocalPod(Wire, frozen=True, kw_only=True):
    """How this machine runs the pod."""

    ports: tuple[LocalPort, ...] = ()
    rewritten: tuple[str, ...] = ()  # one sentence each
    not_enforced: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()  # forked from which zygote, or why not
    trouble: tuple[str, ...] = ()  # why it isn't ready yet, as far as probing has found out
    stages: dict[
        str, float
    ] = {}  # cold start: stage -> monotonic seconds (created, bound, spawned, ready)


class Pod(Object, frozen=True, kw_only=True):
    spec: PodSpec = PodSpec()
    status: PodStatus | None = None


class PodTemplateSpec(Wire, frozen=True, kw_only=True):
    metadata: ObjectMeta | None = None
    spec: PodSpec = PodSpec()
