"""Hosts of Knative Routes that nothing serves yet: the gateway answers why, in place of "no such host".

A cluster answers 404 there, which sends people looking for a misspelt host. As soon as the Route has
an Ingress, that has the hosts, and what is here goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.client.api import Api
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import Route as RouteEntry
from tidegate.model.conditions import find
from tidegate.model.meta import Key
from tidegate.model.networking import Ingress
from tidegate.model.serving import Configuration, Route
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.route_hosts import RouteHosts, route_hosts
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_self


class UnreadyController:
    """One table route per Route without an Ingress. Writes nothing but the table."""

    name = "unready"

    def __init__(self, api: Api, table: GatewayTable, config: ClusterConfig) -> None:
        self._api, self._table, self._config = api, table, config
        self.watches: Sequence[Watch] = (
            watch_self(Route),
            watch_mapped(Ingress, lambda ingress: [ingress.key]),
            watch_mapped(Configuration, self._of_configuration),
        )

    def _of_configuration(self, configuration: Configuration) -> Iterable[Key]:
        namespace, name = configuration.key
        for route in self._api.list(Route, namespace, mentions=name):
            if any(target.configuration_name == name for target in route.spec.traffic):
                yield route.key

    async def reconcile(self, key: Key) -> Next:
        route = self._api.get(Route, *key)
        gone = route is None or route.metadata.deletion_timestamp is not None
        if gone or self._api.get(Ingress, *key) is not None:
            self._table.set_route(entry_key(key), None)
        elif route is not None:
            named = (target.configuration_name for target in route.spec.traffic)
            found = (self._api.get(Configuration, key.namespace, n) for n in named if n)
            configurations = [c for c in found if c is not None]
            hosts = route_hosts(route.metadata, self._config.domain(), self._config.network())
            self._table.set_route(entry_key(key), unready_entry(route, configurations, hosts))
        return Done()


def entry_key(key: Key) -> str:
    """Sorts behind the keys of the Ingress' routes, so that those have the host while both are there."""
    return f"{key}~"


def unready_entry(
    route: Route, configurations: Sequence[Configuration], hosts: RouteHosts
) -> RouteEntry:
    """The Route's hosts, and in words what they wait for."""
    namespace, name = route.key
    return RouteEntry(
        key=entry_key(route.key),
        hosts=hosts.all,
        splits=(),
        path_prefix=None if hosts.public is None else f"/{namespace}/{name}",
        trouble=_why(route, configurations),
    )


def _why(route: Route, configurations: Sequence[Configuration]) -> str:
    """The Configuration knows best; the Route only says that it waits for it."""
    statuses = (*(c.status for c in configurations), route.status)
    for conditions in (status.conditions for status in statuses if status is not None):
        ready = find(conditions, "Ready")
        if ready is not None and ready.status != "True" and ready.message:
            return ready.message
    return "its first revision is being made"
