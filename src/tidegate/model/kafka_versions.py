"""KafkaSource v1alpha1: before April 2020 its lists were text with commas, and its sink a plain reference.

Both spellings are read. Which one was used is kept in an annotation, so that what is read again is
what was written.

Source: knative eventing-contrib kafka/source/pkg/apis/sources/v1alpha1 (releases 0.12 to 0.22).
"""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.model.domains import KReference
from tidegate.model.eventing import DeliverySpec, Destination
from tidegate.model.kafka import (
    CloudEventOverrides,
    KafkaNet,
    KafkaSource,
    KafkaSourceSpec,
    KafkaSourceStatus,
)
from tidegate.model.meta import Object, ObjectMeta, touched
from tidegate.model.wire import ClusterOnly, NotHonoured, Wire

#: Names of the fields that were written as text, with commas.
AS_TEXT = "tidegate.dev/v1alpha1-text"

Names = str | tuple[str, ...]


class V1alpha1Sink(Wire, frozen=True, kw_only=True):
    """`api_version`, `kind`, `name` beside `uri`: the oldest form of `ref`."""

    ref: KReference | None = None
    uri: str | None = None
    ca_certs: str | None = msgspec.field(default=None, name="CACerts")
    audience: NotHonoured = None
    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None


class V1alpha1Spec(Wire, frozen=True, kw_only=True):
    """What no later version has (`resources`, `service_account_name`) is not kept."""

    bootstrap_servers: Names = ()
    topics: Names = ()
    consumer_group: str | None = None
    consumers: int | None = None
    initial_offset: str | None = None
    ordering: str | None = None
    delivery: DeliverySpec | None = None
    net: KafkaNet | None = None
    sink: V1alpha1Sink | None = None
    ce_overrides: CloudEventOverrides | None = None
    resources: NotHonoured = None
    service_account_name: ClusterOnly = None


class V1alpha1KafkaSource(Object, frozen=True, kw_only=True):
    spec: V1alpha1Spec = V1alpha1Spec()
    status: KafkaSourceStatus | None = None


#: The fields that are the same in both versions.
_SAME = (
    "consumer_group",
    "consumers",
    "initial_offset",
    "ordering",
    "delivery",
    "net",
    "ce_overrides",
)


def v1alpha1_up(document: V1alpha1KafkaSource) -> KafkaSource:
    spec = document.spec
    written = {"bootstrapServers": spec.bootstrap_servers, "topics": spec.topics}
    as_text = ",".join(name for name, value in written.items() if isinstance(value, str))
    return KafkaSource(
        metadata=_noted(document.metadata, as_text),
        spec=KafkaSourceSpec(
            bootstrap_servers=_listed(spec.bootstrap_servers),
            topics=_listed(spec.topics),
            sink=None if spec.sink is None else _destination(spec.sink),
            **_same(spec),
        ),
        status=document.status,
    )


def v1alpha1_down(source: KafkaSource) -> V1alpha1KafkaSource:
    spec = source.spec
    as_text = source.metadata.annotations.get(AS_TEXT, "").split(",")
    return V1alpha1KafkaSource(
        metadata=_noted(source.metadata, ""),
        spec=V1alpha1Spec(
            bootstrap_servers=_written(spec.bootstrap_servers, text="bootstrapServers" in as_text),
            topics=_written(spec.topics, text="topics" in as_text),
            sink=None if spec.sink is None else _v1alpha1_sink(spec.sink),
            **_same(spec),
        ),
        status=source.status,
    )


def _same(spec: V1alpha1Spec | KafkaSourceSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in _SAME}


def _listed(value: Names) -> tuple[str, ...]:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _written(values: tuple[str, ...], *, text: bool) -> Names:
    return ",".join(values) if text and values else values


def _destination(sink: V1alpha1Sink) -> Destination:
    ref = sink.ref
    if ref is None and (sink.api_version or sink.kind or sink.name):
        ref = KReference(
            api_version=sink.api_version,
            kind=sink.kind,
            name=sink.name,
            namespace=sink.namespace,
        )
    return Destination(ref=ref, uri=sink.uri, ca_certs=sink.ca_certs, audience=sink.audience)


def _v1alpha1_sink(sink: Destination) -> V1alpha1Sink:
    return V1alpha1Sink(ref=sink.ref, uri=sink.uri, ca_certs=sink.ca_certs, audience=sink.audience)


def _noted(meta: ObjectMeta, as_text: str) -> ObjectMeta:
    others = {k: v for k, v in meta.annotations.items() if k != AS_TEXT}
    return touched(meta, annotations={**others, AS_TEXT: as_text} if as_text else others)
