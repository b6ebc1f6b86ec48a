"""InferenceServices on the whole control plane, in both modes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.controllers.kserve import ensure_runtimes
from tidegate.model import serving
from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.conditions import find
from tidegate.model.core import ConfigMap, Event, Service
from tidegate.model.ingresses import Ingress
from tidegate.model.keda import ScaledObject
from tidegate.model.kserve import InferenceService, InferenceServiceStatus
from tidegate.model.meta import ObjectMeta
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

KNATIVE = {"serving.kserve.io/deploymentMode": "Serverless"}
IMAGE = "kserve/sklearnserver:v0.12"


def isvc(predictor: dict[str, Any], **meta: Any) -> InferenceService:
    raw = {
        "metadata": {"name": "iris", "namespace": "default", **meta},
        "spec": {"predictor": predictor},
    }
    return read(raw, InferenceService)[0]


CUSTOM = {"containers": [{"image": IMAGE, "args": ["--model_dir=/m"]}]}


def status(it: World) -> InferenceServiceStatus:
    found = it.the(InferenceService, "iris").status
    assert found is not None
    return found


def ready(it: World) -> tuple[str, str]:
    found = find(status(it).conditions, "Ready")
    assert found is not None
    return found.status, found.reason or ""


async def test_standard_mode_makes_what_kserve_makes():
    async with world() as it:
        await it.given(isvc({**CUSTOM, "maxReplicas": 10, "scaleTarget": 10}))
        assert ready(it) == ("True", "")
        assert "iris-predictor" in it.names(Deployment)
        assert "iris-predictor" in it.names(Service)
        hpa = it.the(HorizontalPodAutoscaler, "iris-predictor")
        assert (hpa.spec.min_replicas, hpa.spec.max_replicas) == (1, 10)
        hosts = [rule.host for rule in it.the(Ingress, "iris").spec.rules]
        assert hosts == ["iris-default.example.com", "iris-predictor-default.example.com"]
        seen = status(it)
        assert seen.url == "http://iris-default.example.com"
        assert seen.address is not None
        assert seen.address.url == "http://iris-predictor.default.svc.cluster.local"
        assert seen.deployment_mode == "Standard"
        assert seen.observed_generation == it.the(InferenceService, "iris").metadata.generation
        assert seen.model_status is not None
        assert seen.model_status.transition_status == "UpToDate"
        told = [e.message for e in it.api.list(Event) if e.reason == "InferenceServiceReady"]
        assert told == ["InferenceService [iris] is Ready"]


async def test_an_external_scaler_has_no_rival_and_its_size_stays():
    async with world() as it:
        await it.given(isvc(CUSTOM))
        await it.given(isvc(CUSTOM, annotations={"serving.kserve.io/autoscalerClass": "external"}))
        assert it.names(HorizontalPodAutoscaler) == []
        deployment = it.the(Deployment, "iris-predictor")
        await it.api.update(replace(deployment, spec=replace(deployment.spec, replicas=3)))
        await it.settle()
        more = {"containers": [{"image": IMAGE, "args": ["--model_dir=/other"]}]}
        await it.given(isvc(more))
        assert it.the(Deployment, "iris-predictor").spec.replicas == 3


async def test_class_keda_has_a_scaled_object_and_its_hpa():
    async with world() as it:
        server = {"backend": "prometheus", "serverAddress": "http://127.0.0.1:9", "query": "up"}
        external = {"metric": server, "target": {"type": "AverageValue", "averageValue": "10"}}
        metrics = [{"type": "External", "external": external}]
        predictor = {**CUSTOM, "maxReplicas": 4, "autoScaling": {"metrics": metrics}}
        keda = {"serving.kserve.io/autoscalerClass": "keda"}
        await it.given(isvc(predictor, annotations=keda))
        assert ready(it) == ("True", "")
        assert it.names(ScaledObject) == ["iris-predictor"]
        assert it.names(HorizontalPodAutoscaler) == ["keda-hpa-iris-predictor"]
        await it.given(isvc(CUSTOM, annotations={"serving.kserve.io/autoscalerClass": "hpa"}))
        await it.settle()
        assert it.names(ScaledObject) == []
        assert it.names(HorizontalPodAutoscaler) == ["iris-predictor"]


async def test_one_that_rests_at_zero_is_ready():
    async with world() as it:
        fixed = {"serving.kserve.io/autoscalerClass": "none"}
        await it.given(isvc({**CUSTOM, "minReplicas": 0}, annotations=fixed))
        assert it.the(Deployment, "iris-predictor").spec.replicas == 0
        assert ready(it) == ("True", "")
        assert status(it).url == "http://iris-default.example.com"
        await it.given(isvc({**CUSTOM, "minReplicas": 1}, annotations=fixed))
        assert ready(it) == ("True", "")
        assert it.the(Deployment, "iris-predictor").status.ready_replicas == 1


async def test_a_model_without_a_runtime_says_so():
    async with world() as it:
        await it.given(isvc({"pmml": {"storageUri": "/m"}}))
        assert ready(it) == ("False", "NoSupportingRuntime")
        model = status(it).model_status
        assert model is not None
        assert model.transition_status == "InvalidSpec"
        assert model.last_failure_info is not None
        assert "no runtime found" in (model.last_failure_info.message or "")
        [told] = [e for e in it.api.list(Event) if e.reason == "InternalError"]
        assert (told.message or "").startswith("fails to reconcile predictor: no runtime found")
        assert told.count == 1


async def test_a_runtime_that_comes_later_is_taken_up():
    async with world() as it:
        await it.given(isvc({"sklearn": {"storageUri": "/m"}}))
        assert ready(it)[0] == "False"
        await ensure_runtimes(it.api)
        await it.settle()
        assert ready(it) == ("True", "")
        assert status(it).cluster_serving_runtime_name == "kserve-sklearnserver"


async def test_a_model_that_does_not_load_is_told_with_its_reason():
    async with world() as it:
        it.node.broken.add(IMAGE)
        await it.given(isvc(CUSTOM))
        assert ready(it)[0] == "False"
        model = status(it).model_status
        assert model is not None
        assert model.transition_status == "BlockedByFailedLoad"
        assert model.last_failure_info is not None
        assert model.last_failure_info.reason == "ModelLoadFailed"
        assert status(it).url is None


async def test_a_removed_transformer_takes_its_parts_along():
    async with world() as it:
        transformer = {"containers": [{"name": "kserve-container", "image": "t:1"}]}
        both = isvc(CUSTOM)
        raw = {"metadata": {"name": "iris", "namespace": "default"}}
        raw["spec"] = {"predictor": CUSTOM, "transformer": transformer}
        await it.given(read(raw, InferenceService)[0])
        assert "iris-transformer" in it.names(Deployment)
        await it.given(both)
        assert "iris-transformer" not in it.names(Deployment)
        assert "iris-transformer" not in it.names(Service)


async def test_the_stop_annotation_takes_the_workload_away_and_brings_it_back():
    async with world() as it:
        await it.given(isvc(CUSTOM))
        await it.given(isvc(CUSTOM, annotations={"serving.kserve.io/stop": "true"}))
        assert it.names(Deployment) == []
        assert it.names(Ingress) == []
        stopped = find(status(it).conditions, "Stopped")
        assert stopped is not None
        assert stopped.status == "True"
        assert ready(it) == ("False", "Stopped")
        await it.given(isvc(CUSTOM, annotations={"serving.kserve.io/stop": "false"}))
        assert ready(it) == ("True", "")
        resumed = find(status(it).conditions, "Stopped")
        assert resumed is not None
        assert resumed.status == "False"


async def test_one_that_is_deleted_leaves_no_warning_about_its_parts():
    async with world() as it:
        await it.given(isvc(CUSTOM))
        await it.api.delete(InferenceService, "default", "iris")
        await it.settle(10)
        assert it.names(Ingress) == []
        assert [e.reason for e in it.api.list(Event) if e.type == "Warning"] == []


@pytest.mark.parametrize(
    ("allowed", "kept"), [("false", None), ("true", "0")], ids=["not allowed", "allowed"]
)
async def test_an_initial_scale_of_zero_is_left_out_where_knative_would_refuse_it(allowed, kept):
    key = "autoscaling.knative.dev/initial-scale"
    async with world() as it:
        data = {"allow-zero-initial-scale": allowed}
        meta = ObjectMeta(name="config-autoscaler", namespace="knative-serving")
        await it.given(ConfigMap(metadata=meta, data=data))
        await it.given(
            isvc({**CUSTOM, "minReplicas": 0}, annotations={**KNATIVE, key: "0"}),
        )
        template = it.the(serving.Service, "iris-predictor").spec.template.metadata
        assert template is not None
        assert template.annotations.get(key) == kept
        assert ready(it) == ("True", "")


async def test_somebody_elses_deployment_is_left_alone():
    async with world() as it:
        await it.given(isvc(CUSTOM))
        theirs = it.the(Deployment, "iris-predictor")
        meta = replace(theirs.metadata, owner_references=())
        await it.api.update(replace(theirs, metadata=meta))
        await it.settle()
        assert ready(it)[0] == "False"
        message = find(status(it).conditions, "PredictorReady")
        assert message is not None
        assert "does not belong to this InferenceService" in (message.message or "")


# --- Knative mode


async def test_knative_mode_makes_a_knative_service():
    async with world() as it:
        await it.given(isvc(CUSTOM, annotations=KNATIVE))
        assert ready(it) == ("True", "")
        assert it.names(serving.Service) == ["iris-predictor"]
        for sum_ in ("LatestDeploymentReady", "RoutesReady"):
            found = find(status(it).conditions, sum_)
            assert found is not None
            assert found.status == "True"
        assert it.gateway.serving("iris-default.example.com") == {"iris-predictor-00001": 100}
        assert it.names(Deployment) == ["iris-predictor-00001-deployment"]
        predictor = status(it).components["predictor"]
        assert predictor.latest_ready_revision == "iris-predictor-00001"
        assert predictor.latest_rolledout_revision == "iris-predictor-00001"
        assert [(t.revision_name, t.percent) for t in predictor.traffic] == [
            ("iris-predictor-00001", 100)
        ]


async def test_a_canary_splits_promotes_and_pins():
    def version(number: int, percent: int | None) -> InferenceService:
        args = [f"--model_dir=/{number}"]
        fields: dict[str, Any] = {"containers": [{"image": IMAGE, "args": args}]}
        if percent is not None:
            fields["canaryTrafficPercent"] = percent
        return isvc(fields, annotations=KNATIVE)

    def shares() -> list[tuple[str | None, int | None, str | None]]:
        return [
            (t.revision_name, t.percent, t.tag) for t in status(it).components["predictor"].traffic
        ]

    async with world() as it:
        await it.given(version(1, None))
        await it.given(version(2, 10))
        await it.settle()
        assert shares() == [
            ("iris-predictor-00002", 10, None),
            ("iris-predictor-00001", 90, "prev"),
        ]
        await it.given(version(2, None))
        await it.settle()
        assert shares() == [("iris-predictor-00002", 100, None)]
        predictor = status(it).components["predictor"]
        assert predictor.latest_rolledout_revision == "iris-predictor-00002"
        assert predictor.previous_rolledout_revision == "iris-predictor-00001"
