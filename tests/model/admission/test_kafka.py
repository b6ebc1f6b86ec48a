"""KafkaSources and KafkaSinks: defaults, refusals by field, and what has no effect."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.admission import warnings_of
from tidegate.model.kafka import KafkaSource
from tidegate.model.kafka_settings import Delivery, delivery_of, scaling_of
from tidegate.model.kinds import BY_GVK
from tidegate.model.meta import touched
from tidegate.model.wire import read

ACK = "k8s.aliyun.com/"
NOW = "autoscaling.eventing.knative.dev/"
KEDA = {f"{NOW}class": "keda.autoscaling.knative.dev"}


def source(**spec: Any) -> dict[str, Any]:
    meta = {key: spec.pop(key) for key in ("annotations", "labels") if key in spec}
    return {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "KafkaSource",
        "metadata": {"name": "orders", "namespace": "default", "uid": "u1", **meta},
        "spec": {
            "bootstrapServers": ["a:9092"],
            "topics": ["orders"],
            "sink": {"uri": "http://web.example.com/in"},
            **spec,
        },
    }


def sink(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "eventing.knative.dev/v1alpha1",
        "kind": "KafkaSink",
        "metadata": {"name": "answers", "namespace": "default"},
        "spec": {"bootstrapServers": ["a:9092"], "topic": "answers", **spec},
    }


def test_a_source_gets_knatives_defaults_and_a_group_of_its_own(admit):
    spec = admit(source()).spec
    assert spec.consumer_group == "knative-kafka-source-u1"
    assert (spec.consumers, spec.initial_offset, spec.ordering) == (1, "latest", "ordered")


def test_an_update_that_leaves_the_group_out_keeps_it(admit, refusal):
    stored = admit(source(consumerGroup="g"))
    again = admit(replace(stored, spec=replace(stored.spec, consumer_group=None)), stored)
    assert again.spec.consumer_group == "g"
    other = replace(stored, spec=replace(stored.spec, consumer_group="h"))
    assert refusal(other, stored) == ['spec.consumerGroup: Invalid value: "h": field is immutable']


REF = {"apiVersion": "v1", "kind": "Service", "name": "web"}


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        (source(bootstrapServers=[]), "spec.bootstrapServers: Required value"),
        (source(bootstrapServers=["http://a:9092"]), "spec.bootstrapServers[0]: Invalid"),
        (source(bootstrapServers=["a"]), "spec.bootstrapServers[0]: Invalid"),
        (source(topics=[]), "spec.topics: Required value"),
        (source(topics=["a b"]), "spec.topics[0]: Invalid"),
        (source(sink=None), "spec.sink: Required value"),
        (source(sink={}), "spec.sink: Required value"),
        (source(sink={"uri": "/in"}), "spec.sink.uri: Invalid"),
        (source(sink={"ref": REF, "uri": "/in?query=play music"}), "spec.sink.uri: Invalid"),
        (source(sink={"uri": "http://web/müller"}), "spec.sink.uri: Invalid"),
        (source(sink={"uri": "ftp://web/in"}), "spec.sink.uri: Invalid"),
        (source(sink={"uri": "http://web:99999/"}), "spec.sink.uri: Invalid"),
        (source(sink={"uri": "http://me:secret@web/"}), "spec.sink.uri: Invalid"),
        (source(sink={"ref": REF, "uri": "http://web/in"}), "spec.sink.uri: Invalid"),
        (source(sink={"ref": {"kind": "Service"}}), "spec.sink.ref.name: Required"),
        (source(sink={"ref": {**REF, "address": "x"}}), "spec.sink.ref.address: Forbidden"),
        (source(initialOffset="middle"), "spec.initialOffset: Unsupported"),
        (source(ordering="random"), "spec.ordering: Unsupported"),
        (source(consumers=-1), "spec.consumers: Invalid"),
        (source(delivery={"retry": -1}), "spec.delivery.retry: Invalid"),
        (source(delivery={"timeout": "PT0S"}), "spec.delivery.timeout: Invalid"),
        (source(delivery={"backoffDelay": "2s"}), "spec.delivery.backoffDelay: Invalid"),
        (source(delivery={"backoffPolicy": "constant"}), "spec.delivery.backoffPolicy"),
        (source(delivery={"deadLetterSink": {}}), "spec.delivery.deadLetterSink: Required"),
        (source(net={"sasl": {"enable": True}}), "spec.net.sasl.user.secretKeyRef: Required"),
        (
            source(
                net={"tls": {"enable": True, "cert": {"secretKeyRef": {"name": "a", "key": "b"}}}}
            ),
            "spec.net.tls.key.secretKeyRef: Required",
        ),
        (source(ceOverrides={"extensions": {"My-Ext": "1"}}), "spec.ceOverrides.extensions"),
        (
            source(labels={"kafkasources.sources.knative.dev/key-type": "uuid"}),
            "metadata.labels[kafkasources.sources.knative.dev/key-type]: Unsupported",
        ),
        (
            source(annotations={f"{ACK}req-timeout": "soon"}),
            f"metadata.annotations[{ACK}req-timeout]",
        ),
        (
            source(annotations={f"{ACK}retry-count": "-1"}),
            f"metadata.annotations[{ACK}retry-count]",
        ),
        (source(annotations={f"{ACK}domain": "a b"}), f"metadata.annotations[{ACK}domain]"),
        (source(annotations={"tidegate.dev/reply": "No Name"}), "metadata.annotations[tidegate"),
        (source(annotations={"tidegate.dev/reply": "http://"}), "metadata.annotations[tidegate"),
        (source(annotations={"tidegate.dev/reply": "http://a/b c"}), "metadata.annotations[tid"),
        (source(annotations={f"{NOW}class": "hpa"}), f"metadata.annotations[{NOW}class]"),
        (
            source(annotations={**KEDA, f"{NOW}min-scale": "5", f"{NOW}max-scale": "2"}),
            f"metadata.annotations[{NOW}min-scale]",
        ),
        (sink(topic=""), "spec.topic: Required"),
        (sink(bootstrapServers=[]), "spec.bootstrapServers: Required"),
        (sink(contentMode="text"), "spec.contentMode: Unsupported"),
        (sink(numPartitions=0), "spec.numPartitions: Invalid"),
        (sink(auth={"secret": {}}), "spec.auth.secret.ref.name: Required"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(refusal, document, wrong):
    first, *_ = refusal(document)
    assert first.startswith(wrong)


def test_everything_that_is_wrong_is_said_at_once(refusal):
    assert len(refusal(source(topics=[], bootstrapServers=[], sink=None))) == 3


def test_a_sinks_topic_stays_the_same(admit, refusal):
    stored = admit(sink())
    assert stored.spec.content_mode == "binary"
    other = replace(stored, spec=replace(stored.spec, topic="other"))
    assert refusal(other, stored) == ['spec.topic: Invalid value: "other": field is immutable']


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, Delivery()),
        (
            {"annotations": {f"{ACK}retry-count": "5", f"{ACK}retry-interval": "2"}},
            Delivery(retries=5, policy="constant", delay_s=2.0),
        ),
        (
            {"delivery": {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT2S"}},
            Delivery(retries=3, policy="linear", delay_s=2.0),
        ),
        (
            {
                "annotations": {f"{ACK}retry-count": "5", f"{ACK}req-timeout": "60"},
                "delivery": {"retry": 1, "retryAfterMax": "PT30S"},
            },
            Delivery(retries=1, timeout_s=60.0, retry_after_max_s=30.0),
        ),
    ],
    ids=["the default", "ACK's annotations", "delivery", "delivery goes before"],
)
def test_delivery_is_read_from_the_spec_then_from_acks_annotations(admit, said, meant):
    assert delivery_of(admit(source(**said))) == meant


def test_older_names_of_kedas_annotations_count_where_todays_are_not_there():
    older = {
        "autoscaling.knative.dev/class": "keda.autoscaling.knative.dev",
        "autoscaling.knative.dev/minScale": "2",
        "keda.autoscaling.knative.dev/kafkaLagThreshold": "7",
        f"{NOW}max-scale": "9",
    }
    scaling = scaling_of(older)
    assert scaling is not None
    assert (scaling.low, scaling.high, scaling.lag) == (2, 9, 7)
    assert scaling_of({f"{NOW}class": "disabled"}) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"annotations": {f"{ACK}eci-use-specs": "x"}}, "no such annotation of a KafkaSource"),
        ({"annotations": {f"{NOW}min-scale": "2"}}, "has no effect without"),
        (
            {"annotations": {f"{ACK}retry-count": "5"}, "delivery": {"retry": 1}},
            "spec.delivery.retry goes before it",
        ),
        (
            {
                "annotations": {
                    **KEDA,
                    f"{NOW}min-scale": "1",
                    "autoscaling.knative.dev/minScale": "2",
                }
            },
            f"{NOW}min-scale goes before it",
        ),
    ],
)
def test_an_annotation_without_an_effect_is_named(admit, more, said):
    (warning,) = warnings_of(admit(source(**more)))
    assert said in warning


def test_both_spellings_of_v1alpha1_are_one_source_and_each_is_read_as_it_was_written():
    kind = BY_GVK["sources.knative.dev/v1alpha1", "KafkaSource"]
    text = {"bootstrapServers": "a:9092, b:9092", "topics": "x,y", "consumerGroup": "g"}
    lists = {"bootstrapServers": ["a:9092", "b:9092"], "topics": ["x", "y"], "consumerGroup": "g"}
    stored = []
    for spec in (text, lists):
        document, reading = read({"metadata": {"name": "orders"}, "spec": spec}, kind.wire_type)
        assert reading.unknown == ()
        source = kind.lifted(document)
        assert isinstance(source, KafkaSource)
        assert kind.lifted(kind.lowered(source)) == source
        stored.append(source)
    assert stored[0].spec == stored[1].spec
    written = [kind.lowered(source).spec for source in stored]  # type: ignore[attr-defined]
    assert [w.topics for w in written] == ["x,y", ("x", "y")]
    assert touched(kind.lowered(stored[0]).metadata).annotations == {}


def test_the_oldest_sink_is_a_reference():
    kind = BY_GVK["sources.knative.dev/v1alpha1", "KafkaSource"]
    raw = {"spec": {"sink": {"apiVersion": "v1", "kind": "Service", "name": "web"}}}
    lifted = kind.lifted(read(raw, kind.wire_type)[0])
    assert isinstance(lifted, KafkaSource)
    assert lifted.spec.sink is not None
    assert lifted.spec.sink.ref is not None
    assert lifted.spec.sink.ref.name == "web"
