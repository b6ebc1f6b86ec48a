"""InferenceServices as KServe's webhook would have them."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.admission import admit_kserve, kserve_notes, mode_of
from tidegate.model.errors import BadRequest
from tidegate.model.kserve import (
    InferenceGraph,
    InferenceService,
    InferenceServiceStatus,
    LLMInferenceService,
    ServingRuntime,
    TrainedModel,
)
from tidegate.model.wire import read, to_raw

SKLEARN = {"sklearn": {"storageUri": "file:///models/iris"}}


def resource_metric(name: str, target: dict[str, Any]) -> dict[str, Any]:
    metric = {"type": "Resource", "resource": {"name": name, "target": target}}
    return {**SKLEARN, "autoScaling": {"metrics": [metric]}}


def isvc(predictor: dict[str, Any], **more: Any) -> InferenceService:
    annotations = more.pop("annotations", {})
    name = more.pop("name", "iris")
    raw = {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {"predictor": predictor, **more},
    }
    value, reading = read(raw, InferenceService)
    assert not reading.unknown
    return value


def admitted(predictor: dict[str, Any], mode: str = "Standard", **more: Any) -> dict[str, Any]:
    return to_raw(admit_kserve(isvc(predictor, **more), None, default_mode=mode))


def refusal(predictor: dict[str, Any], mode: str = "Standard", **more: Any) -> str:
    with pytest.raises(BadRequest) as refused:
        admit_kserve(isvc(predictor, **more), None, default_mode=mode)
    prefix, _, text = refused.value.message.partition(" denied the request: ")
    assert prefix == 'admission webhook "inferenceservice.kserve-webhook-server.validator"'
    return text


def test_a_framework_key_is_read_back_as_model():
    predictor = admitted(SKLEARN)["spec"]["predictor"]
    assert predictor == {
        "model": {
            "modelFormat": {"name": "sklearn"},
            "storageUri": "file:///models/iris",
            "protocolVersion": "v1",
        }
    }


@pytest.mark.parametrize(("key", "protocol"), [("onnx", "v2"), ("xgboost", "v1"), ("triton", "v2")])
def test_each_framework_has_its_protocol(key, protocol):
    model = admitted({key: {"storageUri": "/m"}})["spec"]["predictor"]["model"]
    assert model["protocolVersion"] == protocol


def test_a_single_container_without_a_name_is_the_serving_one():
    predictor = admitted({"containers": [{"image": "python:3"}]})["spec"]["predictor"]
    assert [c["name"] for c in predictor["containers"]] == ["kserve-container"]


@pytest.mark.parametrize(
    ("written", "stored"), [("RawDeployment", "Standard"), ("Serverless", "Knative")]
)
def test_old_names_of_modes_become_todays(written, stored):
    key = "serving.kserve.io/deploymentMode"
    assert admitted(SKLEARN, annotations={key: written})["metadata"]["annotations"] == {key: stored}


@pytest.mark.parametrize(
    ("predictor", "text"),
    [
        ({}, "exactly one of [SKLearn, "),
        ({**SKLEARN, "containers": [{"image": "x:1"}]}, "must be specified in PredictorSpec"),
        ({**SKLEARN, "minReplicas": -1}, "'MinReplicas' cannot be less than 0"),
        ({**SKLEARN, "maxReplicas": -1}, "'MaxReplicas' cannot be less than 0"),
        (
            {**SKLEARN, "minReplicas": 3, "maxReplicas": 2},
            "'MinReplicas' cannot be greater than MaxReplicas",
        ),
        ({**SKLEARN, "scaleMetric": "gpu"}, "[gpu] is not a supported metric."),
        ({**SKLEARN, "scaleMetric": "rps"}, "[rps] is not a supported metric."),
        (
            {**SKLEARN, "scaleMetric": "cpu", "scaleTarget": 101},
            "the target utilization percentage should be a [1-100] integer",
        ),
        (
            {"sklearn": {"storageUri": "hdfs://models/iris"}},
            "spec.predictor.model.storageUri: hdfs:// is not fetched here",
        ),
        (
            {"sklearn": {"storageUri": "s3://me:hush@models/iris"}},
            "spec.predictor.model.storageUri: must carry no user or password",
        ),
        ({"sklearn": {"storageUri": "hf://models"}}, "hf://owner/model"),
        (
            {"sklearn": {"storageUri": "/m", "storage": {"path": "iris"}}},
            "say either storageUri or storage",
        ),
        (
            {"sklearn": {"storage": {"path": "iris", "parameters": {"type": "hdfs"}}}},
            "spec.predictor.model.storage.parameters.type: 'hdfs' is none of",
        ),
        ({"sklearn": {"storageUri": "ftp://models/iris"}}, "[ftp://models/iris] is not supported"),
        (
            {"model": {"storageUri": "/m"}},
            "spec.predictor.model.modelFormat.name: required",
        ),
        ({"containers": [{"name": "other", "image": "x:1"}]}, "must be named 'kserve-container'"),
        ({**SKLEARN, "workerSpec": {}}, "spec.predictor.workerSpec"),
        (resource_metric("disk", {}), "resource: name must be cpu or memory"),
        (resource_metric("cpu", {"type": "Value"}), "'Value' is neither Utilization nor"),
        (
            resource_metric("cpu", {"type": "AverageValue"}),
            "spec.predictor.autoScaling.metrics[0].resource.target.averageValue: required",
        ),
        (resource_metric("memory", {"type": "Utilization"}), "averageUtilization: required for"),
    ],
)
def test_what_is_wrong_is_named(predictor, text):
    assert text in refusal(predictor)


@pytest.mark.parametrize(
    ("fields", "mode", "text"),
    [
        ({"logger": {"url": "https://sink"}}, "Standard", "spec.predictor.logger.url"),
        ({"logger": {"url": "http://s", "mode": "some"}}, "Standard", "spec.predictor.logger.mode"),
        ({"batcher": {"maxBatchSize": 0}}, "Standard", "spec.predictor.batcher.maxBatchSize"),
        ({"batcher": {"maxLatency": 0}}, "Knative", "spec.predictor.batcher.maxLatency"),
    ],
)
def test_a_batcher_or_logger_that_cannot_run_is_refused(fields, mode, text):
    assert text in refusal({**SKLEARN, **fields}, mode)


def test_a_batcher_can_be_had_in_knative_mode_too():
    predictor = admitted({**SKLEARN, "batcher": {}}, mode="Knative")["spec"]["predictor"]
    assert predictor["batcher"] == {}


def test_equal_bounds_and_no_upper_bound_are_fine():
    for high in (2, 0):
        predictor = admitted({**SKLEARN, "minReplicas": 2, "maxReplicas": high})["spec"][
            "predictor"
        ]
        assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, high)


def test_rps_is_a_metric_in_knative_mode():
    by_rps = {**SKLEARN, "scaleMetric": "rps", "scaleTarget": 500}
    predictor = admitted(by_rps, mode="Knative")["spec"]["predictor"]
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("rps", 500)
    assert refusal(by_rps, mode="Standard") == "[rps] is not a supported metric."


def test_a_bad_name_quotes_the_rule():
    assert "[a-z]([-a-z0-9]*[a-z0-9])?" in refusal(SKLEARN, name="1iris")


def test_an_unknown_autoscaler_class_is_refused():
    key = "serving.kserve.io/autoscalerClass"
    text = refusal(SKLEARN, annotations={key: "magic"})
    assert text == "[magic] is not a supported autoscaler class type."


def test_the_mode_cannot_change():
    key = "serving.kserve.io/deploymentMode"
    old = admit_kserve(isvc(SKLEARN), None, default_mode="Standard")
    with pytest.raises(BadRequest, match="cannot be changed from 'Standard' to 'Knative'"):
        admit_kserve(isvc(SKLEARN, annotations={key: "Knative"}), old, default_mode="Standard")


def test_a_changed_default_does_not_move_what_was_made_before():
    made = InferenceServiceStatus(deployment_mode="Standard")
    old = InferenceService(metadata=isvc(SKLEARN).metadata, spec=isvc(SKLEARN).spec, status=made)
    assert mode_of(old, "Knative") == "Standard"
    assert admit_kserve(old, old, default_mode="Knative").status == made


def test_fields_without_effect_in_standard_mode_are_named():
    given = isvc({**SKLEARN, "canaryTrafficPercent": 10, "timeout": 5})
    notes = kserve_notes(given, default_mode="Standard")
    assert [note.partition(":")[0] for note in notes] == [
        "spec.predictor.canaryTrafficPercent",
        "spec.predictor.timeout",
    ]
    assert kserve_notes(given, default_mode="Knative") == []


@pytest.mark.parametrize("class_", ["external", "none"])
def test_a_metric_that_no_scaler_will_look_at_is_named(class_):
    given = isvc(
        {**SKLEARN, "scaleMetric": "cpu", "scaleTarget": 10},
        annotations={"serving.kserve.io/autoscalerClass": class_},
    )
    notes = kserve_notes(given, default_mode="Standard")
    assert [note.partition(":")[0] for note in notes] == [
        "spec.predictor.scaleMetric",
        "spec.predictor.scaleTarget",
    ]
    scaled = isvc({**SKLEARN, "scaleMetric": "cpu", "scaleTarget": 10})
    assert kserve_notes(scaled, default_mode="Standard") == []


METRICS = {"metrics": [{"type": "Resource", "resource": {"name": "cpu"}}]}


@pytest.mark.parametrize(
    ("fields", "mode", "named"),
    [
        ({"autoScaling": METRICS}, "Knative", "autoScaling"),
        ({"scaleMetricType": "Utilization"}, "Knative", "scaleMetricType"),
        ({"deploymentStrategy": {"type": "Recreate"}}, "Knative", "deploymentStrategy"),
        ({"autoScaling": METRICS, "scaleTarget": 5}, "Standard", "scaleTarget"),
        ({"minReplicas": 0}, "Standard", "minReplicas"),
    ],
)
def test_what_the_mode_has_no_use_for_is_named(fields, mode, named):
    [note] = kserve_notes(isvc({**SKLEARN, **fields}), default_mode=mode)
    assert note.startswith(f"spec.predictor.{named}: ")


def test_annotations_about_autoscalers_say_nothing_to_knative():
    key = "serving.kserve.io/autoscalerClass"
    given = isvc(SKLEARN, annotations={key: "hpa"})
    assert kserve_notes(given, default_mode="Standard") == []
    [note] = kserve_notes(given, default_mode="Knative")
    assert key in note


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        ("metric", "rps", "[rps] is not a supported metric."),
        ("targetUtilizationPercentage", "200", "should be a [1-100] integer"),
        ("targetUtilizationPercentage", "some", "should be a [1-100] integer"),
    ],
)
def test_the_annotations_that_were_before_fields_are_checked(annotation, value, says):
    assert says in refusal(SKLEARN, annotations={f"serving.kserve.io/{annotation}": value})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"minReplicas": 0}, "spec.predictor.minReplicas: 0 needs an External metric"),
        (
            {"autoScaling": {"metrics": [{"type": "Resource", "resource": {"name": "memory"}}]}},
            "averageUtilization: required for memory",
        ),
        (
            {
                "autoScaling": {
                    "metrics": [
                        {
                            "type": "External",
                            "external": {
                                "metric": {
                                    "backend": "prometheus",
                                    "serverAddress": "http://p",
                                    "query": "up",
                                },
                                "target": {"type": "Value"},
                            },
                        }
                    ]
                }
            },
            "external.target.value: required",
        ),
    ],
)
def test_what_a_scaled_object_could_not_do_is_refused_at_once(fields, says):
    keda = {"serving.kserve.io/autoscalerClass": "keda"}
    assert says in refusal({**SKLEARN, **fields}, annotations=keda)


EXTERNAL = {
    "metric": {"backend": "prometheus", "serverAddress": "http://p", "query": "up"},
    "target": {"type": "Value", "value": "5"},
}


@pytest.mark.parametrize(
    ("mode", "class_"), [("Standard", "external"), ("Standard", "none"), ("Knative", "hpa")]
)
def test_metrics_that_nothing_looks_at_are_no_reason_to_refuse(mode, class_):
    fields = {**SKLEARN, "autoScaling": {"metrics": [{"type": "External", "external": EXTERNAL}]}}
    annotations = {"serving.kserve.io/autoscalerClass": class_}
    admitted(fields, mode, annotations=annotations)
    notes = kserve_notes(isvc(fields, annotations=annotations), default_mode=mode)
    assert any(note.startswith("spec.predictor.autoScaling: has no effect") for note in notes)
    assert "needs the autoscaler class keda" in refusal(fields)


def test_a_transformer_beside_the_model_has_no_storage_of_its_own():
    uri = {"name": "STORAGE_URI", "value": "file:///m"}
    beside = {"name": "transformer-container", "image": "t:1", "env": [uri]}
    text = refusal({**SKLEARN, "containers": [beside]})
    assert text == "storage uri should not be specified in transformer container"


def test_a_framework_key_that_is_patched_in_replaces_the_stored_model():
    old = admit_kserve(isvc(SKLEARN), None, default_mode="Standard")
    patched = to_raw(old.spec.predictor) | {"sklearn": {"storageUri": "file:///models/other"}}
    new = admit_kserve(isvc(patched), old, default_mode="Standard")
    assert new.spec.predictor.model is not None
    assert new.spec.predictor.model.storage_uri == "file:///models/other"
    assert new.spec.predictor.sklearn is None


@pytest.mark.parametrize("type_", [InferenceGraph, TrainedModel, LLMInferenceService])
def test_kinds_that_are_not_served_say_what_to_do_instead(type_):
    given, _ = read({"metadata": {"name": "x", "namespace": "default"}, "spec": {}}, type_)
    with pytest.raises(BadRequest, match=f"{type_.__name__} is not served here: "):
        admit_kserve(given, None, default_mode="Standard")


def test_a_runtime_needs_a_container():
    empty, _ = read({"metadata": {"name": "r", "namespace": "default"}}, ServingRuntime)
    with pytest.raises(BadRequest, match=r"spec\.containers: a runtime needs one"):
        admit_kserve(empty, None, default_mode="Standard")
