"""Ingress objects as routes of the gateway's table; Ready once the gateway has them in force."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.client.api import Api
from tidegate.ingress.table import GatewayTable
from tidegate.kit.clock import Clock
from tidegate.link.gateway import Route as RouteEntry
from tidegate.link.gateway import Split
from tidegate.model import serving_names as names
from tidegate.model.conditions import merged
from tidegate.model.meta import Condition, Key
from tidegate.model.networking import CLUSTER_LOCAL, Ingress, IngressRule, IngressStatus
from tidegate.reconcile import Done, Next, Watch, watch_self
from tidegate.reconcile.apply import write_status


class RoutesController:
    """One table route per rule; the one writer of an Ingress' status."""

    name = "routes"
    watches: Sequence[Watch] = (watch_self(Ingress),)

    def __init__(self, api: Api, clock: Clock, table: GatewayTable) -> None:
        self._api, self._clock, self._table = api, clock, table
        self._said: dict[Key, dict[str, int]] = {}  # per Ingress: route key -> number of its change
        self._waiting: set[Key] = set()  # Ingresses whose routes the gateway has not acknowledged

    async def reconcile(self, key: Key) -> Next:
        ingress = self._api.get(Ingress, *key)
        wanted = {} if ingress is None else {r.key: r for r in routes_of(ingress)}
        said = self._said.setdefault(key, {})
        for gone in [k for k in said if k not in wanted]:
            self._table.set_route(gone, None)
            del said[gone]
        for route_key, route in wanted.items():
            if self._table.set_route(route_key, route) or route_key not in said:
                said[route_key] = self._table.seq
        if ingress is None:
            del self._said[key]
            self._waiting.discard(key)
            return Done()
        in_force = all(number <= self._table.acked for number in said.values())
        if self._table.acked == 0 and _settled(ingress):
            in_force = True  # the gateway serves on from the table an earlier control plane gave it
        if in_force:
            self._waiting.discard(key)
        else:
            self._waiting.add(key)
        status = plan_status(ingress, in_force=in_force, now_s=self._clock.now())
        await write_status(self._api, ingress, status)
        return Done()

    def waiting(self) -> list[Key]:
        """Ingresses that an acknowledgement may concern."""
        return [*self._waiting]


def _settled(ingress: Ingress) -> bool:
    status = ingress.status
    return (
        status is not None
        and status.observed_generation == ingress.metadata.generation
        and any(c.type == "Ready" and c.status == "True" for c in status.conditions)
    )


def plan_status(ingress: Ingress, *, in_force: bool, now_s: float) -> IngressStatus:
    """The whole status."""
    was = ingress.status or IngressStatus()
    ready = Condition(
        type="Ready",
        status="True" if in_force else "Unknown",
        reason=None if in_force else "Uninitialized",
        message=None if in_force else "Waiting for the gateway to take the new routes.",
    )
    return IngressStatus(
        observed_generation=ingress.metadata.generation,
        conditions=merged(was.conditions, (ready,), now_s=now_s),
    )


def routes_of(ingress: Ingress) -> list[RouteEntry]:
    """The table routes of an Ingress. The first rule is the route itself and can also be reached by
    path, for clients that can't set a Host."""
    out = []
    for index, rule in enumerate(ingress.spec.rules):
        splits = _splits(rule)
        if not splits:
            continue
        name = ingress.metadata.labels.get(names.ROUTE, ingress.metadata.name)
        private = rule.visibility == CLUSTER_LOCAL
        out.append(
            RouteEntry(
                key=str(ingress.key) if index == 0 else f"{ingress.key}#{rule.hosts[0]}",
                hosts=rule.hosts,
                splits=splits,
                path_prefix=None if index or private else f"/{ingress.metadata.namespace}/{name}",
            )
        )
    return out


def _splits(rule: IngressRule) -> tuple[Split, ...]:
    paths = rule.http.paths if rule.http else ()
    return tuple(
        Split(revision=f"{s.service_namespace}/{s.service_name}", percent=s.percent)
        for path in paths
        for s in path.splits
    )
