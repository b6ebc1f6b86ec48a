"""Keeps the gateway's routes in line with networking.k8s.io Ingresses, host by host.

Looked at are hosts, not Ingresses: several of those may share a host. Whatever the ingress controller
of a class is called, on this machine it is the gateway, so all classes are served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.client.api import Api
from tidegate.client.events import WARNING, EventRecorder
from tidegate.ingress.balancers import GatewayAddress
from tidegate.ingress.hosts import HostPlan, Note, concerned, hosts_of, plan_host
from tidegate.ingress.table import GatewayTable
from tidegate.kit.clock import Clock
from tidegate.model.core import Service
from tidegate.model.ingresses import (
    Ingress,
    IngressLoadBalancerIngress,
    IngressLoadBalancerStatus,
    IngressStatus,
)
from tidegate.model.kinds import BY_GVK
from tidegate.model.meta import Key, controller_of
from tidegate.reconcile import Done, Next, Watch, watch_mapped
from tidegate.reconcile.apply import write_status


class IngressesController:
    """The one writer of an Ingress' status. `address` None: nobody knows where the gateway is."""

    name = "ingresses"

    def __init__(
        self, api: Api, clock: Clock, table: GatewayTable, address: GatewayAddress | None
    ) -> None:
        self._api, self._table, self._address = api, table, address
        self._events = EventRecorder(api, clock, "ingress-controller")
        self._having: dict[str, set[Key]] = {}  # host -> Ingresses that had it when they were seen
        self._routes: dict[str, set[str]] = {}  # per host: keys of what it has in the table
        self._told: dict[str, frozenset[Note]] = {}  # per host: what was said already
        self.watches: Sequence[Watch] = (
            watch_mapped(Ingress, self._of_ingress),
            watch_mapped(Service, self._of_service),
        )

    def _of_ingress(self, ingress: Ingress) -> Iterable[Key]:
        """Its hosts; who has a host is noted, so that nobody has to look through all Ingresses."""
        for host in hosts_of(ingress):
            self._having.setdefault(host, set()).add(ingress.key)
            yield Key("host", host)

    def _with_host(self, host: str) -> list[Ingress]:
        found = (self._api.get(Ingress, *key) for key in sorted(self._having.pop(host, ())))
        still = concerned(host, [ingress for ingress in found if ingress is not None])
        if still:
            self._having[host] = {ingress.key for ingress in still}
        return still

    def _of_service(self, service: Service) -> Iterable[Key]:
        namespace, name = service.key
        for ingress in self._api.list(Ingress, namespace, mentions=name):
            yield from self._of_ingress(ingress)

    async def reconcile(self, key: Key) -> Next:
        host = key.name
        ingresses = self._with_host(host)
        plan = plan_host(host, ingresses, lambda name: self._api.get(Service, *name))
        self._publish(host, plan)
        await self._tell(host, plan)
        if self._address is not None:
            place = IngressLoadBalancerIngress(ip=self._address.ip)
            status = IngressStatus(load_balancer=IngressLoadBalancerStatus(ingress=(place,)))
            for ingress in ingresses:
                await write_status(self._api, ingress, status)
        return Done()

    def _publish(self, host: str, plan: HostPlan) -> None:
        wanted = {route.key: route for route in plan.routes}
        for gone in self._routes.pop(host, set()) - wanted.keys():
            self._table.set_route(gone, None)
        for key, route in wanted.items():
            self._table.set_route(key, route)
        if wanted:
            self._routes[host] = set(wanted)

    async def _tell(self, host: str, plan: HostPlan) -> None:
        told, now = self._told.pop(host, frozenset()), frozenset(plan.notes)
        if now:
            self._told[host] = now
        for note in sorted(now - told, key=_order):
            ingress = self._api.get(Ingress, *note.ingress)
            if ingress is not None and not self._is_going(ingress):
                await self._events.emit(ingress, WARNING, note.reason, note.message)

    def _is_going(self, ingress: Ingress) -> bool:
        """Whether it is deleted, or what it was made for: then nobody wants to know what it lacks."""
        if ingress.metadata.deletion_timestamp is not None:
            return True
        owner = controller_of(ingress.metadata)
        kind = BY_GVK.get((owner.api_version, owner.kind)) if owner is not None else None
        if owner is None or kind is None:
            return False
        found = self._api.get(kind.type, ingress.metadata.namespace or "", owner.name)
        return found is None or (
            found.metadata.uid != owner.uid or found.metadata.deletion_timestamp is not None
        )


def _order(note: Note) -> tuple[Key, str, str]:
    return note.ingress, note.reason, note.message
