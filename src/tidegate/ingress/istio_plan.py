"""One VirtualService as routes of the gateway's table. Pure.

Whoever asks, from a pod or from outside, comes through the one gateway here; so what Istio calls the
mesh and every Gateway that exists lead to the same routes. A VirtualService for the name of a Service
has the Service's hosts and its path `/<namespace>/<name>/` too; for each of its ports, the same port of
the destinations. Where a destination has several ports and nothing says which, it is the one whose
name begins with `http` (Istio would take the Gateway's own number, which such a Service seldom has).
Source: Istio API networking/v1/virtual_service.proto; istio pilot/pkg/networking/core/route/route.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from tidegate.ingress.hosts import FindService
from tidegate.link.gateway import Branch, Check, Route, Split
from tidegate.model.core import Service, ServicePort
from tidegate.model.istio import (
    MESH,
    Destination,
    Gateway,
    Headers,
    HTTPMatchRequest,
    HTTPRoute,
    StringMatch,
    VirtualService,
    service_named,
)
from tidegate.model.meta import Key
from tidegate.model.service_targets import find_port, lane_key, routed_ports, subset_lane_key
from tidegate.policy.domain import local_hosts

FindSubsets = Callable[[Key], Mapping[str, Mapping[str, str]]]  # of a Service: name -> labels
FindGateway = Callable[[Key], Gateway | None]
_FIRST = "}vs:"  # sorts behind what Ingresses and Knative Routes say, before Services' own routes


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a VirtualService that doesn't work as its author meant."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class VirtualServicePlan:
    routes: tuple[Route, ...]
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class Around:
    """What a VirtualService is looked at with. `taken`: hosts that an older one has, and which."""

    service: FindService
    subsets: FindSubsets
    gateway: FindGateway
    taken: Mapping[str, Key]


def plan_virtual_service(service: VirtualService, around: Around) -> VirtualServicePlan:
    """Its routes, and what is wrong."""
    troubles: dict[Trouble, None] = {}
    routes: list[Route] = []
    if _is_bound(service, around, troubles):
        for host in service.spec.hosts:
            owner = around.taken.get(claim_of(host, service))
            if owner is not None:
                message = f"host {host} belongs to VirtualService {owner}, which is older"
                troubles[Trouble("HostTaken", message)] = None
                routes += _by_name(host, service, around, troubles)
            else:
                routes += _routes(host, service, around, troubles)
    return VirtualServicePlan(tuple(routes), tuple(troubles))


def claim_of(host: str, service: VirtualService) -> str:
    """The host as one word for all spellings of a Service's name."""
    named = service_named(host, service.metadata.namespace or "")
    return host if named is None else local_hosts(named.name, named.namespace)[0]


def taken_from(service: VirtualService, others: Iterable[VirtualService]) -> dict[str, Key]:
    """Its hosts that older ones have."""
    found: dict[str, Key] = {}
    for other in sorted(others, key=_age):
        if _age(other) < _age(service):
            for host in other.spec.hosts:
                found.setdefault(claim_of(host, other), other.key)
    return found


def _age(service: VirtualService) -> tuple[str, Key]:
    return service.metadata.creation_timestamp or "", service.key


def _is_bound(service: VirtualService, around: Around, troubles: dict[Trouble, None]) -> bool:
    """Whether it is for the mesh or for a Gateway that is there."""
    named = service.spec.gateways or (MESH,)
    bound = False
    for name in named:
        if name == MESH:
            bound = True
            continue
        namespace, slash, rest = name.partition("/")
        key = Key(namespace, rest) if slash else Key(service.metadata.namespace or "", name)
        if around.gateway(key) is not None:
            bound = True
        else:
            troubles[Trouble("GatewayNotFound", f"Gateway {key} does not exist")] = None
    return bound


def _routes(
    host: str, service: VirtualService, around: Around, troubles: dict[Trouble, None]
) -> Iterator[Route]:
    key = f"{_FIRST}{service.key}|{host}"
    named = service_named(host, service.metadata.namespace or "")
    if named is None:
        yield _route(key, ("" if host == "*" else host,), None, None, service, around, troubles)
        yield from _by_name(host, service, around, troubles)
        return
    hosts = local_hosts(named.name, named.namespace)
    path = f"/{named.namespace}/{named.name}"
    yield _route(key, hosts, path, None, service, around, troubles)
    front = around.service(named)
    for port in routed_ports(front) if front is not None else ():
        with_port = tuple(f"{each}:{port.port}" for each in hosts)
        by_port = f"{path}:{port.port}"
        more = f"{key}:{port.port}"
        yield _route(more, with_port, by_port, port.port, service, around, troubles)


def _by_name(
    host: str, service: VirtualService, around: Around, troubles: dict[Trouble, None]
) -> Iterator[Route]:
    """One for any host has a path by its own name as well: of several that say `*` one has it, and
    a client on this machine can say which it means."""
    if host != "*":
        return
    path = f"/{service.metadata.namespace}/{service.metadata.name}"
    key = f"{_FIRST}{service.key}|{path}"
    yield _route(key, (), path, None, service, around, troubles)
    front = around.service(service.key)
    for port in routed_ports(front) if front is not None else ():
        by_port = f"{path}:{port.port}"
        yield _route(f"{key}:{port.port}", (), by_port, port.port, service, around, troubles)


def _route(
    key: str,
    hosts: tuple[str, ...],
    path: str | None,
    asked: int | None,
    service: VirtualService,
    around: Around,
    troubles: dict[Trouble, None],
) -> Route:
    """`asked`: the port that the client asked for; None: it named none."""
    own: dict[Trouble, None] = {}
    branches = [
        branch
        for route in service.spec.http
        for branch in _branches(route, service, asked, around, own)
    ]
    troubles |= own
    return Route(
        key=key,
        hosts=hosts,
        splits=(),
        path_prefix=path,
        branches=tuple(branches),
        trouble="; ".join(trouble.message for trouble in own) or None,
    )


def _branches(
    route: HTTPRoute,
    service: VirtualService,
    asked: int | None,
    around: Around,
    troubles: dict[Trouble, None],
) -> Iterator[Branch]:
    """One for each of its matches, any of which is enough."""
    alone = len(route.route) == 1
    splits = tuple(
        Split(
            revision=_lane(one.destination, service, asked, around, troubles),
            percent=(1 if alone else 0) if one.weight is None else one.weight,
            headers=(*_added(route.headers), *_added(one.headers)),
        )
        for one in route.route
    )
    if alone:  # whatever its weight says
        splits = (Split(revision=splits[0].revision, percent=1, headers=splits[0].headers),)
    rewrite = route.rewrite.uri if route.rewrite is not None else None
    for match in route.match or (HTTPMatchRequest(),):
        yield Branch(splits=splits, checks=tuple(_checks(match)), rewrite=rewrite or None)


def _checks(match: HTTPMatchRequest) -> Iterator[Check]:
    if match.uri is not None:
        yield _check(Check(on="path"), match.uri)
    if match.method is not None:
        yield _check(Check(on="method"), match.method)
    for conditions, negated in ((match.headers, False), (match.without_headers, True)):
        for name, condition in conditions.items():
            yield _check(Check(on="header", name=name, negated=negated), condition)


def _check(about: Check, wanted: StringMatch) -> Check:
    if wanted.exact is not None:
        return _filled(about, "exact", wanted.exact)
    if wanted.prefix is not None:
        return _filled(about, "prefix", wanted.prefix)
    if wanted.regex is not None:
        return _filled(about, "regex", wanted.regex)
    return _filled(about, "present", "")


def _filled(about: Check, how: Literal["exact", "prefix", "regex", "present"], value: str) -> Check:
    return msgspec.structs.replace(about, how=how, value=value)


def _added(headers: Headers | None) -> Sequence[tuple[str, str]]:
    request = headers.request if headers is not None else None
    return tuple(request.add.items()) if request is not None else ()


def _lane(
    destination: Destination,
    service: VirtualService,
    asked: int | None,
    around: Around,
    troubles: dict[Trouble, None],
) -> str:
    """The queue at the gateway that a destination is; where there is none, a key that nobody has:
    its share of the requests is answered with the reason."""
    nowhere = f"nowhere:{service.key}:{destination.host}:{destination.subset or ''}"
    named = service_named(destination.host, service.metadata.namespace or "")
    found = around.service(named) if named is not None else None
    if named is None or found is None:
        shown = destination.host if named is None else str(named)
        troubles[Trouble("ServiceNotFound", f"destination {shown}: no such Service")] = None
        return nowhere
    port = _port(found, destination, asked)
    if port is None:
        wanted = destination.port.number if destination.port is not None else asked
        has = ", ".join(str(each.port) for each in routed_ports(found)) or "none"
        message = f"destination {named} has no TCP port {wanted}, but {has}"
        troubles[Trouble("PortNotFound", message)] = None
        return nowhere
    if destination.subset is None:
        return lane_key(named.namespace, named.name, port.port)
    if destination.subset not in around.subsets(named):
        message = f"no DestinationRule of {named} has the subset {destination.subset}"
        troubles[Trouble("SubsetNotFound", message)] = None
        return nowhere
    return subset_lane_key(named.namespace, named.name, port.port, destination.subset)


def _port(service: Service, destination: Destination, asked: int | None) -> ServicePort | None:
    if destination.port is not None:
        return find_port(service, destination.port.number)
    ports = routed_ports(service)
    same = next((port for port in ports if port.port == asked), None)
    if same is not None or len(ports) < 2:
        return same or next(iter(ports), None)
    return next((port for port in ports if (port.name or "").startswith("http")), ports[0])
