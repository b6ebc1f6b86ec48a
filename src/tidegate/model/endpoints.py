"""core/v1 Endpoints and discovery.k8s.io/v1 EndpointSlice: where the pods of a Service answer.

On this machine every pod has ports of its own on loopback, so the ports differ from pod to pod.
"""

from __future__ import annotations

from tidegate.model.meta import Object, ObjectReference
from tidegate.model.wire import ClusterOnly, Wire


class EndpointAddress(Wire, frozen=True, kw_only=True):
    ip: str
    hostname: str | None = None
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class EndpointPort(Wire, frozen=True, kw_only=True):
    """`name` is that of the Service's port."""

    port: int
    name: str | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class EndpointSubset(Wire, frozen=True, kw_only=True):
    """Every address has every port."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Object, frozen=True, kw_only=True):
    """Has the name of its Service. Of a Service without a selector it is the user's to write."""

    subsets: tuple[EndpointSubset, ...] = ()


class EndpointConditions(Wire, frozen=True, kw_only=True):
    """None reads as True for `ready` and `serving`, as False for `terminating`."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class SliceEndpoint(Wire, frozen=True, kw_only=True):
    addresses: tuple[str, ...]
    conditions: EndpointConditions | None = None
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None
    zone: ClusterOnly = None
    hints: ClusterOnly = None
    deprecated_topology: ClusterOnly = None


class SlicePort(Wire, frozen=True, kw_only=True):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Object, frozen=True, kw_only=True):
    """Belongs to the Service that its label `kubernetes.io/service-name` names."""

    address_type: str = ""
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()


SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
