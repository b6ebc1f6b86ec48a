"""The Ingress that a route asks the data plane for: one rule for the route, one for each tag.

Source: knative/serving pkg/reconciler/route/resources/ingress.go. Deliberate difference: the public
and the local names of a target share one rule, since one gateway answers both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from tidegate.controllers.route.judged import written_trial
from tidegate.controllers.route.resolve import Resolved
from tidegate.controllers.route.rollout import ANNOTATION, written
from tidegate.controllers.route.shares import NO_TAG, shares_of
from tidegate.model import serving_names as names
from tidegate.model.meta import Condition, ObjectMeta, owner_reference
from tidegate.model.networking import (
    CLUSTER_LOCAL,
    EXTERNAL_IP,
    HeaderMatch,
    Ingress,
    IngressHTTP,
    IngressPath,
    IngressRule,
    IngressSpec,
    IngressSplit,
)
from tidegate.model.serving import Route
from tidegate.policy.config_domain import DomainConfig
from tidegate.policy.config_network import NetworkConfig
from tidegate.policy.https import MADE_HERE, certificate_of
from tidegate.policy.route_hosts import RouteHosts, route_hosts
from tidegate.scaling.gradual_rollout import Rollout, Share
from tidegate.scaling.judged_rollout import Trial


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the cluster shows routes. `tag_header`: requests may choose a tag by a header."""

    domains: DomainConfig = field(default_factory=DomainConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    tag_header: bool = False

    def hosts(self, route: Route, tag: str | None = None) -> RouteHosts:
        return route_hosts(route.metadata, self.domains, self.network, tag=tag)

    def problem(self, route: Route) -> Condition | None:
        """A name that templates, labels and tags make of the route and that can't be a host's."""
        tags = {target.tag for target in route.spec.traffic if target.tag}
        for tag in (None, *sorted(tags)):
            why = self.hosts(route, tag).problem
            if why is not None:
                return Condition(
                    type="AllTrafficAssigned", status="False", reason="InvalidHost", message=why
                )
        return None


def desired_ingress(
    route: Route,
    targets: Sequence[Resolved],
    rollout: Rollout,
    exposure: Exposure,
    trial: Trial | None = None,
) -> Ingress:
    """What the data plane is asked for."""
    meta = route.metadata
    copied = {k: v for k, v in meta.annotations.items() if k != names.LAST_APPLIED}
    return Ingress(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels={**meta.labels, names.ROUTE: meta.name},
            annotations={
                **copied,
                **_https(copied, exposure.network),
                ANNOTATION: written(rollout),
                **written_trial(trial),
            },
            owner_references=(owner_reference("Route", f"{names.GROUP}/v1", meta),),
        ),
        spec=IngressSpec(
            rules=_rules(route, targets, rollout, exposure),
            http_option=_http_option(meta.annotations, exposure.network),
        ),
    )


def carry_ingress(existing: Ingress, desired: Ingress) -> Ingress:
    """The Ingress that is there, as it is wanted."""
    meta = msgspec.structs.replace(
        existing.metadata, labels=desired.metadata.labels, annotations=desired.metadata.annotations
    )
    return msgspec.structs.replace(existing, metadata=meta, spec=desired.spec)


def _rules(
    route: Route, targets: Sequence[Resolved], rollout: Rollout, exposure: Exposure
) -> tuple[IngressRule, ...]:
    namespace = route.metadata.namespace or ""
    tags = sorted({target.target.tag for target in targets if target.target.tag})
    splits = {tag: _splits(shares_of(targets, rollout, tag), namespace) for tag in (NO_TAG, *tags)}
    own = [IngressPath(splits=splits[NO_TAG])]
    if exposure.tag_header:
        default = {names.DEFAULT_ROUTE_HEADER: "true"}
        own = [
            *(_chosen_by_header(tag, splits[tag]) for tag in tags),
            IngressPath(splits=splits[NO_TAG], append_headers=default),
        ]
    rules = [_rule(exposure.hosts(route), own)]
    for tag in tags:
        added = {names.TAG_HEADER: tag} if exposure.tag_header else {}
        path = IngressPath(splits=splits[tag], append_headers=added)
        rules.append(_rule(exposure.hosts(route, tag), [path]))
    return tuple(rules)


def _chosen_by_header(tag: str, splits: tuple[IngressSplit, ...]) -> IngressPath:
    return IngressPath(splits=splits, headers={names.TAG_HEADER: HeaderMatch(exact=tag)})


def _rule(hosts: RouteHosts, paths: Sequence[IngressPath]) -> IngressRule:
    return IngressRule(
        hosts=hosts.all,
        visibility=CLUSTER_LOCAL if hosts.public is None else EXTERNAL_IP,
        http=IngressHTTP(paths=tuple(paths)),
    )


def _splits(shares: Sequence[Share], namespace: str) -> tuple[IngressSplit, ...]:
    return tuple(
        IngressSplit(
            service_name=share.revision, service_namespace=namespace, percent=share.percent
        )
        for share in shares
    )


def _https(annotations: Mapping[str, str], network: NetworkConfig) -> dict[str, str]:
    """What external-domain-tls adds for a route that says nothing itself."""
    made_here = certificate_of(annotations, always=network.external_domain_tls) == MADE_HERE
    return {names.TLS: "true"} if made_here else {}


def _http_option(annotations: Mapping[str, str], network: NetworkConfig) -> str | None:
    """Redirected: plain HTTP is sent on to HTTPS."""
    wanted = annotations.get(names.HTTP_PROTOCOL, network.http_protocol).lower()
    return "Redirected" if wanted == "redirected" else None
