"""What the adapter makes of brokers that don't answer, on virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tidegate.sources.kafka.adapter import Adapter
from tidegate.sources.kafka.settings import Credentials, Destination, SourceSettings
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime


def adapter() -> Adapter:
    settings = SourceSettings(
        bootstrap_servers=("b:9092",),
        topics=("t",),
        consumer_group="g",
        source="/s",
        sink=Destination(url="http://127.0.0.1:1/"),
    )
    return Adapter(settings, Credentials(), LoopClock(), drain_s=1)


def no_brokers() -> SimpleNamespace:
    """A consumer that knows no broker any more."""
    cluster = SimpleNamespace(brokers=list)
    return SimpleNamespace(_client=SimpleNamespace(cluster=cluster))


@pytest.mark.parametrize(("after_s", "anew"), [(250, False), (320, True)])
async def test_brokers_that_are_away_for_long_are_looked_for_anew(after_s, anew):
    made = adapter()
    watching = asyncio.ensure_future(made._watch(no_brokers()))
    await asyncio.sleep(after_s)
    watching.cancel()
    assert made.status().last_error.reason in ("BrokerUnreachable", "KafkaError")
    assert (made._failure is not None) is anew
