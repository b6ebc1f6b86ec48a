"""Conditions of sources and sinks, from what was seen. Pure.

Source: eventing-kafka-broker control-plane/pkg/apis/sources/v1/kafka_lifecycle.go,
control-plane/pkg/reconciler/base/receiver_condition_set.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegate.controllers.kafka.destinations import Address, Unresolved
from tidegate.controllers.kafka.reports import Report
from tidegate.controllers.kafka.source_plan import labels_of, source_name
from tidegate.model.apps import Deployment
from tidegate.model.conditions import derive_ready, find, is_true, merged
from tidegate.model.kafka import (
    CloudEventAttributes,
    KafkaSink,
    KafkaSinkStatus,
    KafkaSource,
    KafkaSourceStatus,
    Placement,
)
from tidegate.model.label_text import selector_text
from tidegate.model.meta import Condition, LabelSelector
from tidegate.model.pods import Pod
from tidegate.model.serving import Addressable
from tidegate.model.trouble import Stage, trouble_of

EVENT_TYPE = "dev.knative.kafka.event"
_OFF = "authentication-oidc feature disabled"


def source_status(
    source: KafkaSource,
    sink: Address | Unresolved,
    deployment: Deployment | None,
    pods: Sequence[Pod],
    reports: Mapping[str, Report],
    *,
    secrets: str | None,
    now_s: float,
) -> KafkaSourceStatus:
    """The whole status. `pods`: those that aren't going; `secrets`: what is wrong with them."""
    was = source.status or KafkaSourceStatus()
    resting = source.spec.consumers == 0
    known = tuple(reports[pod.metadata.name] for pod in pods if pod.metadata.name in reports)
    parts = (
        _sink_provided(sink),
        _deployed(deployment, pods, known, resting=resting, stopped=isinstance(sink, Unresolved)),
        _secret(secrets) or _connected(was, known, resting=resting),
        _committed(was, known, resting=resting),
        Condition(type="OIDCIdentityCreated", status="True", reason=_OFF),
    )
    kept = merged(was.conditions, parts, now_s=now_s)
    counted = deployment.status if deployment is not None else None
    return KafkaSourceStatus(
        observed_generation=source.metadata.generation,
        conditions=merged(was.conditions, (*kept, _ready(kept)), now_s=now_s),
        sink_uri=sink.uri if isinstance(sink, Address) else None,
        sink_ca_certs=sink.ca_certs if isinstance(sink, Address) else None,
        ce_attributes=tuple(
            CloudEventAttributes(type=EVENT_TYPE, source=f"{source_name(source)}#{topic}")
            for topic in dict.fromkeys(source.spec.topics)
        ),
        consumers=(counted.replicas or 0) if counted is not None else 0,
        selector=selector_text(LabelSelector(match_labels=labels_of(source))),
        placements=tuple(
            Placement(pod_name=pod.metadata.name, vreplicas=1)
            for pod in pods
            if pod.status is not None and pod.status.phase == "Running"
        ),
    )


def sink_status(
    sink: KafkaSink,
    url: str,
    deployment: Deployment | None,
    pods: Sequence[Pod],
    reports: Mapping[str, Report],
    *,
    secrets: str | None,
    taken: str | None,
    now_s: float,
) -> KafkaSinkStatus:
    """The whole status. The address is there from the start: requests wait at the gateway.
    `taken`: what has the receiver's name, so that there is no address; None: nothing."""
    was = sink.status or KafkaSinkStatus()
    known = [reports[pod.metadata.name] for pod in pods if pod.metadata.name in reports]
    parts = (
        Condition(type="Addressable", status="True")
        if taken is None
        else Condition(type="Addressable", status="False", reason="NameTaken", message=taken),
        _data_plane(_deployed(deployment, pods, known, resting=False, stopped=False)),
        _secret(secrets, "TopicReady") or _topic_ready(sink, known),
    )
    kept = merged(was.conditions, parts, now_s=now_s)
    return KafkaSinkStatus(
        observed_generation=sink.metadata.generation,
        conditions=merged(was.conditions, (*kept, _ready(kept)), now_s=now_s),
        address=Addressable(url=url) if taken is None else None,
    )


def is_settled(conditions: Sequence[Condition]) -> bool:
    """Whether what happens next will show in an object that is watched."""
    ready = find(conditions, "Ready")
    return ready is not None and ready.status == "True"


def _ready(parts: Sequence[Condition]) -> Condition:
    """What came first is the cause: without a sink no pod, without a pod no connection."""
    order = ("SinkProvided", "Addressable", "Deployed", "DataPlaneAvailable")
    for type_ in order:
        found = find(parts, type_)
        if found is not None and found.status == "False":
            return Condition(
                type="Ready", status="False", reason=found.reason, message=found.message
            )
    return derive_ready(parts)


def _sink_provided(sink: Address | Unresolved) -> Condition:
    if isinstance(sink, Address):
        return Condition(type="SinkProvided", status="True")
    said = f"{sink.message}: no event is read until it is there"
    return Condition(type="SinkProvided", status="False", reason=sink.reason, message=said)


def _secret(trouble: str | None, type_: str = "ConnectionEstablished") -> Condition | None:
    if trouble is None:
        return None
    return Condition(type=type_, status="False", reason="SecretNotUsable", message=trouble)


def _deployed(
    deployment: Deployment | None,
    pods: Sequence[Pod],
    reports: Sequence[Report],
    *,
    resting: bool,
    stopped: bool,
) -> Condition:
    """Whether an adapter is at work; what keeps it from that is mostly the connection's condition.
    While one of `reports` complains, how an earlier one ended is no news any more."""
    type_ = "Deployed"
    if stopped:
        return Condition(type=type_, status="Unknown", reason="WaitingForSink")
    if resting:
        return Condition(type=type_, status="True", reason="ScaledToZero")
    if deployment is None:
        return Condition(type=type_, status="Unknown", reason="Deploying")
    trouble = trouble_of(pods)
    answers = any(report.last_error is not None for report in reports)
    if trouble is not None and trouble.stage is not Stage.ON_ITS_WAY and not answers:
        return Condition(type=type_, status="False", reason=trouble.reason, message=trouble.message)
    if any(pod.status is not None and is_true(pod.status.conditions, "Ready") for pod in pods):
        return Condition(type=type_, status="True")
    said = f"The Deployment '{deployment.metadata.name}' is unavailable."
    return Condition(type=type_, status="Unknown", reason="DeploymentUnavailable", message=said)


def _data_plane(deployed: Condition) -> Condition:
    return Condition(
        type="DataPlaneAvailable",
        status=deployed.status,
        reason=deployed.reason,
        message=deployed.message,
    )


def _connected(was: KafkaSourceStatus, reports: Sequence[Report], *, resting: bool) -> Condition:
    """True when one is connected and none complains; at zero it stays as it was last."""
    type_ = "ConnectionEstablished"
    if resting or not reports:
        return _as_it_was(was, type_, resting=resting)
    wrong = next((r.last_error for r in reports if r.last_error is not None), None)
    if wrong is not None:
        return Condition(
            type=type_,
            status="False",
            reason=wrong.reason or "ConnectionFailed",
            message=wrong.message,
        )
    if any(report.connected for report in reports):  # the others are joining
        return Condition(type=type_, status="True")
    return Condition(
        type=type_, status="Unknown", reason="Connecting", message=reports[0].message or None
    )


def _committed(was: KafkaSourceStatus, reports: Sequence[Report], *, resting: bool) -> Condition:
    type_ = "InitialOffsetsCommitted"
    if resting or not reports:
        return _as_it_was(was, type_, resting=resting)
    if all(report.initial_offsets_committed for report in reports):
        return Condition(type=type_, status="True")
    before = find(was.conditions, type_)
    if before is not None and before.status == "True":
        return before  # once is enough: a consumer that joins later finds them
    return Condition(type=type_, status="Unknown", reason="OffsetsNotCommitted")


def _as_it_was(was: KafkaSourceStatus, type_: str, *, resting: bool) -> Condition:
    """Nobody can be asked."""
    before = find(was.conditions, type_)
    if before is not None and before.status == "True":
        return before
    return Condition(
        type=type_, status="Unknown", reason="ScaledToZero" if resting else "WaitingForAdapter"
    )


def _topic_ready(sink: KafkaSink, reports: Sequence[Report]) -> Condition:
    type_ = "TopicReady"
    if not reports:
        return Condition(type=type_, status="Unknown", reason="WaitingForAdapter")
    bad = next((r for r in reports if not r.topic_ready or r.last_error is not None), None)
    if bad is None:
        return Condition(type=type_, status="True", reason=f"Topic {sink.spec.topic} created")
    if bad.last_error is None:
        return Condition(type=type_, status="Unknown", reason="Connecting")
    return Condition(
        type=type_,
        status="False",
        reason=bad.last_error.reason or "TopicNotReady",
        message=bad.last_error.message,
    )
