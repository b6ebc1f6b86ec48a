"""core/v1 Services: a queue at the gateway for each port, and hosts and paths that lead there.

A Service answers as `<name>.<namespace>.svc.cluster.local` (and shorter) with the Host header, and as
`/<namespace>/<name>/` on the gateway's own address. A Host's port chooses among several ports; the
first is reached without one. What selects no pod that is ready answers 503 and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.ingress.balancers import BALANCERS, GatewayAddress
from tidegate.ingress.replicas import endpoint, pod_uid
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import Endpoint, Revision, Route, Split
from tidegate.model import serving_names as names
from tidegate.model.apps import Deployment
from tidegate.model.conditions import is_true
from tidegate.model.core import Service, ServicePort
from tidegate.model.endpoints import SERVICE_NAME, Endpoints, EndpointSlice
from tidegate.model.ingresses import Ingress
from tidegate.model.istio import DestinationRule
from tidegate.model.meta import Key, ObjectMeta
from tidegate.model.pods import Pod
from tidegate.model.port_protocol import service_protocol
from tidegate.model.service_targets import (
    lane_key,
    local_port,
    routed_ports,
    selects,
    subset_lane_key,
)
from tidegate.model.subsets import ruled_by, subsets_of
from tidegate.model.trouble import trouble_of
from tidegate.policy.batch_share import UNSAID, said_share
from tidegate.policy.domain import local_hosts
from tidegate.policy.nginx import speaks_grpc
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_self

#: Nothing on a cluster ends a request that a Service carries; an hour ends one that was forgotten.
TIMEOUT_S = 3600.0
#: How long a request waits for a pod that is on its way, as a client's connection attempts would.
WAIT_S = 30.0
_PREFIX = "svc:"
_HTTP = 80


class ServicesController:
    """Keeps table entries and routes of each Service; the one writer of a LoadBalancer's address.

    `address` None: nobody knows where the gateway is, so no status says it.
    """

    name = "services"

    def __init__(self, api: Api, table: GatewayTable, address: GatewayAddress | None) -> None:
        self._api, self._table, self._address = api, table, address
        self._lanes: dict[Key, set[str]] = {}  # per Service: what it has in the table
        self._routes: dict[Key, set[str]] = {}
        self.watches: Sequence[Watch] = (
            watch_self(Service),
            watch_mapped(Pod, self.of_pod),
            watch_self(Endpoints),
            watch_mapped(EndpointSlice, _of_slice),
            watch_mapped(Ingress, _of_ingress),
            watch_mapped(DestinationRule, _of_rule),
        )

    async def reconcile(self, key: Key) -> Next:
        self.publish(key)
        service = self._api.get(Service, *key)
        if service is not None and self._address is not None and key not in BALANCERS:
            status = {"loadBalancer": {"ingress": [{"ip": self._address.ip}]}}
            if service.spec.type == "LoadBalancer" and service.status != status:
                await self._api.update_status(msgspec.structs.replace(service, status=status))
        return Done()

    def of_pod(self, pod: Pod) -> Iterator[Key]:
        """The Services that the pod is a replica of."""
        for service in self._api.list(Service, pod.metadata.namespace):
            if selects(service, pod):
                yield service.key

    def publish(self, key: Key) -> None:
        """Bring the entries of a Service in line with its pods."""
        service = self._api.get(Service, *key)
        lanes = {lane.key: lane for lane in self._entries(service)}
        for lane in self._lanes.get(key, set()) - lanes.keys():
            rest = self._leftovers(lane, key.namespace, ())
            if rest:  # it serves nobody new, but somebody may be reading its answer
                lanes[lane] = Revision(key=lane, endpoints=rest, wait_s=0.0)
            else:
                self._table.set_revision(lane, None)
        for lane, entry in lanes.items():
            self._table.set_revision(lane, entry)
        routes = {} if service is None else {r.key: r for r in routes_of(service)}
        for gone in self._routes.get(key, set()) - routes.keys():
            self._table.set_route(gone, None)
        for route_key, route in routes.items():
            self._table.set_route(route_key, route)
        for known, now in ((self._lanes, set(lanes)), (self._routes, set(routes))):
            known[key] = now
            if not now:
                del known[key]

    def _entries(self, service: Service | None) -> Iterator[Revision]:
        """A queue for each port, and for each port of each of its subsets."""
        if service is None:
            return
        namespace, name = service.key
        selector = service.spec.selector
        pods = self._api.list(Pod, namespace, labels=selector) if selector else []
        rules = self._api.list(DestinationRule) if selector else []
        subsets = subsets_of(service.key, rules)
        coming = bool(selector) and self._is_coming(service, {}, pods)
        for port in routed_ports(service):
            yield self._entry(lane_key(namespace, name, port.port), service, port, pods, coming)
            for subset, labels in subsets.items():
                lane = subset_lane_key(namespace, name, port.port, subset)
                part = [pod for pod in pods if labels.items() <= pod.metadata.labels.items()]
                part_coming = self._is_coming(service, labels, part)
                yield self._entry(lane, service, port, part, part_coming)

    def _entry(
        self, lane: str, service: Service, port: ServicePort, pods: Sequence[Pod], coming: bool
    ) -> Revision:
        if service.spec.selector:
            found = endpoints_of(service, port, pods)
        else:
            found = tuple(self._written(service, port))
        rest = self._leftovers(lane, service.metadata.namespace or "", found)
        entry = lane_entry(lane, service, port, (*found, *rest), pods, coming=coming)
        return (
            msgspec.structs.replace(entry, protocol="h2c")
            if self._is_grpc(service, port)
            else entry
        )

    def _is_coming(self, service: Service, subset: Mapping[str, str], pods: Sequence[Pod]) -> bool:
        """Whether there will be a pod soon: one is there, or a Deployment is between two."""
        if any(pod.metadata.deletion_timestamp is None for pod in pods):
            return True
        selector = {**service.spec.selector, **subset}.items()
        return any(
            deployment.spec.replicas != 0
            and deployment.metadata.deletion_timestamp is None
            and selector <= (deployment.spec.template.metadata or ObjectMeta()).labels.items()
            for deployment in self._api.list(Deployment, service.metadata.namespace)
        )

    def _is_grpc(self, service: Service, port: ServicePort) -> bool:
        """Whether an Ingress says that gRPC is spoken behind it, and leads to the port."""
        for ingress in self._api.list(Ingress, service.metadata.namespace):
            if speaks_grpc(ingress.metadata.annotations):
                for backend in (b.service for b in ingress.backends()):
                    if (
                        backend is not None
                        and backend.name == service.metadata.name
                        and backend.port is not None
                        and (backend.port.number or backend.port.name) in (port.port, port.name)
                    ):
                        return True
        return False

    def _leftovers(
        self, lane: str, namespace: str, wanted: Sequence[Endpoint]
    ) -> tuple[Endpoint, ...]:
        """Endpoints that the gateway has and that are wanted no more though their pods live: they drain.

        A Service that is deleted just before its pods would else cut their last answers short.
        """
        last = self._table.revisions.get(lane)
        ids = {endpoint.id for endpoint in wanted}
        over = [e for e in last.endpoints if e.id not in ids] if last is not None else []
        if not over:
            return ()
        alive = {pod.metadata.uid for pod in self._api.list(Pod, namespace)}
        return tuple(
            msgspec.structs.replace(e, draining=True)
            for e in over
            if pod_uid(e.id) in alive and not self._table.has_drained(lane, e.id)
        )

    def _written(self, service: Service, port: ServicePort) -> Iterator[Endpoint]:
        """What the user wrote as the places of a Service without a selector."""
        namespace, name = service.key
        written = self._api.get(Endpoints, namespace, name)
        for subset in written.subsets if written is not None else ():
            for place in subset.ports:
                if (place.name or "") == (port.name or ""):
                    yield from (_at(address.ip, place.port) for address in subset.addresses)
        for slice_ in self._api.list(EndpointSlice, namespace, labels={SERVICE_NAME: name}):
            for number in (p.port for p in slice_.ports if (p.name or "") == (port.name or "")):
                for end in slice_.endpoints if number is not None else ():
                    if end.conditions is None or end.conditions.ready is not False:
                        yield from (_at(address, number or 0) for address in end.addresses)


def _at(host: str, port: int) -> Endpoint:
    return Endpoint(id=f"{host}:{port}", host=host, port=port)


def _of_ingress(ingress: Ingress) -> Iterator[Key]:
    """The Services behind an Ingress, whose protocol it may say."""
    for backend in ingress.backends():
        if backend.service is not None:
            yield Key(ingress.metadata.namespace or "", backend.service.name)


def _of_rule(rule: DestinationRule) -> Iterable[Key]:
    service = ruled_by(rule)
    return () if service is None else (service,)


def _of_slice(slice_: EndpointSlice) -> Iterable[Key]:
    name = slice_.metadata.labels.get(SERVICE_NAME)
    if name:
        yield Key(slice_.metadata.namespace or "", name)


def service_of(lane: str) -> Key | None:
    """The Service of a key in the gateway's table; None: it is no Service's."""
    if not lane.startswith(_PREFIX):
        return None
    namespace, _, rest = lane.removeprefix(_PREFIX).partition("/")
    return Key(namespace, rest.rpartition(":")[0])


def endpoints_of(service: Service, port: ServicePort, pods: Sequence[Pod]) -> tuple[Endpoint, ...]:
    """The pods that a Service's port leads to."""
    early = bool(service.spec.publish_not_ready_addresses)
    found = (endpoint(pod, local_port(pod, port), unready_too=early) for pod in pods)
    return tuple(e for e in found if e is not None)


def lane_entry(
    key: str,
    service: Service,
    port: ServicePort,
    endpoints: tuple[Endpoint, ...],
    pods: Sequence[Pod],
    *,
    coming: bool,
) -> Revision:
    """A Service's port as the gateway's table has it. `coming`: there will be a pod soon."""
    serves = any(not e.draining for e in endpoints)
    undeclared = _without_port(port, pods)
    stuck = None if serves else why_nobody_serves(service, port, pods, lane=key)
    return Revision(
        key=key,
        endpoints=endpoints,
        protocol=service_protocol(port, next(iter(pods), None)),
        timeout_s=TIMEOUT_S,
        wait_s=WAIT_S if serves or (coming and undeclared is None) else 0.0,
        idempotent=service.metadata.annotations.get(names.IDEMPOTENT) == "true",
        batch_concurrency=said_share(service.metadata.annotations) or UNSAID,
        trouble=stuck,
    )


def why_nobody_serves(
    service: Service, port: ServicePort, pods: Sequence[Pod], *, lane: str = ""
) -> str:
    """In a sentence, for who asked and got no answer. `lane`: its key, which may name a subset."""
    about = f"Service {service.key}"
    if service.spec.type == "ExternalName":
        return f"{about} is an alias for {service.spec.external_name}: ask that name itself"
    if not service.spec.selector:
        return f"{about} has no selector, and no Endpoints of its name tell where to go"
    there = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    if not there:
        _, at, subset = lane.partition("@")
        part = f" for its subset {subset}" if at else ""
        return f"no pod has the labels that {about} selects{part}"
    undeclared = _without_port(port, there)
    if undeclared is not None:
        target = port.target_port or port.port
        return (
            f"{about} leads to port {target}, which no container of pod {undeclared.metadata.name} "
            "declares: add it to the container's ports"
        )
    found = trouble_of(there)
    why = f": {found.message}" if found is not None and found.message else ""
    return f"no pod of {about} is ready{why}"


def _without_port(port: ServicePort, pods: Iterable[Pod]) -> Pod | None:
    """A pod that is ready and doesn't declare the Service's port, if none that is ready does."""
    there = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    ready = [p for p in there if p.status and is_true(p.status.conditions, "Ready")]
    return ready[0] if ready and not any(local_port(pod, port) for pod in ready) else None


def routes_of(service: Service) -> Iterator[Route]:
    """Hosts and paths of a Service. Their keys sort behind everybody's: what somebody wrote a host
    for has it."""
    namespace, name = service.key
    hosts = local_hosts(name, namespace)
    path = f"/{namespace}/{name}"
    for index, port in enumerate(routed_ports(service)):
        lane = lane_key(namespace, name, port.port)
        with_port = tuple(f"{host}:{port.port}" for host in hosts)
        if index == 0:
            yield _route(f"~{lane}", (*hosts, *with_port), path, lane)
            if port.port != _HTTP:
                yield _route(f"~{lane}#", (), f"{path}:{port.port}", lane)
        else:
            yield _route(f"~{lane}", with_port, f"{path}:{port.port}", lane)
    if service.spec.type == "ExternalName" and not service.spec.ports:
        trouble = f"Service {service.key} is an alias for {service.spec.external_name}: ask that name itself"
        yield Route(
            key=f"~{_PREFIX}{service.key}",
            hosts=hosts,
            splits=(),
            path_prefix=path,
            trouble=trouble,
        )


def _route(key: str, hosts: tuple[str, ...], path: str, lane: str) -> Route:
    return Route(
        key=key, hosts=hosts, splits=(Split(revision=lane, percent=100),), path_prefix=path
    )
