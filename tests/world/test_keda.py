"""ScaledObjects on the whole control plane."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.conditions import find
from tidegate.model.core import Event
from tidegate.model.errors import Invalid
from tidegate.model.keda import ScaledObject
from tidegate.model.meta import Condition, controller_of
from tidegate.model.wire import read
from tidegate.policy.keda import metric_name
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
        ready = condition(it, "Ready")
        assert (ready.status, ready.reason) == ("False", "TriggerError")
        assert "http://127.0.0.1:9" in (ready.message or "")
        [told] = [e for e in it.api.list(Event) if e.reason == "KEDAScalerFailed"]
        assert told.count == 1


async def test_a_fallback_stands_in_for_a_server_that_does_not_answer():
    async with world() as it:
        metadata = {"serverAddress": "http://127.0.0.1:9", "query": "up", "threshold": "5"}
        trigger = {"type": "prometheus", "metadata": metadata}
        fallback = {"failureThreshold": 2, "replicas": 4}
        await it.given(deployment(1), scaled(trigger, pollingInterval=5, fallback=fallback))
        await it.settle(40)
        assert (size(it), condition(it, "Fallback").status) == (1, "False")
        await it.settle(40)
        assert size(it) == 4
        assert condition(it, "Fallback").reason == "FallbackExists"
        assert condition(it, "Ready").status == "True"
        assert "the fallback stands in" in (condition(it, "Active").message or "")
        status = it.the(ScaledObject, "web").status
        assert status is not None
        assert status.health["s0-prometheus"].status == "Failing"
        await it.kill_plane()
        await it.start_plane()
        await it.settle(20)
        assert condition(it, "Fallback").status == "True"


async def test_paused_it_stays_where_it_is_told():
    async with world() as it:
        paused = {"autoscaling.keda.sh/paused-replicas": "2"}
        wanted = scaled(cron(it, -60, 3600, 4), annotations=paused, pollingInterval=5)
        await it.given(deployment(1), wanted)
        await it.settle(60)
        assert size(it) == 2
        assert it.names(HorizontalPodAutoscaler) == []
        assert condition(it, "Paused").status == "True"


@pytest.mark.parametrize("value", ["true", "1", "please"])
async def test_a_pause_is_anything_but_no_and_its_end_is_told(value):
    async with world() as it:
        paused = "autoscaling.keda.sh/paused"
        trigger = cron(it, -60, 3600, 4)
        await it.given(deployment(1), scaled(trigger, annotations={paused: value}))
        await it.settle(60)
        assert (size(it), it.names(HorizontalPodAutoscaler)) == (1, [])
        await it.given(scaled(trigger, annotations={paused: "false"}))
        await it.settle(60)
        assert size(it) == 4
        assert condition(it, "Paused").reason == "ScaledObjectUnpaused"


async def test_scaling_in_may_be_paused_alone():
    async with world() as it:
        held = {"autoscaling.keda.sh/paused-scale-in": "true"}
        fast = {"pollingInterval": 5, "cooldownPeriod": 10}
        trigger = cron(it, 3600, 7200, 4)
        await it.given(deployment(3), scaled(trigger, annotations=held, **fast))
        await it.settle(60)
        assert size(it) == 3
        assert condition(it, "Paused").status == "True"
        hpa = it.the(HorizontalPodAutoscaler, "keda-hpa-web")
        assert hpa.spec.behavior is not None
        assert hpa.spec.behavior.scale_down is not None
        assert hpa.spec.behavior.scale_down.select_policy == "Disabled"
        await it.given(
            scaled(trigger, annotations={"autoscaling.keda.sh/paused-scale-in": "false"}, **fast)
        )
        await it.settle(60)
        assert size(it) == 0


async def test_forced_it_wakes_without_a_trigger():
    async with world() as it:
        forced = {"autoscaling.keda.sh/force-activation": "true"}
        trigger = cron(it, 3600, 7200, 4)
        await it.given(deployment(0), scaled(trigger, annotations=forced, pollingInterval=5))
        assert size(it) == 1
        assert condition(it, "Active").message == (
            "Scaling is performed because activation is being forced by annotation"
        )


async def test_the_events_say_what_woke_it_and_what_became_of_it():
    async with world() as it:
        fast = {"pollingInterval": 5, "cooldownPeriod": 10}
        trigger = cron(it, 60, 120, 1)
        await it.given(deployment(0), scaled(trigger, **fast))
        await it.settle(240)
        name = metric_name(0, it.the(ScaledObject, "web").spec.triggers[0])
        told = [e.message for e in it.api.list(Event) if e.source.component == "keda-operator"]
        assert set(told) == {
            "ScaledObject is ready for scaling",
            f"Scaled apps/v1.Deployment default/web from 0 to 1, triggered by {name}",
            "Deactivated apps/v1.Deployment default/web from 1 to 0",
        }


async def test_one_that_goes_leaves_the_size_that_it_found_if_asked():
    async with world() as it:
        restore = {"restoreToOriginalReplicaCount": True}
        trigger = cron(it, -60, 3600, 4)
        await it.given(deployment(2), scaled(trigger, pollingInterval=5, advanced=restore))
        await it.settle(60)
        assert size(it) == 4
        await it.api.delete(ScaledObject, "default", "web")
        await it.settle(60)
        assert it.names(ScaledObject) == []
        assert size(it) == 2


async def test_a_target_that_an_autoscaler_has_is_not_taken_from_it():
    def autoscaler(name: str) -> HorizontalPodAutoscaler:
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        raw = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"scaleTargetRef": ref, "maxReplicas": 3},
        }
        return read(raw, HorizontalPodAutoscaler)[0]

    async with world() as it:
        await it.given(deployment(2), autoscaler("mine"), scaled(cron(it, -60, 3600, 4)))
        assert condition(it, "Ready").message == (
            "the workload 'web' of type 'apps/v1.Deployment' is already managed by the hpa 'mine'"
        )
        assert it.names(HorizontalPodAutoscaler) == ["mine"]
        await it.api.delete(HorizontalPodAutoscaler, "default", "mine")
        await it.settle()
        assert condition(it, "Ready").status == "True"
        assert it.names(HorizontalPodAutoscaler) == ["keda-hpa-web"]


async def test_the_second_of_two_for_one_target_stands_back():
    async with world() as it:
        await it.given(deployment(2), scaled(cron(it, -60, 3600, 4)))
        second = scaled(cron(it, 3600, 7200, 4))
        meta = replace(second.metadata, name="zweb")
        await it.given(replace(second, metadata=meta))
        status = it.the(ScaledObject, "zweb").status
        ready = find(status.conditions if status else (), "Ready")
        assert ready is not None
        assert "already managed by the ScaledObject 'web'" in (ready.message or "")
        assert it.names(HorizontalPodAutoscaler) == ["keda-hpa-web"]


async def test_an_autoscaler_can_be_handed_over():
    raw = {
        "metadata": {"name": "mine", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 3,
        },
    }
    async with world() as it:
        transfer = {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
        named = {"horizontalPodAutoscalerConfig": {"name": "mine"}}
        await it.given(deployment(2), read(raw, HorizontalPodAutoscaler)[0])
        await it.given(scaled(cron(it, -60, 3600, 4), annotations=transfer, advanced=named))
        assert condition(it, "Ready").status == "True"
        owner = controller_of(it.the(HorizontalPodAutoscaler, "mine").metadata)
        assert owner is not None
        assert owner.kind == "ScaledObject"


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
        (scaled(GOOD, fallback={"failureThreshold": 1, "replicas": 2}), "spec.fallback"),
        (
            scaled(GOOD, fallback={"failureThreshold": -1, "replicas": 2}),
            "spec.fallback.failureThreshold",
        ),
        (
            scaled(GOOD, annotations={"autoscaling.keda.sh/paused-replicas": "many"}),
            "paused-replicas",
        ),
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
