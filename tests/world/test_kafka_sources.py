"""KafkaSources and KafkaSinks on the whole control plane; adapters say what the test lets them say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.controllers.kafka import Report
from tidegate.controllers.kafka.reports import ReportedError
from tidegate.model.apps import Deployment
from tidegate.model.conditions import find
from tidegate.model.core import Secret, Service
from tidegate.model.kafka import KafkaSink, KafkaSource
from tidegate.model.keda import ScaledObject, TriggerAuthentication
from tidegate.model.meta import Condition, touched
from tidegate.model.pods import ContainerState, ContainerStateTerminated, Pod
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

WELL = Report(state="consuming", connected=True, initial_offsets_committed=True, topic_ready=True)


class Adapters:
    """What every adapter answers. None: it doesn't."""

    def __init__(self) -> None:
        self.say: Report | None = WELL

    async def of(self, pods: Iterable[Pod]) -> dict[str, Report]:
        return {pod.metadata.name: self.say for pod in pods if self.say is not None}


@asynccontextmanager
async def with_kafka() -> AsyncIterator[tuple[World, Adapters]]:
    adapters = Adapters()
    async with world(dialled="127.0.0.1:8080", reports=adapters) as it:
        yield it, adapters


def source(name: str = "orders", **more: Any) -> KafkaSource:
    annotations, labels = more.pop("annotations", {}), more.pop("labels", {})
    raw = {
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": annotations,
            "labels": labels,
        },
        "spec": {
            "bootstrapServers": ["127.0.0.1:9092"],
            "topics": ["orders"],
            "sink": {"ref": {"apiVersion": "v1", "kind": "Service", "name": "web"}},
            **more,
        },
    }
    return read(raw, KafkaSource)[0]


def sink(name: str = "answers", **more: Any) -> KafkaSink:
    raw = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"bootstrapServers": ["127.0.0.1:9092"], "topic": "answers", **more},
    }
    return read(raw, KafkaSink)[0]


def web(name: str = "web", port: int = 80) -> Service:
    raw = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }
    return read(raw, Service)[0]


def secret(**values: str) -> Secret:
    raw = {"metadata": {"name": "kafka", "namespace": "default"}, "stringData": values}
    return read(raw, Secret)[0]


def adapter(it: World, name: str = "orders") -> Deployment:
    found = [d for d in it.api.list(Deployment) if d.metadata.owner_references[0].name == name]
    assert len(found) == 1
    return found[0]


def config(deployment: Deployment) -> dict[str, Any]:
    env = {e.name: e.value for e in deployment.spec.template.spec.containers[0].env}
    loaded: dict[str, Any] = json.loads((env["K_SOURCE"] or "").replace("$$", "$"))
    return loaded


def condition(it: World, type_: str, name: str = "orders") -> Condition:
    status = it.the(KafkaSource, name).status
    assert status is not None
    found = find(status.conditions, type_)
    assert found is not None
    return found


async def test_a_source_gets_as_many_adapters_as_it_wants_consumers():
    async with with_kafka() as (it, _):
        await it.given(web(), source(consumers=2))
        made = adapter(it)
        assert made.metadata.name.startswith("kafkasource-orders-")
        assert made.spec.replicas == 2
        status = it.the(KafkaSource, "orders").status
        assert status is not None
        assert (status.consumers, len(status.placements)) == (2, 2)
        assert status.sink_uri == "http://web.default.svc.cluster.local"
        assert {c.type: c.status for c in status.conditions} == {
            "ConnectionEstablished": "True",
            "Deployed": "True",
            "InitialOffsetsCommitted": "True",
            "OIDCIdentityCreated": "True",
            "Ready": "True",
            "SinkProvided": "True",
        }


async def test_a_service_is_dialled_at_the_gateway_under_its_own_name():
    async with with_kafka() as (it, _):
        ref = {"apiVersion": "v1", "kind": "Service", "name": "web"}
        await it.given(web(), source(sink={"ref": ref, "uri": "/predict?query=music"}))
        assert config(adapter(it))["sink"] == {
            "url": "http://127.0.0.1:8080/predict?query=music",
            "host": "web.default.svc.cluster.local",
            "uri": "http://web.default.svc.cluster.local/predict?query=music",
            "caCerts": None,
        }


async def test_without_its_sink_a_source_reads_nothing_and_says_so_until_it_comes():
    async with with_kafka() as (it, _):
        await it.given(source())
        missing = condition(it, "SinkProvided")
        assert (missing.status, missing.reason) == ("False", "NotFound")
        assert 'services "web" not found' in (missing.message or "")
        assert condition(it, "Ready").reason == "NotFound"
        assert it.names(Deployment) == []
        await it.given(web())
        assert condition(it, "Ready").status == "True"


async def test_when_the_sink_goes_the_adapters_stop_so_that_no_event_is_dropped():
    async with with_kafka() as (it, _):
        await it.given(web(), source())
        await it.api.delete(Service, "default", "web")
        await it.settle()
        assert adapter(it).spec.replicas == 0
        assert condition(it, "Ready").status == "False"
        await it.given(web())
        assert adapter(it).spec.replicas == 1
        assert condition(it, "Ready").status == "True"


async def test_what_an_adapter_complains_of_is_the_sources_condition_until_it_is_over():
    async with with_kafka() as (it, adapters):
        adapters.say = Report(
            state="connecting", last_error=ReportedError("BrokerUnreachable", "no one at b:9092")
        )
        await it.given(web(), source())
        said = condition(it, "ConnectionEstablished")
        assert (said.status, said.reason, said.message) == (
            "False",
            "BrokerUnreachable",
            "no one at b:9092",
        )
        assert condition(it, "Ready").message == "no one at b:9092"
        adapters.say = WELL
        await it.settle()
        assert condition(it, "Ready").status == "True"


async def test_what_an_adapter_complains_of_now_counts_more_than_how_the_one_before_it_ended():
    async with with_kafka() as (it, adapters):
        adapters.say = Report(
            state="connecting", last_error=ReportedError("TopicNotFound", "no topic orders")
        )
        await it.given(web(), source())
        pod = it.api.list(Pod)[0]
        assert pod.status is not None
        ended = ContainerState(terminated=ContainerStateTerminated(exit_code=1, message="oh"))
        (container,) = pod.status.container_statuses
        crashed = replace(container, ready=False, last_state=ended)
        await it.api.update_status(
            replace(pod, status=replace(pod.status, container_statuses=(crashed,)))
        )
        await it.settle()
        assert condition(it, "Ready").reason == "TopicNotFound"


async def test_acks_annotations_are_the_host_the_timeout_and_constant_retries():
    async with with_kafka() as (it, _):
        await it.given(
            source(
                sink={"uri": "http://127.0.0.1:8080/predict?query=music"},
                annotations={
                    "k8s.aliyun.com/domain": "test.default.svc.cluster.local",
                    "k8s.aliyun.com/req-timeout": "60",
                    "k8s.aliyun.com/retry-count": "5",
                    "k8s.aliyun.com/retry-interval": "2",
                },
            )
        )
        made = config(adapter(it))
        assert made["sink"]["host"] == "test.default.svc.cluster.local"
        assert made["sink"]["url"] == "http://127.0.0.1:8080/predict?query=music"
        assert made["delivery"] == {
            "retry": 5,
            "backoffPolicy": "constant",
            "backoffDelayS": 2.0,
            "timeoutS": 60.0,
            "retryAfterMaxS": None,
            "deadLetterSink": None,
        }


async def test_a_change_of_the_source_rolls_its_adapters_and_a_look_does_not():
    async with with_kafka() as (it, _):
        await it.given(web(), source())
        before = [pod.metadata.uid for pod in it.api.list(Pod)]
        generation = adapter(it).metadata.generation
        await it.settle(120)
        assert adapter(it).metadata.generation == generation
        await it.given(source(topics=["orders", "returns"], consumerGroup=group(it)))
        await it.settle(60)
        assert config(adapter(it))["topics"] == ["orders", "returns"]
        assert not set(before) & {pod.metadata.uid for pod in it.api.list(Pod)}


def group(it: World) -> str:
    return it.the(KafkaSource, "orders").spec.consumer_group or ""


async def test_a_restart_that_somebody_asks_for_replaces_the_adapters_once():
    async with with_kafka() as (it, _):
        await it.given(web(), source())
        before = [pod.metadata.uid for pod in it.api.list(Pod)]
        made = adapter(it)
        meta = made.spec.template.metadata
        assert meta is not None
        marked = touched(meta, annotations={"kubectl.kubernetes.io/restartedAt": "now"})
        spec = replace(made.spec, template=replace(made.spec.template, metadata=marked))
        await it.api.update(replace(made, spec=spec))
        await it.settle(120)
        after = adapter(it).spec.template.metadata
        assert after is not None
        assert after.annotations["kubectl.kubernetes.io/restartedAt"] == "now"
        assert not set(before) & {pod.metadata.uid for pod in it.api.list(Pod)}


async def test_what_a_source_made_goes_with_it():
    async with with_kafka() as (it, _):
        await it.given(web(), source())
        await it.api.delete(KafkaSource, "default", "orders")
        await it.settle(40)
        assert it.names(Deployment) == []
        assert it.names(Pod) == []


def sasl() -> dict[str, Any]:
    def of(key: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": "kafka", "key": key}}

    return {
        "sasl": {"enable": True, "user": of("user"), "password": of("password"), "type": of("type")}
    }


async def test_credentials_come_by_the_environment_and_another_password_rolls_the_pods():
    async with with_kafka() as (it, _):
        await it.given(web(), source(net=sasl()))
        assert condition(it, "ConnectionEstablished").message == 'secret "default/kafka" not found'
        assert it.names(Deployment) == []
        await it.given(secret(user="ann", password="first-word", type="SCRAM-SHA-512"))
        first = adapter(it)
        env = first.spec.template.spec.containers[0].env
        assert [e.name for e in env if e.value is None] == [
            "KAFKA_SASL_USER",
            "KAFKA_SASL_PASSWORD",
            "KAFKA_SASL_TYPE",
        ]
        assert config(first)["net"]["sasl"] == {"enable": True, "type": "SCRAM-SHA-512"}
        assert "first-word" not in str(first)
        await it.given(secret(user="ann", password="other-word", type="SCRAM-SHA-512"))
        assert adapter(it).spec.template != first.spec.template


async def test_answers_and_dead_letters_go_to_topics_by_their_sinks():
    async with with_kafka() as (it, _):
        await it.given(web(), sink("answers"), sink("dead"))
        ref = {"apiVersion": "eventing.knative.dev/v1alpha1", "kind": "KafkaSink", "name": "dead"}
        await it.given(
            source(
                annotations={"tidegate.dev/reply": "answers"},
                delivery={"deadLetterSink": {"ref": ref}},
            )
        )
        made = config(adapter(it))
        assert made["reply"] == {
            "url": "http://127.0.0.1:8080/",
            "host": "kafkasink-answers-receiver.default.svc.cluster.local",
            "uri": "http://kafkasink-answers-receiver.default.svc.cluster.local",
            "caCerts": None,
        }
        host = made["delivery"]["deadLetterSink"]["host"]
        assert host == "kafkasink-dead-receiver.default.svc.cluster.local"


async def test_a_sink_is_a_receiver_behind_a_service():
    async with with_kafka() as (it, _):
        await it.given(sink())
        made = adapter(it, "answers")
        env = {e.name: e.value for e in made.spec.template.spec.containers[0].env}
        assert json.loads(env["K_SINK_CONFIG"] or "")["contentMode"] == "binary"
        status = it.the(KafkaSink, "answers").status
        assert status is not None
        assert status.address is not None
        assert status.address.url == "http://kafkasink-answers-receiver.default.svc.cluster.local"
        assert {c.type: c.status for c in status.conditions} == {
            "Addressable": "True",
            "DataPlaneAvailable": "True",
            "Ready": "True",
            "TopicReady": "True",
        }


async def test_a_sink_takes_nobodys_service_and_is_there_when_the_name_is_free():
    async with with_kafka() as (it, _):
        name = "kafkasink-answers-receiver"
        await it.given(web(name), sink())
        status = it.the(KafkaSink, "answers").status
        assert status is not None
        assert status.address is None
        ready = find(status.conditions, "Ready")
        assert ready is not None
        assert (ready.status, ready.reason) == ("False", "NameTaken")
        assert it.names(Deployment) == []
        await it.api.delete(Service, "default", name)
        await it.settle(5)
        assert it.the(Service, name).metadata.owner_references[0].name == "answers"


async def test_kedas_class_makes_a_scaled_object_of_the_source_and_takes_it_away_again():
    async with with_kafka() as (it, _):
        key = "autoscaling.eventing.knative.dev/"
        on = {f"{key}class": "keda.autoscaling.knative.dev", f"{key}lag-threshold": "10"}
        await it.given(web(), secret(user="ann", password="first-word", type="PLAIN"))
        await it.given(source(annotations=on, net=sasl(), initialOffset="earliest"))
        made = it.api.list(ScaledObject)[0]
        uid = it.the(KafkaSource, "orders").metadata.uid
        assert made.metadata.name == f"so-{uid}"
        assert made.spec.scale_target_ref.kind == "KafkaSource"
        assert (made.spec.min_replica_count, made.spec.max_replica_count) == (0, 50)
        assert (made.spec.polling_interval, made.spec.cooldown_period) == (10, 30)
        trigger = made.spec.triggers[0]
        assert trigger.metadata["lagThreshold"] == "10"
        assert trigger.metadata["sasl"] == "plaintext"
        assert [
            r.parameter for r in it.api.list(TriggerAuthentication)[0].spec.secret_target_ref
        ] == [
            "username",
            "password",
        ]
        stored = it.the(KafkaSource, "orders")
        off = touched(stored.metadata, annotations={f"{key}class": "disabled"})
        await it.api.update(replace(stored, metadata=off))
        await it.settle()
        assert it.names(ScaledObject) == []
        assert it.names(TriggerAuthentication) == []


async def test_at_zero_consumers_a_source_that_was_connected_stays_ready():
    async with with_kafka() as (it, _):
        await it.given(web(), source())
        await it.given(source(consumers=0, consumerGroup=group(it)))
        await it.settle(40)
        assert adapter(it).spec.replicas == 0
        assert condition(it, "Ready").status == "True"
        assert condition(it, "Deployed").reason == "ScaledToZero"
