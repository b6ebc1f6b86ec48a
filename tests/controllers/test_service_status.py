"""What a Knative Service says of its parts."""

from __future__ import annotations

from tidegate.controllers.service import plan_status
from tidegate.model.conditions import find, timestamp
from tidegate.model.meta import Condition, ObjectMeta, owner_reference
from tidegate.model.serving import (
    Configuration,
    ConfigurationStatus,
    Route,
    RouteStatus,
    Service,
)


def test_a_failed_configuration_is_the_reason_though_the_route_failed_a_second_later():
    meta = ObjectMeta(name="x", namespace="default", uid="u", generation=1)
    service = Service(metadata=meta)
    owned = ObjectMeta(
        name="x",
        namespace="default",
        generation=1,
        owner_references=(owner_reference("Service", "serving.knative.dev/v1", meta),),
    )
    failed = Condition(
        type="Ready", status="False", reason="RevisionFailed", message="no such file"
    )
    missing = Condition(
        type="Ready", status="False", reason="RevisionMissing", message="no revision"
    )
    configuration = Configuration(
        metadata=owned, status=ConfigurationStatus(observed_generation=1, conditions=(failed,))
    )
    waiting = Route(metadata=owned, status=RouteStatus(observed_generation=1))
    first = plan_status(service, configuration, waiting, now_s=100.0)
    route = Route(metadata=owned, status=RouteStatus(observed_generation=1, conditions=(missing,)))
    service = Service(metadata=meta, status=first)
    after = plan_status(service, configuration, route, now_s=101.0)
    ready, routes = (find(after.conditions, type_) for type_ in ("Ready", "RoutesReady"))
    assert ready is not None
    assert routes is not None
    assert routes.last_transition_time == timestamp(101.0)
    assert (ready.reason, ready.message) == ("RevisionFailed", "no such file")
