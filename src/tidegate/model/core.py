"""core/v1 apart from pods: Services, Namespaces, ConfigMaps, Secrets, Nodes, and Events."""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.model.meta import Condition, Object, ObjectReference
from tidegate.model.wire import ClusterOnly, IntOrString, NotHonoured, QuantityText, Wire


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
