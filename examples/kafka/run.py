"""Kafka to a model: 50 sentences at once each second, and the pods that come and go with them.

.venv/bin/python examples/kafka/run.py [--seconds 100]     (what `make kafka` runs)

Starts a local broker (in memory, on loopback), an engine of its own with simulated GPUs in a temporary
folder, the intent service, and a KafkaSource from the topic to it; sends, watches, and stops all of it
again. The exit code is 1 when an event was lost or the pods did not come back to one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from picture import Picture, Sample, summary

from tidegate.client.http import Client, path_of, read_kubeconfig
from tidegate.testing.broker import RunningBroker, running_broker

HERE = Path(__file__).parent
TOPIC, PARTITIONS, AT_ONCE = "ai-info", 12, 50
SENTENCES = ("play some music", "will it rain tomorrow", "book a table for two")
SETTLE_S = 180.0


class Failed(Exception):
    """Something did not come out as it should."""


@dataclass
class Engine:
    """An engine in a folder of its own."""

    home: Path

    def tidegate(self, *words: str, stdin: str | None = None) -> str:
        """Run a command of ours as a person would. Raises `Failed`."""
        done = subprocess.run(
            [sys.executable, "-m", "tidegate.cli.main", *words],
            env={**os.environ, "TIDEGATE_HOME": str(self.home)},
            input=stdin,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(
                f"tidegate {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout

    def pods(self) -> list[dict[str, Any]]:
        client = Client(read_kubeconfig(self.home / "kubeconfig"))
        return list(client.get(path_of("v1", "pods", "default"))["items"])


@contextmanager
def engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="tidegate-kafka-") as folder:
        made = Engine(Path(folder) / "home")
        made.tidegate("up", "--detach", "--port", "0", "--api-port", "0", "--simulate-gpus", "8")
        try:
            yield made
        finally:
            made.tidegate("down")


async def make_topic(broker: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    finally:
        await admin.close()


def apply(made: Engine, broker: str) -> None:
    """The image's entry, the service and the source; returns when events would be handled."""
    intent = HERE.parent / "intent"
    done = subprocess.run(
        [sys.executable, str(intent / "prepare.py")], capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(f"examples/intent/prepare.py: {done.stderr.strip()}")
    image = (intent / "build" / "intent.yaml").read_text().partition("---\n")[0]
    source = (HERE / "source.yaml").read_text().replace("BROKER", broker)
    for document in (image, (HERE / "service.yaml").read_text(), source):
        print(made.tidegate("apply", "-f", "-", stdin=document).strip())
    for what in ("ksvc/intent", "kafkasource/sentences"):
        made.tidegate("wait", what, "--for=condition=Ready", "--timeout=120s")
    print(made.tidegate("get", "kafkasources").strip())


# --- sending


@dataclass
class Sender:
    """`sent`: events that the broker has acknowledged."""

    broker: str
    seconds: int
    sent: int = 0

    async def run(self) -> None:
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(bootstrap_servers=self.broker, acks="all")
        await producer.start()
        try:
            begun = time.monotonic()
            for second in range(self.seconds):
                await asyncio.sleep(max(0.0, begun + second - time.monotonic()))
                await asyncio.gather(*(self._send(producer, i) for i in range(AT_ONCE)))
        finally:
            await producer.stop()

    async def _send(self, producer: Any, i: int) -> None:
        value = json.dumps({"query": SENTENCES[i % len(SENTENCES)]}).encode()
        headers = [("content-type", b"application/json")]
        await producer.send_and_wait(TOPIC, value, key=f"{self.sent}-{i}".encode(), headers=headers)
        self.sent += 1


# --- watching


def pods_of(found: list[dict[str, Any]], label: str, value: str) -> list[dict[str, Any]]:
    return [
        pod
        for pod in found
        if pod["metadata"].get("labels", {}).get(label) == value
        and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in pod.get("status", {}).get("conditions", ())
        )
    ]


def adapter_says(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The adapter's own page: what it handled, what lies before it."""
    pods = pods_of(found, "eventing.knative.dev/SourceName", "sentences")
    if not pods:
        return {}
    port = pods[0]["status"]["tidegate"]["ports"][0]["localPort"]
    with urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
        said: dict[str, Any] = json.load(answer)
    return said


def look(made: Engine, sender: Sender, at_s: float) -> tuple[Sample, dict[str, Any]]:
    found = made.pods()
    said = adapter_says(found)
    lag = sum(part["lag"] or 0 for part in said.get("partitions", ()))
    services = pods_of(found, "serving.knative.dev/service", "intent")
    return Sample(at_s, sender.sent, said.get("handled", 0), lag, len(services)), said


async def show(made: Engine, sender: Sender) -> tuple[Picture, dict[str, Any]]:
    """Until everything is handled and the pods are back at one; at most three minutes longer."""
    begun = time.monotonic()
    ends = begun + sender.seconds + SETTLE_S
    sending = asyncio.create_task(sender.run())
    try:
        with Picture() as picture:
            while True:
                at_s = time.monotonic() - begun
                sample, said = await asyncio.to_thread(look, made, sender, at_s)
                picture.add(sample)
                through = sending.done() and sample.handled >= sender.sent and sample.lag == 0
                if (through and sample.pods == 1) or time.monotonic() > ends:
                    return picture, said
                await asyncio.sleep(1)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=100, help="how long to send (100)")
    seconds = parser.parse_args().seconds
    try:
        with running_broker() as broker, engine() as made:
            return demonstrate(broker, made, seconds)
    except Failed as why:
        print(f"failed: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def demonstrate(broker: RunningBroker, made: Engine, seconds: int) -> int:
    print(f"broker at {broker.address}, topic {TOPIC} with {PARTITIONS} partitions")
    asyncio.run(make_topic(broker.address))
    apply(made, broker.address)
    sender = Sender(broker.address, seconds)
    picture, said = asyncio.run(show(made, sender))
    last = picture.samples[-1]
    lost = sender.sent - last.handled - said.get("failed", 0) if last.lag == 0 else last.lag
    summary(
        [
            ("sent", f"{sender.sent} ({AT_ONCE} at once each second for {seconds} s)"),
            ("handled", str(last.handled)),
            ("lost", str(max(0, lost))),
            ("given up", str(said.get("failed", 0))),
            ("pods", f"1 -> {picture.most_pods} -> {last.pods}"),
            ("all handled and back at one", f"after {last.at_s:.0f} s"),
        ]
    )
    well = last.handled >= sender.sent == AT_ONCE * seconds and last.lag == 0
    return 0 if well and picture.most_pods > 1 and last.pods == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
