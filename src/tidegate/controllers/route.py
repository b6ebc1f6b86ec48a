"""Knative Route: resolves traffic to revisions and asks the data plane for it with an Ingress.

What can't be resolved leaves the Ingress as it is: traffic that flows goes on flowing, and the
condition says why. A floating target serves the latest *ready* revision, so a new one takes
traffic only once it is ready.
Source: knative/serving pkg/reconciler/route (reference sheet 11.4, 13.1, 13.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.conditions import derive_ready, find, merged
from tidegate.model.core import ConfigMap
from tidegate.model.meta import Condition, Key, ObjectMeta, owner_reference
from tidegate.model.networking import (
    CLUSTER_LOCAL,
    EXTERNAL_IP,
    Ingress,
    IngressHTTP,
    IngressPath,
    IngressRule,
    IngressSpec,
    IngressSplit,
)
from tidegate.model.serving import (
    Addressable,
    Configuration,
    Revision,
    Route,
    RouteStatus,
    TrafficTarget,
)
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.domain import domain_for, local_hosts, public_host
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status


@dataclass(frozen=True, slots=True)
class Resolution:
    """Traffic as it would be served, or why it can't be (`problem` None: all resolved)."""

    targets: tuple[TrafficTarget, ...]
    problem: Condition | None


class RouteController:
    """Keeps the Ingress of a Route in line with its traffic."""

    name = "route"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self.watches: Sequence[Watch] = (
            watch_self(Route),
            watch_owned(Ingress, "Route"),
            watch_mapped(Configuration, self._of_configuration),
            watch_mapped(Revision, self._of_revision),
            watch_mapped(ConfigMap, self._of_config),
        )

    def _of_config(self, config: ConfigMap) -> Iterable[Key]:
        """Another domain moves every route to another host."""
        if config.key != (names.SYSTEM_NAMESPACE, "config-domain"):
            return ()
        return [route.key for route in self._api.list(Route)]

    def _of_configuration(self, configuration: Configuration) -> Iterable[Key]:
        namespace, name = configuration.key
        for route in self._api.list(Route, namespace, mentions=name):
            if any(t.configuration_name == name for t in route.spec.traffic):
                yield route.key

    def _of_revision(self, revision: Revision) -> Iterable[Key]:
        namespace, name = revision.key
        for route in self._api.list(Route, namespace, mentions=name):
            if any(t.revision_name == name for t in route.spec.traffic):
                yield route.key

    async def reconcile(self, key: Key) -> Next:
        route = self._api.get(Route, *key)
        if route is None or route.metadata.deletion_timestamp:
            return Done()
        seen = resolve(
            route,
            configuration=lambda name: self._api.get(Configuration, key.namespace, name),
            revision=lambda name: self._api.get(Revision, key.namespace, name),
        )
        domain = domain_for(route.metadata.labels, self._config.domain())
        local = route.metadata.labels.get(names.VISIBILITY) == "cluster-local"
        ingress = self._api.get(Ingress, *key)
        if seen.problem is None:
            desired = desired_ingress(route, seen.targets, domain, local=local)
            ingress = await ensure(self._api, desired, _carry)
        status = plan_status(route, seen, ingress, domain, local=local, now_s=self._clock.now())
        await write_status(self._api, route, status)
        return Done()


def resolve(
    route: Route,
    *,
    configuration: Callable[[str], Configuration | None],
    revision: Callable[[str], Revision | None],
) -> Resolution:
    """Each target's revision. A definite failure outranks a pending one."""
    targets: list[TrafficTarget] = []
    problems: list[Condition] = []
    for target in route.spec.traffic:
        name, problem = _resolve_one(target, route, configuration, revision)
        if problem is not None:
            problems.append(problem)
        if name is not None:
            targets.append(
                msgspec.structs.replace(
                    target,
                    revision_name=name,
                    configuration_name=None,
                    latest_revision=target.revision_name is None,
                )
            )
    problems.sort(key=lambda c: c.status)  # "False" before "Unknown"
    return Resolution(tuple(targets), problems[0] if problems else None)


def _resolve_one(
    target: TrafficTarget,
    route: Route,
    configuration: Callable[[str], Configuration | None],
    revision: Callable[[str], Revision | None],
) -> tuple[str | None, Condition | None]:
    if target.revision_name:
        return _named(target.revision_name, route, revision)
    wanted = target.configuration_name or ""
    found = configuration(wanted)
    if found is None:
        return None, _missing("ConfigurationMissing", "Configuration", wanted)
    latest = found.status.latest_ready_revision_name if found.status else None
    if latest and revision(latest) is not None:
        return latest, None
    ready = find(found.status.conditions, "Ready") if found.status else None
    if ready is not None and ready.status == "False":
        text = f'Configuration "{wanted}" does not have any ready Revision.'
        return None, _problem("False", "RevisionMissing", text)
    text = f'Configuration "{wanted}" is waiting for a Revision to become ready.'
    return None, _problem("Unknown", "RevisionMissing", text)


def _named(
    name: str, route: Route, revision: Callable[[str], Revision | None]
) -> tuple[str | None, Condition | None]:
    found = revision(name)
    if found is None:
        return None, _missing("RevisionMissing", "Revision", name)
    service = route.metadata.labels.get(names.SERVICE)
    if service and found.metadata.labels.get(names.SERVICE) != service:
        text = f'Revision "{name}" is not owned by Service "{service}".'
        return None, _problem("False", "RevisionNotOwned", text)
    ready = find(found.status.conditions, "Ready") if found.status else None
    if ready is None or ready.status == "Unknown":
        return None, _problem("Unknown", "RevisionMissing", f'Revision "{name}" is not yet ready.')
    if ready.status == "False":
        text = f'Revision "{name}" failed to become ready.'
        return None, _problem("False", "RevisionMissing", text)
    return name, None


def _missing(reason: str, kind: str, name: str) -> Condition:
    return _problem("False", reason, f'{kind} "{name}" referenced in traffic not found.')


def _problem(status: str, reason: str, message: str) -> Condition:
    return Condition(type="AllTrafficAssigned", status=status, reason=reason, message=message)


def desired_ingress(
    route: Route, targets: Sequence[TrafficTarget], domain: str, *, local: bool
) -> Ingress:
    """What the data plane is asked for: one rule for the route, one for each tag."""
    meta = route.metadata
    namespace = meta.namespace or ""
    rules = [_rule(meta.name, namespace, domain, split(targets, namespace), local=local)]
    for target in targets:
        if target.tag and target.revision_name:
            whole = (
                IngressSplit(
                    service_name=target.revision_name, service_namespace=namespace, percent=100
                ),
            )
            rules.append(_rule(f"{target.tag}-{meta.name}", namespace, domain, whole, local=local))
    return Ingress(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=namespace,
            labels={**meta.labels, names.ROUTE: meta.name},
            annotations={k: v for k, v in meta.annotations.items() if k != names.LAST_APPLIED},
            owner_references=(owner_reference("Route", f"{names.GROUP}/v1", meta),),
        ),
        spec=IngressSpec(rules=tuple(rules)),
    )


def split(targets: Sequence[TrafficTarget], namespace: str) -> tuple[IngressSplit, ...]:
    """Shares of the default host: same revision added up, zero left out, a single one serves all."""
    shares: dict[str, int] = {}
    for target in targets:
        if target.percent and target.revision_name:
            shares[target.revision_name] = shares.get(target.revision_name, 0) + target.percent
    if len(shares) == 1:
        shares = dict.fromkeys(shares, 100)
    return tuple(
        IngressSplit(service_name=name, service_namespace=namespace, percent=percent)
        for name, percent in shares.items()
    )


def _rule(
    name: str, namespace: str, domain: str, splits: tuple[IngressSplit, ...], *, local: bool
) -> IngressRule:
    hosts = local_hosts(name, namespace)
    if not local:
        hosts = (public_host(name, namespace, domain), *hosts)
    return IngressRule(
        hosts=hosts,
        visibility=CLUSTER_LOCAL if local else EXTERNAL_IP,
        http=IngressHTTP(paths=(IngressPath(splits=splits),)),
    )


def _carry(existing: Ingress, desired: Ingress) -> Ingress:
    meta = msgspec.structs.replace(
        existing.metadata, labels=desired.metadata.labels, annotations=desired.metadata.annotations
    )
    return msgspec.structs.replace(existing, metadata=meta, spec=desired.spec)


def plan_status(
    route: Route,
    seen: Resolution,
    ingress: Ingress | None,
    domain: str,
    *,
    local: bool,
    now_s: float,
) -> RouteStatus:
    """The whole status. Unresolved traffic keeps showing what is still being served."""
    was = route.status or RouteStatus()
    name, namespace = route.metadata.name, route.metadata.namespace or ""
    assigned = seen.problem or Condition(type="AllTrafficAssigned", status="True")
    parts = (
        assigned,
        _ingress_condition(ingress),
        Condition(
            type="CertificateProvisioned",
            status="True",
            reason="TLSNotEnabled",
            message="external-domain-tls is not enabled",
        ),
    )
    kept = merged(was.conditions, parts, now_s=now_s)
    inside = f"http://{local_hosts(name, namespace)[0]}"
    outside = f"http://{public_host(name, namespace, domain)}"
    return RouteStatus(
        observed_generation=route.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
        url=inside if local else outside,
        address=Addressable(url=inside),
        traffic=was.traffic
        if seen.problem is not None
        else tuple(_with_url(t, name, namespace, domain, local=local) for t in seen.targets),
    )


def _with_url(
    target: TrafficTarget, name: str, namespace: str, domain: str, *, local: bool
) -> TrafficTarget:
    if not target.tag:
        return target
    tagged = f"{target.tag}-{name}"
    host = local_hosts(tagged, namespace)[0] if local else public_host(tagged, namespace, domain)
    return msgspec.structs.replace(target, url=f"http://{host}")


def _ingress_condition(ingress: Ingress | None) -> Condition:
    if ingress is None:
        return Condition(
            type="IngressReady",
            status="Unknown",
            reason="IngressNotConfigured",
            message="Ingress has not yet been reconciled.",
        )
    seen = ingress.status
    ready = find(seen.conditions, "Ready") if seen else None
    if seen is None or ready is None or seen.observed_generation != ingress.metadata.generation:
        return Condition(
            type="IngressReady",
            status="Unknown",
            reason="Uninitialized",
            message="Waiting for the gateway to take the new routes.",
        )
    return Condition(
        type="IngressReady", status=ready.status, reason=ready.reason, message=ready.message
    )
