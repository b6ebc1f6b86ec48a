"""gRPC clients of models behind a whole engine: TensorFlow Serving's and KServe's protocols, from zero."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tidegate.runtimes import grpc_tf, grpc_v2
from tidegate.testing.engine import RunningEngine, running_engine, wait_until

pytest.importorskip("skl2onnx")
pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::ResourceWarning")]

WITHIN_S = 90
FLOWERS = [6.8, 2.8, 4.8, 1.4, 6.0, 3.4, 4.5, 1.6]


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Iris as ONNX in TensorFlow Serving's layout, and as a pickle."""
    import joblib
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("models")
    rows, kinds = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(rows, kinds)
    (folder / "tf/3").mkdir(parents=True)
    (folder / "sklearn").mkdir()
    joblib.dump(model, folder / "sklearn/model.joblib")
    onnx = to_onnx(model, np.zeros((1, 4), dtype=np.float32), options={"zipmap": False})
    (folder / "tf/3/model.onnx").write_bytes(onnx.SerializeToString())
    return folder


def channel(engine: RunningEngine, authority: str) -> grpc.Channel:
    host, port = engine.gateway
    options = [("grpc.default_authority", authority)]
    return grpc.insecure_channel(f"{host}:{port}", options=options)


def method(made: grpc.Channel, path: str, messages: dict[str, Any], asked: str, answer: str) -> Any:
    return made.unary_unary(
        path,
        request_serializer=messages[asked].SerializeToString,
        response_deserializer=messages[answer].FromString,
    )


def tf_method(made: grpc.Channel, service: str, name: str) -> Any:
    messages, at = grpc_tf.MESSAGES, "tensorflow.serving"
    return method(
        made, f"/{service}/{name}", messages, f"{at}.{name}Request", f"{at}.{name}Response"
    )


def v2_method(made: grpc.Channel, name: str) -> Any:
    at = "inference"
    path = f"/{grpc_v2.SERVICE}/{name}"
    return method(made, path, grpc_v2.MESSAGES, f"{at}.{name}Request", f"{at}.{name}Response")


def test_a_client_of_tensorflow_serving_calls_port_8500_of_the_service(engine, models):
    labels = {"app": "bert"}
    container = {
        "name": "serving",
        "image": "tensorflow/serving:2.14.0",
        "args": [
            f"--model_base_path={models}/tf",
            "--model_name=iris",
            "--port=8500",
            "--rest_api_port=8501",
        ],
        "command": ["/usr/bin/tensorflow_model_server"],
        "ports": [{"containerPort": 8500, "name": "serving"}, {"containerPort": 8501}],
        "readinessProbe": {"tcpSocket": {"port": 8501}, "periodSeconds": 1},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bert"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    ports = [{"name": "grpc-serving", "port": 8500}, {"name": "http-serving", "port": 8501}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "bert"},
        "spec": {"selector": labels, "ports": ports},
    }
    both = {"apiVersion": "v1", "kind": "List", "items": [deployment, service]}
    engine.cli("apply", "-f", "-", stdin=json.dumps(both))
    with channel(engine, "bert.default:8500") as made:
        tensor = grpc_tf.MESSAGES["tensorflow.TensorProto"](
            dtype=1, tensor_shape={"dim": [{"size": 2}, {"size": 4}]}, float_val=FLOWERS
        )
        asked = grpc_tf.MESSAGES["tensorflow.serving.PredictRequest"](
            model_spec={"name": "iris"}, inputs={"X": tensor}
        )
        predict = tf_method(made, grpc_tf.PREDICTION, "Predict")
        answer = predict(asked, timeout=WITHIN_S, wait_for_ready=True)
        assert list(answer.outputs["label"].int64_val) == [1, 1]
        assert answer.model_spec.version.value == 3
        status = tf_method(made, grpc_tf.MODEL, "GetModelStatus")
        said = grpc_tf.MESSAGES["tensorflow.serving.GetModelStatusRequest"]
        [one] = status(said(model_spec={"name": "iris"}), timeout=WITHIN_S).model_version_status
        assert (one.version, one.state) == (3, 30)
        with pytest.raises(grpc.RpcError) as refused:
            status(said(model_spec={"name": "no"}), timeout=WITHIN_S)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        nothing = grpc_tf.MESSAGES["tensorflow.serving.Unserved"]
        classify = made.unary_unary(
            f"/{grpc_tf.PREDICTION}/Classify", request_serializer=nothing.SerializeToString
        )
        with pytest.raises(grpc.RpcError) as refused:
            classify(nothing(), timeout=WITHIN_S)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    engine.cli("delete", "deployment", "bert")
    engine.cli("delete", "service", "bert")


def test_a_serverless_inference_service_is_called_by_grpc_from_zero(engine, models):
    annotations = {
        "serving.kserve.io/deploymentMode": "Serverless",
        "autoscaling.knative.dev/window": "6s",
        "autoscaling.knative.dev/target-burst-capacity": "-1",
    }
    model = {
        "modelFormat": {"name": "sklearn"},
        "storageUri": f"file://{models}/sklearn",
        "protocolVersion": "v2",
        "ports": [{"name": "h2c", "containerPort": 8081, "protocol": "TCP"}],
    }
    isvc = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "annotations": annotations},
        "spec": {"predictor": {"minReplicas": 0, "model": model}},
    }
    engine.cli("apply", "-f", "-", stdin=json.dumps(isvc))
    engine.cli("wait", "isvc", "iris", "--for", "condition=Ready", "--timeout", "60s")
    wait_until("iris at zero", lambda: not engine.get("pods"), within_s=WITHIN_S)
    with channel(engine, "iris-default.example.com") as made:
        asked = grpc_v2.MESSAGES["inference.ModelInferRequest"](
            model_name="iris",
            inputs=[{"name": "X", "datatype": "FP32", "shape": [2, 4]}],
            raw_input_contents=[struct.pack("<8f", *FLOWERS)],
        )
        answer = v2_method(made, "ModelInfer")(asked, timeout=WITHIN_S)
        assert struct.unpack("<2q", answer.raw_output_contents[0]) == (1, 1)
        ready = v2_method(made, "ServerReady")
        assert ready(grpc_v2.MESSAGES["inference.ServerReadyRequest"](), timeout=WITHIN_S).ready
    engine.cli("delete", "isvc", "iris")
