"""Ten times the load at once on pods that take their time to start: growth without flapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from math import ceil
from typing import Any

import pytest

from tidegate.client.http import Client, read_kubeconfig
from tidegate.kit.home import home_from
from tidegate.testing.engine import (
    Load,
    RunningEngine,
    running_engine,
    service_document,
    wait_until,
)

pytestmark = pytest.mark.live

TARGET = 2.5  # 10 clients ask for 4 replicas, whether 8 or 10 of them are in flight on average
SCALING = {
    "window": "8s",
    "target": str(TARGET),
    "target-utilization-percentage": "100",
    "min-scale": "1",
}
AUTOSCALERS = "/apis/autoscaling.internal.knative.dev/v1alpha1/namespaces/default/podautoscalers"
PANIC = ("panic", "panic-hold")


@pytest.fixture
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


class Story:
    """The autoscaler's decisions, read over one connection: a command for each look would be a load
    of its own."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def decisions(self) -> list[dict[str, Any]]:
        (scaler,) = self._client.get(AUTOSCALERS)["items"]
        return list((scaler.get("status") or {}).get("decisions") or ())

    def calm_again(self) -> bool:
        """A panic began and ended."""
        rules = [d["rule"] for d in self.decisions()]
        return any(rule in PANIC for rule in rules) and rules[-1] not in PANIC


def turns(counts: list[int]) -> int:
    """How often a series of counts changes its direction."""
    moves = [after > before for before, after in pairwise(counts) if after != before]
    return sum(one != other for one, other in pairwise(moves))


def test_ten_times_the_load_does_not_flap_fails_nothing_and_panic_ends_above_the_need(engine):
    document = service_document("step", scaling=SCALING, environ={"START_S": "1.5"})
    engine.cli("apply", "-f", "-", stdin=document)
    wait_until("the first pod", lambda: engine.ready_pods("step"), within_s=60)
    with Client(read_kubeconfig(home_from({}, str(engine.home)).kubeconfig)) as client:
        steps(engine, Story(client))


def steps(engine: RunningEngine, story: Story) -> None:
    with Load(engine, "step", clients=1, path="/sleep/0.4") as calm:
        wait_until(
            "a decision on the calm load",
            lambda: any(d.get("wanted") == 1 for d in story.decisions()),
        )
    before = len(story.decisions())
    with Load(engine, "step", clients=10, path="/sleep/0.4") as rush:
        wait_until("four pods", lambda: len(engine.ready_pods("step")) >= 4, within_s=60)
        wait_until("the end of the panic", story.calm_again, within_s=60)
        told = story.decisions()
    assert calm.failures == rush.failures == []
    assert rush.ok > 20
    counts = [d["replicas"] for d in told[before - 1 :]]
    assert turns(counts) <= 2, counts
    assert max(counts) <= 2 * ceil(10 / TARGET), counts
    assert told[-1]["replicas"] >= min(ceil(told[-1]["stable"] / TARGET), max(counts))
    explained = json.loads(engine.cli("explain", "step", "-o", "json"))
    times = [d["time"] for d in explained["revisions"][0]["decisions"]]
    assert times[: len(told)] == [d["time"] for d in told]
