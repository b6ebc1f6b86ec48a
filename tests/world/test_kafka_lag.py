"""Scaling by lag on the whole control plane; the brokers say what the test lets them say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tidegate.autoscale.keda import Access, NoOffsets
from tidegate.controllers.kafka import Report
from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.conditions import find
from tidegate.model.core import Secret
from tidegate.model.kafka import KafkaSource
from tidegate.model.keda import ScaledObject, TriggerAuthentication
from tidegate.model.meta import Condition
from tidegate.model.pods import Pod
from tidegate.model.wire import read
from tidegate.scaling.kafka_lag import Offsets
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime
KEY = "autoscaling.eventing.knative.dev/"


class Brokers:
    """One topic of four partitions. `trouble`: why nothing can be read."""

    def __init__(self) -> None:
        self.lag: int = 0
        self.trouble: str | None = None
        self.asked: Access | None = None

    async def read(self, access: Access, group: str, topics: Sequence[str]) -> Sequence[Offsets]:
        self.asked = access
        if self.trouble is not None:
            raise NoOffsets(self.trouble)
        return [Offsets(topics[0], p, committed=5, end=5 + self.lag // 4) for p in range(4)]


class Adapters:
    async def of(self, pods: Iterable[Pod]) -> dict[str, Report]:
        well = Report(connected=True, initial_offsets_committed=True)
        return {pod.metadata.name: well for pod in pods}


@asynccontextmanager
async def with_brokers() -> AsyncIterator[tuple[World, Brokers]]:
    brokers = Brokers()
    async with world(dialled="127.0.0.1:1", reports=Adapters(), offsets=brokers) as it:
        yield it, brokers


def source(**annotations: str) -> KafkaSource:
    raw = {
        "metadata": {
            "name": "orders",
            "namespace": "default",
            "annotations": {
                f"{KEY}class": "keda.autoscaling.knative.dev",
                **{f"{KEY}{k.replace('_', '-')}": v for k, v in annotations.items()},
            },
        },
        "spec": {
            "bootstrapServers": ["b:9092"],
            "topics": ["orders"],
            "sink": {"uri": "http://web.example.com"},
        },
    }
    return read(raw, KafkaSource)[0]


def consumers(it: World) -> int | None:
    return it.the(KafkaSource, "orders").spec.consumers


async def test_a_source_goes_to_zero_without_lag_and_grows_with_it():
    async with with_brokers() as (it, brokers):
        await it.given(source(lag_threshold="10", cooldown_period="20"))
        await it.settle(60)
        assert consumers(it) == 0
        assert it.names(Pod) == []
        brokers.lag = 32
        await it.settle(60)
        assert consumers(it) == 4
        assert len(it.names(Pod)) == 4
        brokers.lag = 0
        await it.settle(600)
        assert consumers(it) == 0


async def test_no_more_consumers_come_than_partitions_are_there():
    async with with_brokers() as (it, brokers):
        brokers.lag = 4000
        await it.given(source(lag_threshold="10"))
        await it.settle(120)
        assert consumers(it) == 4


async def test_lag_that_cannot_be_read_holds_the_size_and_says_why():
    async with with_brokers() as (it, brokers):
        brokers.lag = 32
        await it.given(source(lag_threshold="10"))
        await it.settle(60)
        brokers.trouble = "b:9092: no broker can be reached"
        await it.settle(900)
        assert consumers(it) == 4
        said = active(it)
        assert (said.status, said.reason) == ("False", "ScalerFailed")
        assert "no broker can be reached" in (said.message or "")
        hpa = it.api.list(HorizontalPodAutoscaler)[0]
        assert hpa.status is not None
        scaling = find(hpa.status.conditions, "ScalingActive")
        assert scaling is not None
        assert "no broker can be reached" in (scaling.message or "")


def active(it: World) -> Condition:
    status = it.api.list(ScaledObject)[0].status
    assert status is not None
    found = find(status.conditions, "Active")
    assert found is not None
    return found


def web() -> Deployment:
    labels = {"app": "web"}
    pod = {"containers": [{"name": "c", "image": "python:3"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return read({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}, Deployment)[0]


def scaled(**trigger: Any) -> ScaledObject:
    metadata = {"bootstrapServers": "b:9092", "consumerGroup": "g", "topic": "orders"}
    said = {"type": "kafka", "metadata": {**metadata, **trigger.pop("metadata", {})}, **trigger}
    raw = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 1, "triggers": [said]},
    }
    return read(raw, ScaledObject)[0]


async def test_credentials_of_a_trigger_come_from_its_authentication():
    async with with_brokers() as (it, brokers):
        ref = {"parameter": "username", "name": "kafka", "key": "user"}
        meta = {"name": "kafka", "namespace": "default"}
        spec = {"secretTargetRef": [ref, {**ref, "parameter": "password", "key": "word"}]}
        secret = {"metadata": meta, "stringData": {"user": "ann", "word": "open sesame"}}
        await it.given(
            web(),
            read({"metadata": meta, "spec": spec}, TriggerAuthentication)[0],
            scaled(authenticationRef={"name": "kafka"}, metadata={"sasl": "scram_sha512"}),
        )
        assert 'secret "kafka"' in (active(it).message or "")
        await it.given(read(secret, Secret)[0])
        await it.settle(60)
        assert brokers.asked is not None
        assert (brokers.asked.sasl, brokers.asked.username) == ("SCRAM-SHA-512", "ann")
        assert brokers.asked.password == "open sesame"
        assert "sesame" not in repr(brokers.asked)
        status = it.the(ScaledObject, "web").status
        assert status is not None
        assert status.authentications_types == "kafka"


async def test_a_deployment_follows_the_lag_of_its_own_group():
    async with with_brokers() as (it, brokers):
        brokers.lag = 20
        await it.given(web(), scaled(metadata={"lagThreshold": "10"}))
        await it.settle(60)
        assert it.the(Deployment, "web").spec.replicas == 2
