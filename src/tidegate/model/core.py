"""core/v1 and events: what runs, what it reads, where it runs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tidegate.model.meta import (
    Condition,
    Object,
    ObjectMeta,
    ObjectReference,
)
from tidegate.model.wire import (
    ClusterOnly,
    ContainersOnly,
    IntOrString,
    NotHonoured,
    QuantityText,
    Wire,
    always,
)

# --- containers


class ContainerPort(Wire, frozen=True, kw_only=True):
    container_port: int
    name: str | None = None
    protocol: str | None = None
    host_port: int | None = None
    host_ip: str | None = msgspec.field(default=None, name="hostIP")


class KeySelector(Wire, frozen=True, kw_only=True):
    """A key of a ConfigMap or Secret."""

    key: str
    name: str = ""
    optional: bool | None = None


class ObjectFieldSelector(Wire, frozen=True, kw_only=True):
    field_path: str
    api_version: str | None = None


class ResourceFieldSelector(Wire, frozen=True, kw_only=True):
    """`container_name` None: the container itself. `divisor` unset or 0: 1."""

    resource: str
    container_name: str | None = None
    divisor: QuantityText | None = None


class EnvVarSource(Wire, frozen=True, kw_only=True):
    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None


class EnvVar(Wire, frozen=True, kw_only=True):
    name: str
    value: str | None = None
    value_from: EnvVarSource | None = None


class LocalRef(Wire, frozen=True, kw_only=True):
    name: str = ""
    optional: bool | None = None


class EnvFromSource(Wire, frozen=True, kw_only=True):
    prefix: str | None = None
    config_map_ref: LocalRef | None = None
    secret_ref: LocalRef | None = None


class ResourceRequirements(Wire, frozen=True, kw_only=True):
    limits: dict[str, QuantityText] = {}
    requests: dict[str, QuantityText] = {}
    claims: ClusterOnly = None


class HTTPHeader(Wire, frozen=True, kw_only=True):
    name: str
    value: str = ""


class HTTPGetAction(Wire, frozen=True, kw_only=True):
    """`port` 0 or absent: the container's port (Knative)."""

    path: str | None = None
    port: IntOrString | None = None
    host: str | None = None
    scheme: str | None = None
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(Wire, frozen=True, kw_only=True):
    port: IntOrString | None = None
    host: str | None = None


class ExecAction(Wire, frozen=True, kw_only=True):
    command: tuple[str, ...] = ()


class GRPCAction(Wire, frozen=True, kw_only=True):
    port: int | None = None
    service: str | None = None


class Probe(Wire, frozen=True, kw_only=True):
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    exec: ExecAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int | None = None
    timeout_seconds: int | None = None
    period_seconds: int | None = None
    success_threshold: int | None = None
    failure_threshold: int | None = None
    termination_grace_period_seconds: int | None = None


class SleepAction(Wire, frozen=True, kw_only=True):
    seconds: int = 0


class LifecycleHandler(Wire, frozen=True, kw_only=True):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Wire, frozen=True, kw_only=True):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class VolumeMount(Wire, frozen=True, kw_only=True):
    name: str
    mount_path: str
    read_only: bool | None = None
    sub_path: str | None = None
    sub_path_expr: str | None = None
    mount_propagation: ClusterOnly = None
    recursive_read_only: ClusterOnly = None


class SecurityContext(Wire, frozen=True, kw_only=True):
    """Kept whole; process pods run as the user that started the engine. `privileged` containers are
    refused when they are to start."""

    run_as_user: ContainersOnly = None
    run_as_group: ContainersOnly = None
    run_as_non_root: ContainersOnly = None
    privileged: NotHonoured = None
    allow_privilege_escalation: ContainersOnly = None
    read_only_root_filesystem: ContainersOnly = None
    capabilities: ContainersOnly = None
    seccomp_profile: ContainersOnly = None
    app_armor_profile: ClusterOnly = None
    se_linux_options: ClusterOnly = None
    windows_options: ClusterOnly = None
    proc_mount: ClusterOnly = None


class Container(Wire, frozen=True, kw_only=True):
    name: str = ""
    image: str | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str | None = None
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    resources: ResourceRequirements | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: ClusterOnly = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str | None = None
    termination_message_policy: str | None = None
    image_pull_policy: ContainersOnly = None
    security_context: SecurityContext | None = None
    stdin: NotHonoured = None
    stdin_once: NotHonoured = None
    tty: NotHonoured = None
    restart_policy: str | None = None  # of an init container: Always makes it a sidecar
    resize_policy: ClusterOnly = None


# --- volumes


class KeyToPath(Wire, frozen=True, kw_only=True):
    key: str
    path: str
    mode: int | None = None


class ConfigMapVolumeSource(Wire, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class SecretVolumeSource(Wire, frozen=True, kw_only=True):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class EmptyDirVolumeSource(Wire, frozen=True, kw_only=True):
    medium: str | None = None
    size_limit: QuantityText | None = None


class HostPathVolumeSource(Wire, frozen=True, kw_only=True):
    path: str
    type: str | None = None


class NFSVolumeSource(Wire, frozen=True, kw_only=True):
    """An export that this machine has mounted already."""

    server: str = ""
    path: str = ""
    read_only: bool | None = None


class PersistentVolumeClaimVolumeSource(Wire, frozen=True, kw_only=True):
    claim_name: str
    read_only: bool | None = None


class DownwardAPIFile(Wire, frozen=True, kw_only=True):
    """Exactly one of the two references."""

    path: str
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPIVolumeSource(Wire, frozen=True, kw_only=True):
    items: tuple[DownwardAPIFile, ...] = ()
    default_mode: int | None = None


class ProjectedConfigMap(Wire, frozen=True, kw_only=True):
    """A ConfigMap or a Secret inside a projected volume."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class ProjectedDownwardAPI(Wire, frozen=True, kw_only=True):
    items: tuple[DownwardAPIFile, ...] = ()


class VolumeProjection(Wire, frozen=True, kw_only=True):
    """One source of a projected volume."""

    config_map: ProjectedConfigMap | None = None
    secret: ProjectedConfigMap | None = None
    downward_api: ProjectedDownwardAPI | None = msgspec.field(default=None, name="downwardAPI")
    service_account_token: NotHonoured = None
    cluster_trust_bundle: NotHonoured = None


class ProjectedVolumeSource(Wire, frozen=True, kw_only=True):
    sources: tuple[VolumeProjection, ...] = ()
    default_mode: int | None = None


class Volume(Wire, frozen=True, kw_only=True):
    name: str
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")
    csi: NotHonoured = None
    nfs: NFSVolumeSource | None = None
    ephemeral: NotHonoured = None
    image: NotHonoured = None


# --- pods

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


# --- the rest of core/v1


class ServicePort(Wire, frozen=True, kw_only=True):
    port: int
    name: str | None = None
    protocol: str | None = None
    app_protocol: str | None = None
    target_port: IntOrString | None = None
    node_port: int | None = None


class ServiceSpec(Wire, frozen=True, kw_only=True):
    selector: dict[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    type: str | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    external_name: str | None = None
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    session_affinity: str | None = None
    session_affinity_config: NotHonoured = None
    load_balancer_ip: NotHonoured = msgspec.field(default=None, name="loadBalancerIP")
    load_balancer_class: ClusterOnly = None
    load_balancer_source_ranges: NotHonoured = None
    allocate_load_balancer_node_ports: ClusterOnly = None
    external_traffic_policy: ClusterOnly = None
    internal_traffic_policy: ClusterOnly = None
    health_check_node_port: ClusterOnly = None
    ip_families: ClusterOnly = None
    ip_family_policy: ClusterOnly = None
    publish_not_ready_addresses: bool | None = None
    traffic_distribution: ClusterOnly = None


class Service(Object, frozen=True, kw_only=True):
    spec: ServiceSpec = ServiceSpec()
    status: Any = None


class NamespaceSpec(Wire, frozen=True, kw_only=True):
    finalizers: tuple[str, ...] = ()


class NamespaceStatus(Wire, frozen=True, kw_only=True):
    phase: str | None = None
    conditions: tuple[Condition, ...] = ()


class Namespace(Object, frozen=True, kw_only=True):
    spec: NamespaceSpec | None = None
    status: NamespaceStatus | None = None


class ConfigMap(Object, frozen=True, kw_only=True):
    """`binary_data` values are base64."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: bool | None = None


class Secret(Object, frozen=True, kw_only=True):
    """`data` values are base64; `string_data` is folded into it at admission."""

    data: dict[str, str] = {}
    string_data: dict[str, str] = {}
    type: str | None = None
    immutable: bool | None = None


class NodeSpec(Wire, frozen=True, kw_only=True):
    unschedulable: bool | None = None
    taints: Any = None
    provider_id: str | None = msgspec.field(default=None, name="providerID")
    pod_cidr: ClusterOnly = None


class NodeAddress(Wire, frozen=True, kw_only=True):
    type: str
    address: str


class NodeSystemInfo(Wire, frozen=True, kw_only=True):
    machine_id: str = msgspec.field(default="", name="machineID")
    boot_id: str = msgspec.field(default="", name="bootID")
    kernel_version: str = ""
    os_image: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    operating_system: str = ""
    architecture: str = ""


class NodeStatus(Wire, frozen=True, kw_only=True):
    """`allocatable` is what pods may ask for; what they asked for is summed by the scheduler."""

    capacity: dict[str, QuantityText] = {}
    allocatable: dict[str, QuantityText] = {}
    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeSystemInfo | None = None


class Node(Object, frozen=True, kw_only=True):
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class EventSource(Wire, frozen=True, kw_only=True):
    component: str | None = None
    host: str | None = None


class Event(Object, frozen=True, kw_only=True):
    """core/v1 Event. The same event again raises `count` and `last_timestamp`."""

    involved_object: ObjectReference = ObjectReference()
    reason: str | None = None
    message: str | None = None
    source: EventSource | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    count: int | None = None
    type: str | None = None
    event_time: str | None = None
    series: Any = None
    action: str | None = None
    related: ObjectReference | None = None
    reporting_component: str | None = None
    reporting_instance: str | None = None
