"""Keeps the gateway's routes in line with Istio's VirtualServices, and says in them what doesn't work.

No proxies run beside pods here: the gateway is the one that all requests through Services pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.client.api import Api
from tidegate.client.events import WARNING, EventRecorder
from tidegate.ingress.istio_plan import (
    Around,
    Trouble,
    VirtualServicePlan,
    claim_of,
    plan_virtual_service,
    sharing,
)
from tidegate.ingress.table import GatewayTable
from tidegate.kit.clock import Clock
from tidegate.model.conditions import merged
from tidegate.model.core import Service
from tidegate.model.istio import (
    DestinationRule,
    Gateway,
    IstioStatus,
    VirtualService,
    service_named,
)
from tidegate.model.meta import Condition, Key
from tidegate.model.subsets import ruled_by, subsets_of
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped
from tidegate.reconcile.apply import write_status

_LASTING_S = 1.0


@dataclass(slots=True)
class _Seen:
    """Since when a trouble is there (monotonic), and whether an Event has told it."""

    at_s: float
    told: bool = False


class VirtualServicesController:
    """The one writer of a VirtualService's status."""

    name = "virtualservices"

    def __init__(self, api: Api, clock: Clock, table: GatewayTable) -> None:
        self._api, self._clock, self._table = api, clock, table
        self._events = EventRecorder(api, clock, "istio")
        self._routes: dict[Key, set[str]] = {}  # per VirtualService: keys of what it has
        self._claims: dict[
            Key, set[str]
        ] = {}  # per VirtualService: its hosts when it was seen last
        self._troubles: dict[Key, dict[Trouble, _Seen]] = {}
        self.watches: Sequence[Watch] = (
            watch_mapped(VirtualService, self._sharing_hosts),
            watch_mapped(Service, lambda service: self._leading_to(service.key)),
            watch_mapped(DestinationRule, self._of_rule),
            watch_mapped(Gateway, self._of_gateway),
        )

    def _sharing_hosts(self, service: VirtualService) -> Iterable[Key]:
        """Itself, and those that have a host of its own too, or shared one that it gave up."""
        now = {claim_of(host, service) for host in service.spec.hosts}
        claims = now | self._claims.get(service.key, set())
        yield service.key
        for other in self._api.list(VirtualService):
            if claims & {claim_of(host, other) for host in other.spec.hosts}:
                yield other.key

    def _leading_to(self, service: Key) -> Iterator[Key]:
        """Those with a host or a destination of that name, and who shares their hosts: the oldest of
        those has the routes."""
        for one in self._api.list(VirtualService):
            namespace = one.metadata.namespace or ""
            named = (*one.spec.hosts, *(d.host for d in one.destinations()))
            if any(service_named(host, namespace) == service for host in named):
                yield from self._sharing_hosts(one)

    def _of_rule(self, rule: DestinationRule) -> Iterable[Key]:
        service = ruled_by(rule)
        return () if service is None else self._leading_to(service)

    def _of_gateway(self, gateway: Gateway) -> Iterator[Key]:
        names = {gateway.metadata.name, str(gateway.key)}
        for one in self._api.list(VirtualService):
            if names & set(one.spec.gateways):
                yield from self._sharing_hosts(one)

    async def reconcile(self, key: Key) -> Next:
        found = self._api.get(VirtualService, *key)
        plan = VirtualServicePlan((), ()) if found is None else self._plan(found)
        self._publish(key, plan)
        known = self._troubles.pop(key, {})
        if found is None:
            self._claims.pop(key, None)
            return Done()
        self._claims[key] = {claim_of(host, found) for host in found.spec.hosts}
        await write_status(self._api, found, plan_status(found, plan, now_s=self._clock.now()))
        now_s = self._clock.monotonic()
        seen = {trouble: known.get(trouble) or _Seen(now_s) for trouble in plan.troubles}
        if seen:
            self._troubles[key] = seen
        return await self._tell(found, seen, now_s)

    async def _tell(
        self, service: VirtualService, seen: dict[Trouble, _Seen], now_s: float
    ) -> Next:
        """Events of what has lasted: documents that are applied or deleted together come one by one."""
        wait = False
        for trouble, since in seen.items():
            if since.told:
                continue
            if now_s - since.at_s < _LASTING_S:
                wait = True
                continue
            since.told = True
            await self._events.emit(service, WARNING, trouble.reason, trouble.message)
        return Again(_LASTING_S) if wait else Done()

    def _plan(self, service: VirtualService) -> VirtualServicePlan:
        return plan_virtual_service(
            service,
            Around(
                service=lambda key: self._api.get(Service, *key),
                subsets=self._subsets,
                gateway=lambda key: self._api.get(Gateway, *key),
                sharing=sharing(service, self._api.list(VirtualService)),
            ),
        )

    def _subsets(self, service: Key) -> Mapping[str, Mapping[str, str]]:
        return subsets_of(service, self._api.list(DestinationRule))

    def _publish(self, key: Key, plan: VirtualServicePlan) -> None:
        wanted = {route.key: route for route in plan.routes}
        for gone in self._routes.pop(key, set()) - wanted.keys():
            self._table.set_route(gone, None)
        for route_key, route in wanted.items():
            self._table.set_route(route_key, route)
        if wanted:
            self._routes[key] = set(wanted)


def plan_status(service: VirtualService, plan: VirtualServicePlan, *, now_s: float) -> IstioStatus:
    """Reconciled, as Istio calls it: whether the gateway does what the document says."""
    was = service.status or IstioStatus()
    first = plan.troubles[0] if plan.troubles else None
    reconciled = Condition(
        type="Reconciled",
        status="False" if first else "True",
        reason=first.reason if first else None,
        message="; ".join(trouble.message for trouble in plan.troubles) or None,
    )
    return IstioStatus(
        conditions=merged(was.conditions, (reconciled,), now_s=now_s),
        observed_generation=service.metadata.generation,
    )
