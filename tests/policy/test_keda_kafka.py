"""KEDA's kafka triggers: what is read out of their texts, and what is refused."""

from __future__ import annotations

import pytest

from tidegate.model.keda import KedaAuthenticationRef, KedaTrigger
from tidegate.policy.keda import BadTrigger, metric_name, read_trigger

GOOD = {"bootstrapServers": "a:9092, b:9092", "consumerGroup": "g", "topic": "orders"}


def trigger(type_: str = "kafka", **metadata: str) -> KedaTrigger:
    return KedaTrigger(type=type_, metadata={**GOOD, **metadata})


def test_a_trigger_is_read_with_kedas_defaults():
    read = read_trigger(trigger())
    assert (read.servers, read.group, read.topics) == (("a:9092", "b:9092"), "g", ("orders",))
    assert (read.rule.threshold, read.rule.activation, read.kind) == (10, 0, "AverageValue")
    assert not read.rule.earliest
    assert read.partitions is None


def test_partitions_may_be_picked_one_by_one_and_in_ranges():
    assert read_trigger(trigger(partitionLimitation="1,4-6")).partitions == {1, 4, 5, 6}


def test_only_apache_kafka_takes_several_topics():
    assert read_trigger(trigger("apache-kafka", topic="a,b")).topics == ("a", "b")
    with pytest.raises(BadTrigger, match=r"metadata.topic: .*apache-kafka"):
        read_trigger(trigger(topic="a,b"))


def test_the_metric_has_the_name_that_keda_gives_it():
    assert metric_name(0, trigger(topic="ai.info")) == "s0-kafka-ai-info"
    no_topic = KedaTrigger(type="kafka", metadata={**GOOD, "topic": ""})
    assert metric_name(1, no_topic) == "s1-kafka-g-topics"


def test_credentials_are_referred_to_in_the_namespace():
    ref = KedaAuthenticationRef(name="kafka")
    assert read_trigger(KedaTrigger(type="kafka", metadata=GOOD, authentication_ref=ref))
    elsewhere = KedaAuthenticationRef(name="kafka", kind="ClusterTriggerAuthentication")
    with pytest.raises(BadTrigger, match=r"authenticationRef.kind"):
        read_trigger(KedaTrigger(type="kafka", metadata=GOOD, authentication_ref=elsewhere))


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"lagThreshold": "0"}, "metadata.lagThreshold"),
        ({"lagThreshold": "many"}, "metadata.lagThreshold"),
        ({"activationLagThreshold": "-1"}, "metadata.activationLagThreshold"),
        ({"offsetResetPolicy": "middle"}, "metadata.offsetResetPolicy"),
        ({"allowIdleConsumers": "yes"}, "metadata.allowIdleConsumers"),
        (
            {"allowIdleConsumers": "true", "limitToPartitionsWithLag": "true"},
            "metadata.limitToPartitionsWithLag",
        ),
        ({"limitToPartitionsWithLag": "true", "topic": ""}, "metadata.limitToPartitionsWithLag"),
        (
            {"limitToPartitionsWithLag": "true", "ensureEvenDistributionOfPartitions": "true"},
            "metadata.limitToPartitionsWithLag",
        ),
        (
            {"ensureEvenDistributionOfPartitions": "true", "topic": ""},
            "metadata.ensureEvenDistributionOfPartitions",
        ),
        ({"partitionLimitation": "1-x"}, "metadata.partitionLimitation"),
        ({"sasl": "oauthbearer"}, "metadata.sasl"),
        ({"tls": "on"}, "metadata.tls"),
        ({"topicFromEnv": "TOPIC"}, "metadata.topicFromEnv"),
        ({"lagTreshold": "5"}, "metadata.lagTreshold"),
        ({"bootstrapServers": ""}, "metadata.bootstrapServers"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_field(metadata, path):
    with pytest.raises(BadTrigger) as refused:
        read_trigger(trigger(**metadata))
    assert refused.value.field == path
