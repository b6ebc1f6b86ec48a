"""networking.istio.io: VirtualService, DestinationRule and Gateway, as far as one gateway can follow them.

Source: Istio API networking/v1 (virtual_service.proto, destination_rule.proto, gateway.proto); the
versions v1, v1beta1 and v1alpha3 are written alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.model.meta import Condition, Key, Object
from tidegate.model.wire import ClusterOnly, NotHonoured, Wire

GROUP = "networking.istio.io"
MESH = "mesh"  # the reserved gateway: callers inside the cluster
_LOCAL = (".svc.cluster.local", ".svc")


class StringMatch(Wire, frozen=True, kw_only=True):
    """One of the three. None at all: whatever the value is."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class HTTPMatchRequest(Wire, frozen=True, kw_only=True):
    """All that it names must hold; `uri`, `method`, `headers` and `withoutHeaders` can be looked at here."""

    name: str | None = None
    uri: StringMatch | None = None
    method: StringMatch | None = None
    headers: Mapping[str, StringMatch] = {}
    without_headers: Mapping[str, StringMatch] = {}
    gateways: Any = None
    scheme: Any = None
    authority: Any = None
    port: Any = None
    source_labels: Any = None
    source_namespace: Any = None
    query_params: Any = None
    ignore_uri_case: bool | None = None
    stat_prefix: NotHonoured = None


class PortSelector(Wire, frozen=True, kw_only=True):
    number: int = 0


class Destination(Wire, frozen=True, kw_only=True):
    """`port` None: the port that the client asked for, the Service's only one, or the one whose name
    begins with http."""

    host: str = ""
    subset: str | None = None
    port: PortSelector | None = None


class HeaderOperations(Wire, frozen=True, kw_only=True):
    """`set` and `remove` are refused at admission."""

    set: Mapping[str, str] = {}
    add: Mapping[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Wire, frozen=True, kw_only=True):
    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class HTTPRouteDestination(Wire, frozen=True, kw_only=True):
    """`weight` None: 0, or everything where it is the only destination."""

    destination: Destination = Destination()
    weight: int | None = None
    headers: Headers | None = None


class HTTPRewrite(Wire, frozen=True, kw_only=True):
    uri: str | None = None
    authority: str | None = None
    uri_regex_rewrite: Any = None


class HTTPRoute(Wire, frozen=True, kw_only=True):
    """No `match`: every request. What answers or copies requests by itself is refused."""

    name: str | None = None
    match: tuple[HTTPMatchRequest, ...] = ()
    route: tuple[HTTPRouteDestination, ...] = ()
    rewrite: HTTPRewrite | None = None
    headers: Headers | None = None
    timeout: NotHonoured = None
    retries: NotHonoured = None
    cors_policy: NotHonoured = None
    redirect: Any = None
    direct_response: Any = None
    delegate: Any = None
    fault: Any = None
    mirror: Any = None
    mirrors: Any = None
    mirror_percent: Any = None
    mirror_percentage: Any = None


class VirtualServiceSpec(Wire, frozen=True, kw_only=True):
    """`gateways` empty: the mesh."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: Any = None
    tcp: Any = None
    export_to: ClusterOnly = None


class IstioStatus(Wire, frozen=True, kw_only=True):
    conditions: tuple[Condition, ...] = ()
    observed_generation: int | None = None
    validation_messages: tuple[Any, ...] = ()


class VirtualService(Object, frozen=True, kw_only=True):
    spec: VirtualServiceSpec = VirtualServiceSpec()
    status: IstioStatus | None = None

    def destinations(self) -> Iterator[Destination]:
        """All that its routes lead to."""
        for route in self.spec.http:
            yield from (one.destination for one in route.route)


class Subset(Wire, frozen=True, kw_only=True):
    """`labels`: of its pods, beside those that the Service selects."""

    name: str = ""
    labels: Mapping[str, str] = {}
    traffic_policy: NotHonoured = None


class DestinationRuleSpec(Wire, frozen=True, kw_only=True):
    host: str = ""
    subsets: tuple[Subset, ...] = ()
    traffic_policy: NotHonoured = None
    export_to: ClusterOnly = None
    workload_selector: ClusterOnly = None


class DestinationRule(Object, frozen=True, kw_only=True):
    spec: DestinationRuleSpec = DestinationRuleSpec()
    status: IstioStatus | None = None


class GatewayPort(Wire, frozen=True, kw_only=True):
    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int | None = None


class GatewayServer(Wire, frozen=True, kw_only=True):
    """`hosts` may have a namespace before a slash."""

    port: GatewayPort = GatewayPort()
    hosts: tuple[str, ...] = ()
    tls: NotHonoured = None
    bind: ClusterOnly = None
    default_endpoint: ClusterOnly = None
    name: str | None = None


class GatewaySpec(Wire, frozen=True, kw_only=True):
    """`selector` says which proxies; on one machine there is one."""

    servers: tuple[GatewayServer, ...] = ()
    selector: Mapping[str, str] = {}


class Gateway(Object, frozen=True, kw_only=True):
    spec: GatewaySpec = GatewaySpec()
    status: IstioStatus | None = None


def service_named(host: str, namespace: str) -> Key | None:
    """The Service that a host of a document in this namespace is the name of: a short name is one of
    the same namespace, `name.ns.svc.cluster.local` (and `name.ns.svc`) a full one. None: neither."""
    if host and "." not in host and "*" not in host:
        return Key(namespace, host)
    for ending in _LOCAL:
        if host.endswith(ending):
            name, dot, other = host.removesuffix(ending).partition(".")
            return Key(other, name) if dot and name and "." not in other and name != "*" else None
    return None
