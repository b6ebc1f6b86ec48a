"""Knative (Serverless) mode: a component is a Knative Service. Pure.

Source: kserve pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from tidegate.controllers.kserve.agent import is_agent
from tidegate.controllers.kserve.pods import ComponentPods
from tidegate.controllers.kserve.standard import child_meta
from tidegate.model import kserve_names as names
from tidegate.model import serving_names
from tidegate.model.domains import DomainMapping, DomainMappingSpec, KReference
from tidegate.model.kserve import Component, ComponentStatus, InferenceService
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import PodSpec
from tidegate.model.serving import (
    RevisionSpec,
    RevisionTemplateSpec,
    Service,
    ServiceSpec,
    TrafficTarget,
)
from tidegate.policy.kpa import unusable_initial_scale

_SCALING = serving_names.AUTOSCALING
_KPA = "kpa.autoscaling.knative.dev"
_HPA = "hpa.autoscaling.knative.dev"


@dataclass(frozen=True, slots=True)
class Latest:
    """Names of a Service's revisions; None: there is none yet."""

    created: str | None
    ready: str | None


def desired_ksvc(
    isvc: InferenceService,
    component: Component,
    pods: ComponentPods,
    was: ComponentStatus,
    *,
    allow_zero: bool = False,
) -> Service:
    """`was`: the component's last status, which knows the revision that was rolled out last.
    `allow_zero`: config-autoscaler's allow-zero-initial-scale."""
    fields = {name: getattr(pods.spec, name) for name in PodSpec.__struct_fields__}
    has_agent = component.logger is not None or component.batcher is not None
    agents = [c for c in pods.spec.containers if has_agent and is_agent(c)]
    fields["containers"] = tuple(c for c in pods.spec.containers if c not in agents)
    timeout_s = component.timeout
    spec = RevisionSpec(
        **fields,
        container_concurrency=component.container_concurrency,
        timeout_seconds=timeout_s,
        response_start_timeout_seconds=timeout_s,
    )
    labels = {k: v for k, v in pods.labels.items() if k != serving_names.VISIBILITY}
    annotations = scaling_annotations(component, pods, allow_zero=allow_zero)
    for agent in agents:  # a revision's document has one container with a port: the model
        annotations[serving_names.IN_FRONT] = msgspec.json.encode(agent).decode()
    template = RevisionTemplateSpec(
        metadata=ObjectMeta(labels=labels, annotations=annotations),
        spec=spec,
    )
    name = names.child(isvc.metadata.name, pods.name)
    meta = child_meta(isvc, name, labels, _of_service(isvc))
    if isvc.metadata.labels.get(names.VISIBILITY) == "cluster-local":
        meta = replace(meta, labels={**meta.labels, serving_names.VISIBILITY: "cluster-local"})
    return Service(
        metadata=meta, spec=ServiceSpec(template=template, traffic=traffic(component, isvc, was))
    )


def desired_mapping(isvc: InferenceService, host: str, component: str) -> DomainMapping:
    """The InferenceService's own host, which leads to the component that clients reach first."""
    return DomainMapping(
        metadata=child_meta(isvc, host, isvc.metadata.labels),
        spec=DomainMappingSpec(
            ref=KReference(
                api_version=f"{serving_names.GROUP}/v1",
                kind="Service",
                name=names.child(isvc.metadata.name, component),
                namespace=isvc.metadata.namespace,
            )
        ),
    )


def carry_mapping(existing: DomainMapping, desired: DomainMapping) -> DomainMapping:
    return replace(existing, spec=replace(existing.spec, ref=desired.spec.ref))


def carry_ksvc(existing: Service, desired: Service) -> Service:
    """The existing one with what is wanted.

    enableServiceLinks is filled in at creation only; leaving it out later would be another revision.
    """
    meta = replace(
        existing.metadata,
        labels={**existing.metadata.labels, **desired.metadata.labels},
        annotations={**existing.metadata.annotations, **desired.metadata.annotations},
    )
    template, links = desired.spec.template, existing.spec.template.spec.enable_service_links
    if template.spec.enable_service_links is None:
        template = replace(template, spec=replace(template.spec, enable_service_links=links))
    return replace(existing, metadata=meta, spec=replace(desired.spec, template=template))


def _of_service(isvc: InferenceService) -> dict[str, str]:
    key = serving_names.ROLLOUT_DURATION
    known = isvc.metadata.annotations
    return {key: known[key]} if key in known else {}


def scaling_annotations(
    component: Component, pods: ComponentPods, *, allow_zero: bool = False
) -> dict[str, str]:
    """The template's annotations: what the spec's scaling fields mean to Knative. An initial scale that
    Knative would refuse is left out, as KServe does (admission has warned of it)."""
    found = {k: v for k, v in pods.annotations.items() if k != serving_names.ROLLOUT_DURATION}
    refused = unusable_initial_scale(found, allow_zero=allow_zero)
    if refused is not None:
        del found[refused]
    by_cpu = component.scale_metric in ("cpu", "memory")
    found.setdefault(f"{_SCALING}class", _HPA if by_cpu else _KPA)
    low = 1 if component.min_replicas is None else component.min_replicas
    found[f"{_SCALING}min-scale"] = str(low)
    if component.max_replicas:
        found[f"{_SCALING}max-scale"] = str(component.max_replicas)
    if component.scale_target is not None:
        found[f"{_SCALING}target"] = str(component.scale_target)
    if component.scale_metric is not None:
        found[f"{_SCALING}metric"] = component.scale_metric
    return found


def traffic(
    component: Component, isvc: InferenceService, was: ComponentStatus
) -> tuple[TrafficTarget, ...]:
    """All to the latest; with `canaryTrafficPercent` the rest to the revision that had it all last.

    Before any revision was rolled out there is nothing to split.
    """
    tagged = isvc.metadata.annotations.get(names.TAG_ROUTING) == "true"
    percent = component.canary_traffic_percent
    stable = was.latest_rolledout_revision
    if percent is None or stable is None:
        tag = "latest" if tagged and percent is not None else None
        return (TrafficTarget(latest_revision=True, percent=100, tag=tag),)
    canary = TrafficTarget(latest_revision=True, percent=percent, tag="latest" if tagged else None)
    if percent == 100:
        return (canary,)
    rest = TrafficTarget(
        revision_name=stable, latest_revision=False, percent=100 - percent, tag="prev"
    )
    return (canary, rest)


def rolled_out(
    was: ComponentStatus, now: Sequence[TrafficTarget], latest: Latest
) -> ComponentStatus:
    """The status with the revisions that had all the traffic, the last and the one before.

    A revision that was rolled out and is then given less than all is rolled back: the one before
    takes its place (KServe's rule, also for a split over one and the same revision).
    """
    status = replace(
        was, latest_created_revision=latest.created, latest_ready_revision=latest.ready
    )
    shares: dict[str, int] = {}
    for target in now:
        name = target.revision_name or ""
        shares[name] = shares.get(name, 0) + (target.percent or 0)
    for target in now:
        if not target.latest_revision or target.revision_name != latest.ready:
            continue
        if was.latest_rolledout_revision != latest.ready:
            if target.percent == 100:
                status = replace(
                    status,
                    previous_rolledout_revision=was.latest_rolledout_revision,
                    latest_rolledout_revision=latest.ready,
                )
        elif (
            latest.ready == latest.created
            and (target.percent or 0) < 100
            and shares[latest.ready or ""] == 100
            and was.previous_rolledout_revision
        ):
            status = replace(status, latest_rolledout_revision=was.previous_rolledout_revision)
    return status
