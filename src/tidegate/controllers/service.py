"""Knative Service: one Configuration and one Route of the same name, and a status that sums them up.

Source: knative/serving pkg/reconciler/service (conditions and reasons as in the reference sheet 11.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.conditions import derive_ready, find, merged
from tidegate.model.meta import Condition, Key, Object, ObjectMeta, controller_of, owner_reference
from tidegate.model.serving import (
    Configuration,
    ConfigurationSpec,
    Revision,
    Route,
    RouteSpec,
    Service,
    ServiceStatus,
    ServingStatus,
    TrafficTarget,
)
from tidegate.policy.revision_names import is_taken
from tidegate.reconcile import Controller, Done, Next, Watch, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status

_NOT_COPIED = {names.LAST_APPLIED}


class ServiceController(Controller):
    """Makes the Configuration and the Route of a Service match it."""

    name = "service"
    watches: Sequence[Watch] = (
        watch_self(Service),
        watch_owned(Configuration, "Service"),
        watch_owned(Route, "Service"),
    )

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock

    async def reconcile(self, key: Key) -> Next:
        service = self._api.get(Service, *key)
        if service is None or service.metadata.deletion_timestamp:
            return Done()  # what it owns goes with it
        configuration = self._api.get(Configuration, *key)
        if configuration is None or _owned(configuration, service):
            configuration = await ensure(self._api, desired_configuration(service), _carry_config)
        route = self._api.get(Route, *key)
        taken = self._taken_name(configuration)
        # A name of the user's own choice may belong to an older revision still: traffic waits.
        waits = taken or (_chosen_name(configuration) and not _caught_up(configuration))
        if route is None or (_owned(route, service) and not waits):
            route = await ensure(self._api, desired_route(service), _carry_route)
        now_s = self._clock.now()
        status = plan_status(service, configuration, route, taken, now_s=now_s)
        await write_status(self._api, service, status)
        return Done()

    def _taken_name(self, configuration: Configuration) -> str | None:
        """The revision name that the template chooses, if another revision has it."""
        name = _chosen_name(configuration)
        if not name:
            return None
        found = self._api.get(Revision, configuration.key.namespace, name)
        return name if is_taken(configuration, found) else None


def _chosen_name(configuration: Configuration) -> str:
    """The name that the template gives its revision; empty: it gets one."""
    meta = configuration.spec.template.metadata
    return meta.name if meta is not None else ""


def _caught_up(configuration: Configuration) -> bool:
    status = configuration.status
    return status is not None and status.observed_generation == configuration.metadata.generation


def _owned(obj: Object, by: Service) -> bool:
    ref = controller_of(obj.metadata)
    return ref is not None and ref.uid == by.metadata.uid


def _child_meta(service: Service, *, leave_out: frozenset[str] = frozenset()) -> ObjectMeta:
    meta = service.metadata
    return ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        labels={**meta.labels, names.SERVICE: meta.name},
        annotations={k: v for k, v in meta.annotations.items() if k not in _NOT_COPIED | leave_out},
        owner_references=(owner_reference("Service", f"{names.GROUP}/v1", meta),),
    )


def desired_configuration(service: Service) -> Configuration:
    """The Configuration that this Service wants."""
    meta = _child_meta(service, leave_out=frozenset({names.ROLLOUT_DURATION}))
    meta = msgspec.structs.replace(
        meta, labels={**meta.labels, names.SERVICE_UID: service.metadata.uid or ""}
    )
    return Configuration(metadata=meta, spec=ConfigurationSpec(template=service.spec.template))


def desired_route(service: Service) -> Route:
    """The Route that this Service wants: targets without a revision float on its Configuration."""
    targets = tuple(
        target
        if target.revision_name
        else msgspec.structs.replace(target, configuration_name=service.metadata.name)
        for target in service.spec.traffic
    )
    return Route(metadata=_child_meta(service), spec=RouteSpec(traffic=targets))


def _carry_config(existing: Configuration, desired: Configuration) -> Configuration:
    return msgspec.structs.replace(
        existing, metadata=_carry_meta(existing, desired), spec=desired.spec
    )


def _carry_route(existing: Route, desired: Route) -> Route:
    return msgspec.structs.replace(
        existing, metadata=_carry_meta(existing, desired), spec=desired.spec
    )


def _carry_meta(existing: Object, desired: Object) -> ObjectMeta:
    return msgspec.structs.replace(
        existing.metadata,
        labels=desired.metadata.labels,
        annotations=desired.metadata.annotations,
        owner_references=desired.metadata.owner_references,
    )


def plan_status(
    service: Service,
    configuration: Configuration,
    route: Route,
    taken: str | None = None,
    *,
    now_s: float,
) -> ServiceStatus:
    """The whole status from what was seen. `taken`: the chosen revision name that isn't free."""
    was = service.status or ServiceStatus()
    config_condition = _mirror("ConfigurationsReady", service, configuration, configuration.status)
    route_condition = _mirror("RoutesReady", service, route, route.status)
    seen = configuration.status
    routed = route.status
    if taken is not None:
        message = (
            f'The revision name "{taken}" is taken by a conflicting Revision, '
            "so traffic will not be migrated"
        )
        route_condition = Condition(
            type="RoutesReady", status="False", reason="RevisionNameTaken", message=message
        )
    if route_condition.status == "True" and not _migrated(service, configuration, route):
        route_condition = Condition(
            type="RoutesReady",
            status="Unknown",
            reason="TrafficNotMigrated",
            message="Traffic is not yet migrated to the latest revision.",
        )
    parts = merged(was.conditions, (config_condition, route_condition), now_s=now_s)
    # A Configuration that failed is why its Route is not ready, whichever was noticed later: Knative's
    # rule (the later transition) would hide the reason whenever a second begins in between.
    cause = _cause(parts)
    ready = derive_ready(parts if cause is None else (cause,))
    conditions = merged(was.conditions, (*parts, ready), now_s=now_s)
    return ServiceStatus(
        observed_generation=service.metadata.generation,
        conditions=conditions,
        latest_created_revision_name=seen.latest_created_revision_name if seen else None,
        latest_ready_revision_name=seen.latest_ready_revision_name if seen else None,
        url=routed.url if routed else None,
        address=routed.address if routed else None,
        traffic=routed.traffic if routed else (),
    )


def _cause(parts: Sequence[Condition]) -> Condition | None:
    """The Configuration's condition, when that is what failed."""
    found = find(parts, "ConfigurationsReady")
    return found if found is not None and found.status == "False" else None


def _mirror(
    type_: str, service: Service, child: Configuration | Route, status: ServingStatus | None
) -> Condition:
    kind = type(child).__name__
    if not _owned(child, service):
        message = f'There is an existing {kind} "{child.metadata.name}" that we do not own.'
        return Condition(type=type_, status="False", reason="NotOwned", message=message)
    if status is None or status.observed_generation != child.metadata.generation:
        message = f"The {kind} is still working to reflect the latest desired specification."
        return Condition(type=type_, status="Unknown", reason="OutOfDate", message=message)
    ready = find(status.conditions, "Ready")
    if ready is None:
        return Condition(type=type_, status="Unknown")
    return Condition(type=type_, status=ready.status, reason=ready.reason, message=ready.message)


def _migrated(service: Service, configuration: Configuration, route: Route) -> bool:
    latest = configuration.status.latest_ready_revision_name if configuration.status else None
    wanted = [_resolved(target, latest) for target in service.spec.traffic]
    serving = [_resolved(target, latest) for target in route.status.traffic] if route.status else []
    return sorted(wanted) == sorted(serving)


def _resolved(target: TrafficTarget, latest: str | None) -> tuple[str, int, str]:
    return (target.revision_name or latest or "", target.percent or 0, target.tag or "")
