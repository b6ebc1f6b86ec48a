"""Ingress objects as routes of the gateway's table; Ready once the gateway has them in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate.client.api import Api
from tidegate.ingress.model_names import models_of, openai_path
from tidegate.ingress.table import GatewayTable
from tidegate.kit.clock import Clock
from tidegate.link.gateway import Route as RouteEntry
from tidegate.link.gateway import Rule, Shadow, Split, Sticky
from tidegate.model import serving_names as names
from tidegate.model.conditions import merged
from tidegate.model.kserve_names import INFERENCE_SERVICE
from tidegate.model.meta import Condition, Key
from tidegate.model.networking import (
    CLUSTER_LOCAL,
    Ingress,
    IngressPath,
    IngressSplit,
    IngressStatus,
)
from tidegate.model.service_targets import lane_key
from tidegate.policy.go_values import BadValue
from tidegate.policy.route_annotations import shadow_of, sticky_of
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
        for route_key, route in wanted.items():
            if self._table.set_route(route_key, route) or route_key not in said:
                said[route_key] = self._table.seq
        # Last: hosts that move from one entry to another are never nobody's.
        for gone in [k for k in said if k not in wanted]:
            self._table.set_route(gone, None)
            del said[gone]
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
    """The table routes of an Ingress. The first rule of a Route's own is the route itself and can also
    be reached by path, for clients that can't set a Host."""
    out = []
    route = ingress.metadata.labels.get(names.ROUTE)
    sticky, shadow = _sticky(ingress), _shadow(ingress)
    for index, rule in enumerate(ingress.spec.rules):
        paths = rule.http.paths if rule.http else ()
        splits = tuple(s for path in paths if not path.headers for s in _splits(path))
        if not splits:
            continue
        by_path = index == 0 and route and rule.visibility != CLUSTER_LOCAL
        out.append(
            RouteEntry(
                key=str(ingress.key) if index == 0 else f"{ingress.key}#{rule.hosts[0]}",
                hosts=rule.hosts,
                splits=splits,
                path_prefix=f"/{ingress.metadata.namespace}/{route}" if by_path else None,
                models=models_of(route, ingress.metadata.annotations) if by_path and route else (),
                openai_path=openai_path(
                    ingress.metadata.annotations,
                    kserve=INFERENCE_SERVICE in ingress.metadata.labels,
                ),
                rules=tuple(r for path in paths if path.headers for r in _rules(path)),
                sticky=sticky,
                shadow=() if index else shadow,
                redirect_https=ingress.spec.http_option == "Redirected",
            )
        )
    return out


def _sticky(ingress: Ingress) -> Sticky | None:
    try:
        found = sticky_of(ingress.metadata.annotations)
    except BadValue:  # older than the rule that refuses it
        return None
    return None if found is None else Sticky(header=found.header, cookie=found.cookie)


def _shadow(ingress: Ingress) -> tuple[Shadow, ...]:
    try:
        found = shadow_of(ingress.metadata.annotations)
    except BadValue:
        return ()
    namespace = ingress.metadata.namespace
    return tuple(Shadow(revision=f"{namespace}/{name}", percent=share) for name, share in found)


def _splits(path: IngressPath) -> tuple[Split, ...]:
    return tuple(
        Split(
            revision=_lane(s),
            percent=s.percent,
            headers=_added(path, s),
        )
        for s in path.splits
    )


def _rules(path: IngressPath) -> Iterator[Rule]:
    """One per header. The gateway's rules lead to one revision each: in the middle of a rollout to
    the newest, which stands last."""
    for name, match in path.headers.items():
        for newest in path.splits[-1:]:
            yield Rule(
                header=name,
                values=(match.exact,),
                revision=_lane(newest),
                headers=_added(path, newest),
            )


def _lane(split: IngressSplit) -> str:
    """What the gateway calls it: a revision, or with a port a core Service's port."""
    if split.service_port is not None:
        return lane_key(split.service_namespace, split.service_name, split.service_port)
    return f"{split.service_namespace}/{split.service_name}"


def _added(path: IngressPath, split: IngressSplit) -> tuple[tuple[str, str], ...]:
    return tuple({**path.append_headers, **split.append_headers}.items())
