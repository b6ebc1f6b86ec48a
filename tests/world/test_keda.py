"""ScaledObjects on the whole control plane."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.conditions import find
from tidegate.model.errors import Invalid
from tidegate.model.keda import ScaledObject
from tidegate.model.meta import Condition
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


def deployment(replicas: int) -> Deployment:
    labels = {"app": "web"}
    raw = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "python:3"}]},
            },
        },
    }
    return read(raw, Deployment)[0]


def scaled(
    *triggers: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any
) -> Any:
    raw = {
        "metadata": {
            "name": "web",
            "namespace": "default",
            "annotations": annotations or {},
        },
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": list(triggers), **spec},
    }
    return read(raw, ScaledObject)[0]


def cron(it: World, from_s: float, to_s: float, replicas: int) -> dict[str, Any]:
    def line(seconds: float) -> str:
        when = datetime.fromtimestamp(it.clock.now() + seconds, UTC)
        return f"{when.minute} {when.hour} * * *"

    return {
        "type": "cron",
        "metadata": {
            "timezone": "UTC",
            "start": line(from_s),
            "end": line(to_s),
            "desiredReplicas": str(replicas),
        },
    }


def size(it: World) -> int | None:
    return it.the(Deployment, "web").spec.replicas


def condition(it: World, type_: str) -> Condition:
    status = it.the(ScaledObject, "web").status
    found = find(status.conditions if status else (), type_)
    assert found is not None
    return found


async def test_a_cron_trigger_wakes_from_zero_grows_and_lets_go():
    async with world() as it:
        fast = {"pollingInterval": 5, "cooldownPeriod": 30}
        await it.given(deployment(0), scaled(cron(it, 120, 300, 4), **fast))
        assert size(it) == 0
        assert condition(it, "Ready").status == "True"
        assert condition(it, "Active").status == "False"
        await it.settle(180)
        assert size(it) == 4
        assert condition(it, "Active").status == "True"
        hpa = it.the(HorizontalPodAutoscaler, "keda-hpa-web")
        assert hpa.spec.metrics[0].type == "External"
        await it.settle(600)
        assert size(it) == 0


async def test_cpu_alone_is_an_hpa_with_that_metric():
    async with world() as it:
        trigger = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
        await it.given(deployment(1), scaled(trigger, minReplicaCount=1, maxReplicaCount=5))
        hpa = it.the(HorizontalPodAutoscaler, "keda-hpa-web")
        resource = hpa.spec.metrics[0].resource
        assert resource is not None
        assert resource.target.average_utilization == 60
        assert (hpa.spec.min_replicas, hpa.spec.max_replicas) == (1, 5)


async def test_a_server_that_does_not_answer_leaves_the_size_and_says_so():
    async with world() as it:
        metadata = {"serverAddress": "http://127.0.0.1:9", "query": "up", "threshold": "5"}
        trigger = {"type": "prometheus", "metadata": metadata}
        await it.given(deployment(2), scaled(trigger, pollingInterval=5, cooldownPeriod=10))
        await it.settle(60)
        assert size(it) == 2
        assert condition(it, "Active").reason == "ScalerFailed"


async def test_paused_it_stays_where_it_is_told():
    async with world() as it:
        paused = {"autoscaling.keda.sh/paused-replicas": "2"}
        wanted = scaled(cron(it, -60, 3600, 4), annotations=paused, pollingInterval=5)
        await it.given(deployment(1), wanted)
        await it.settle(60)
        assert size(it) == 2
        assert it.names(HorizontalPodAutoscaler) == []
        assert condition(it, "Paused").status == "True"


async def test_a_missing_target_is_told():
    async with world() as it:
        await it.given(scaled(cron(it, 60, 120, 4)))
        assert condition(it, "Ready").status == "False"
        assert "not found" in (condition(it, "Ready").message or "")


GOOD = {"type": "cpu", "metadata": {"value": "60"}}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (scaled(), "spec.triggers"),
        (scaled({"type": "rabbitmq", "metadata": {}}), r"spec.triggers\[0\].type"),
        (scaled({"type": "kafka", "metadata": {}}), r"\[0\].metadata.bootstrapServers"),
        (scaled({"type": "cpu", "metadata": {}}), r"spec.triggers\[0\].metadata.value"),
        (scaled({**GOOD, "authenticationRef": {"name": "a"}}), "authenticationRef"),
        (scaled(GOOD, minReplicaCount=3, maxReplicaCount=2), "spec.minReplicaCount"),
        (scaled(GOOD, minReplicaCount=0), "cpu and memory triggers only"),
        (
            scaled(
                {
                    "type": "cron",
                    "metadata": {
                        "timezone": "Mars/Olympus",
                        "start": "0 8 * * *",
                        "end": "0 9 * * *",
                        "desiredReplicas": "1",
                    },
                }
            ),
            "metadata.timezone",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_by_field(wrong, path):
    async with world() as it:
        with pytest.raises(Invalid, match=path):
            await it.api.create(wrong)
