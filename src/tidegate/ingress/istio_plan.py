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
    """What a VirtualService is looked at with. `sharing`: who has each of its hosts (`claim_of`), the
    oldest first, itself among them."""

    service: FindService
    subsets: FindSubsets
    gateway: FindGateway
    sharing: Mapping[str, Sequence[VirtualService]]


def plan_virtual_service(service: VirtualService, around: Around) -> VirtualServicePlan:
    """Its routes, and what is wrong. Hosts that it shares are in the plan of the oldest that has them."""
    troubles: dict[Trouble, None] = {}
    routes: list[Route] = []
    if _is_bound(service, around, troubles):
        for host in service.spec.hosts:
            together = _together(host, service, around)
            if together[0].key == service.key:
                routes += _routes(host, together, around, troubles)
            else:
                _tell_what_is_taken(host, service, together, around, troubles)
                routes += _by_name(host, service, around, troubles)
    return VirtualServicePlan(tuple(routes), tuple(troubles))


def claim_of(host: str, service: VirtualService) -> str:
    """The host as one word for all spellings of a Service's name."""
    named = service_named(host, service.metadata.namespace or "")
    return host if named is None else local_hosts(named.name, named.namespace)[0]


def sharing(
    service: VirtualService, all_of_them: Iterable[VirtualService]
) -> dict[str, list[VirtualService]]:
    """Who has each of its hosts, the oldest first."""
    found: dict[str, list[VirtualService]] = {claim_of(h, service): [] for h in service.spec.hosts}
    for other in sorted(all_of_them, key=_age):
        for claim in {claim_of(host, other) for host in other.spec.hosts} & found.keys():
            found[claim].append(other)
    return found


def _age(service: VirtualService) -> tuple[str, Key]:
    return service.metadata.creation_timestamp or "", service.key


def _together(host: str, service: VirtualService, around: Around) -> tuple[VirtualService, ...]:
    """Those whose routes are one list for the host: as in Istio all that are for Gateways, if the oldest
    is; in the mesh the oldest has the host alone."""
    having = [one for one in around.sharing[claim_of(host, service)] if _is_bound(one, around, {})]
    if not _has_gateway(having[0], around):
        return (having[0],)
    return tuple(one for one in having if _has_gateway(one, around))


def _tell_what_is_taken(
    host: str,
    service: VirtualService,
    together: Sequence[VirtualService],
    around: Around,
    troubles: dict[Trouble, None],
) -> None:
    """What a younger one doesn't get of a host: all of it, or what only one can have."""
    if service.key not in (one.key for one in together):
        message = f"host {host} belongs to VirtualService {together[0].key}, which is older"
        troubles[Trouble("HostTaken", message)] = None
        return
    if not any(map(_takes_all, _own_branches(service, None, around, troubles))):
        return
    for other in together:
        if other.key == service.key:
            return
        if any(map(_takes_all, _own_branches(other, None, around, {}))):
            message = f"requests for host {host} that match nothing else go to VirtualService {other.key}, which is older"
            troubles[Trouble("HostTaken", message)] = None
            return


def _has_gateway(service: VirtualService, around: Around) -> bool:
    """Whether one of its Gateways is there; the mesh is none."""
    return any(around.gateway(key) is not None for key in _gateways_of(service))


def _gateways_of(service: VirtualService) -> Iterator[Key]:
    for name in service.spec.gateways:
        namespace, slash, rest = name.partition("/")
        if name != MESH:
            yield Key(namespace, rest) if slash else Key(service.metadata.namespace or "", name)


def _is_bound(service: VirtualService, around: Around, troubles: dict[Trouble, None]) -> bool:
    """Whether it is for the mesh or for a Gateway that is there."""
    bound = not service.spec.gateways or MESH in service.spec.gateways
    for key in _gateways_of(service):
        if around.gateway(key) is not None:
            bound = True
        else:
            troubles[Trouble("GatewayNotFound", f"Gateway {key} does not exist")] = None
    return bound


def _routes(
    host: str,
    together: Sequence[VirtualService],
    around: Around,
    troubles: dict[Trouble, None],
) -> Iterator[Route]:
    """Of a host that the first of `together` has: the routes of all of them."""
    service = together[0]
    key = f"{_FIRST}{service.key}|{host}"
    named = service_named(host, service.metadata.namespace or "")
    if named is None:
        alone = ("" if host == "*" else host,)
        yield _route(key, alone, None, None, together, around, troubles)
        yield from _by_name(host, service, around, troubles)
        return
    hosts = local_hosts(named.name, named.namespace)
    path = f"/{named.namespace}/{named.name}"
    yield _route(key, hosts, path, None, together, around, troubles)
    front = around.service(named)
    for port in routed_ports(front) if front is not None else ():
        with_port = tuple(f"{each}:{port.port}" for each in hosts)
        by_port = f"{path}:{port.port}"
        more = f"{key}:{port.port}"
        yield _route(more, with_port, by_port, port.port, together, around, troubles)


def _by_name(
    host: str, service: VirtualService, around: Around, troubles: dict[Trouble, None]
) -> Iterator[Route]:
    """One for any host has a path by its own name as well: of several that say `*` one has it, and
    a client on this machine can say which it means."""
    if host != "*":
        return
    path = f"/{service.metadata.namespace}/{service.metadata.name}"
    key = f"{_FIRST}{service.key}|{path}"
    yield _route(key, (), path, None, (service,), around, troubles)
    front = around.service(service.key)
    for port in routed_ports(front) if front is not None else ():
        by_port = f"{path}:{port.port}"
        yield _route(f"{key}:{port.port}", (), by_port, port.port, (service,), around, troubles)


def _route(
    key: str,
    hosts: tuple[str, ...],
    path: str | None,
    asked: int | None,
    together: Sequence[VirtualService],
    around: Around,
    troubles: dict[Trouble, None],
) -> Route:
    """`asked`: the port that the client asked for; None: it named none. `troubles` gets those of the
    first of `together`; the others say their own."""
    own, others = dict[Trouble, None](), dict[Trouble, None]()
    branches: list[Branch] = []
    for service in together:
        said = own if service is together[0] else others
        branches += _own_branches(service, asked, around, said)
    if len(together) > 1:  # one that takes all would hide what the others say
        branches.sort(key=_takes_all)
    troubles |= own
    return Route(
        key=key,
        hosts=hosts,
        splits=(),
        path_prefix=path,
        branches=tuple(branches),
        trouble="; ".join(trouble.message for trouble in {**own, **others}) or None,
    )


def _own_branches(
    service: VirtualService, asked: int | None, around: Around, troubles: dict[Trouble, None]
) -> list[Branch]:
    return [
        branch
        for route in service.spec.http
        for branch in _branches(route, service, asked, around, troubles)
    ]


def _takes_all(branch: Branch) -> bool:
    """Whether every request fits it (istio pilot/pkg/networking/core/route/route.go, `isCatchAllRoute`)."""
    return all(
        check.on == "path"
        and not check.negated
        and (check.how, check.value) in (("prefix", "/"), ("regex", ".*"), ("present", ""))
        for check in branch.checks
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
