"""A route's status, computed whole. Unresolved traffic keeps showing what is still being served.

Source: knative/serving pkg/apis/serving/v1/route_lifecycle.go.
"""

from __future__ import annotations

import msgspec

from tidegate.controllers.route.ingress import Exposure
from tidegate.controllers.route.judged import trial_condition
from tidegate.controllers.route.resolve import Resolution
from tidegate.controllers.route.rollout import in_progress
from tidegate.controllers.route.shares import status_traffic
from tidegate.model.conditions import derive_ready, find, merged
from tidegate.model.meta import Condition
from tidegate.model.networking import Ingress
from tidegate.model.serving import Addressable, Route, RouteStatus, TrafficTarget
from tidegate.policy.https import certificate_of
from tidegate.scaling.gradual_rollout import Rollout
from tidegate.scaling.judged_rollout import Trial


def plan_status(
    route: Route,
    seen: Resolution,
    ingress: Ingress | None,
    rollout: Rollout,
    exposure: Exposure,
    trial: Trial | None = None,
    *,
    now_s: float,
) -> RouteStatus:
    """The whole status from what was seen."""
    trying = trial_condition(trial, route)
    was = route.status or RouteStatus()
    hosts = exposure.hosts(route)
    parts = (
        seen.problem
        or _of_type(trying, "AllTrafficAssigned")
        or Condition(type="AllTrafficAssigned", status="True"),
        _ingress_condition(ingress, rollout, _of_type(trying, "IngressReady")),
        _certificate_condition(route, exposure),
    )
    kept = merged(was.conditions, parts, now_s=now_s)
    traffic = was.traffic
    if seen.problem is None:
        traffic = tuple(
            _with_url(target, route, exposure) for target in status_traffic(seen.targets, rollout)
        )
    return RouteStatus(
        observed_generation=route.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
        url=hosts.url,
        address=Addressable(url=hosts.address),
        traffic=traffic,
    )


def _certificate_condition(route: Route, exposure: Exposure) -> Condition:
    always = exposure.network.external_domain_tls
    if certificate_of(route.metadata.annotations, always=always) is not None:
        return Condition(type="CertificateProvisioned", status="True")
    return Condition(
        type="CertificateProvisioned",
        status="True",
        reason="TLSNotEnabled",
        message="external-domain-tls is not enabled",
    )


def _with_url(target: TrafficTarget, route: Route, exposure: Exposure) -> TrafficTarget:
    if not target.tag:
        return target
    return msgspec.structs.replace(target, url=exposure.hosts(route, target.tag).url)


def _of_type(condition: Condition | None, type_: str) -> Condition | None:
    return condition if condition is not None and condition.type == type_ else None


def _ingress_condition(
    ingress: Ingress | None, rollout: Rollout, trying: Condition | None
) -> Condition:
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
    if any(target.moving for target in rollout):
        return trying or in_progress()
    return Condition(
        type="IngressReady", status=ready.status, reason=ready.reason, message=ready.message
    )
