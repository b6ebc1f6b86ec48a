"""core/v1: containers: what runs, with which environment, how it is asked whether it is well."""

from __future__ import annotations

import msgspec

from tidegate.model.wire import (
    ClusterOnly,
    ContainersOnly,
    IntOrString,
    NotHonoured,
    QuantityText,
    Wire,
)


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
