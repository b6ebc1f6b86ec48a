"""gRPC over a model: the Open Inference Protocol, TensorFlow Serving's, and what is refused with which code."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.protocols.errors import (
    BadRequest,
    ModelNotReady,
    NotImplementedHere,
    ProtocolError,
    UnknownModel,
)
from tidegate.protocols.tensors import Tensor, TensorSpec
from tidegate.protocols.v2 import Infer
from tidegate.runtimes import grpc_tf, grpc_v2
from tidegate.runtimes.backend import About
from tidegate.runtimes.drain import Drain
from tidegate.runtimes.grpc_service import FailedPrecondition, Model, NoServable
from tidegate.runtimes.workers import Workers

V2, TF = grpc_v2.MESSAGES, grpc_tf.MESSAGES


class Mirror:
    """A model that gives back what it got, under the name y."""

    about = About(
        "mirror", 1, (TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1,)),)
    )

    def infer(self, asked: Infer) -> tuple[Tensor, ...]:
        first = asked.inputs[0]
        return (Tensor("y", first.datatype, first.shape, first.data),)


@pytest.fixture
def model():
    clock = RealClock()
    workers = Workers(1, clock)
    yield Model("m", frozenset({"m", "also"}), "7", Mirror(), workers, Drain(), lambda: "new-id")
    workers.close()


@pytest.fixture
def v2(model):
    return caller(grpc_v2.Inference(model, always_raw=False).methods())


@pytest.fixture
def tf(model):
    return caller(grpc_tf.TensorFlowServing(model).methods())


def caller(methods):
    """Calls by name, through the bytes of both messages."""
    known = {method.name: method for method in methods}

    async def call(name: str, /, **fields: Any) -> Any:
        method = known[name]
        asked = method.request.FromString(method.request(**fields).SerializeToString())
        answer = method.response(**await method.call(asked))
        return method.response.FromString(answer.SerializeToString())

    return call


def typed(datatype: str, shape: list[int], **contents: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": shape, "contents": contents}


async def test_health_readiness_and_names_follow_the_server(v2, model):
    assert (await v2("ServerLive")).live
    assert (await v2("ServerReady")).ready
    assert (await v2("ModelReady", name="also")).ready
    assert (await v2("Check")).status == 1
    model.drain.begin()
    assert (await v2("ServerLive")).live
    assert not (await v2("ServerReady")).ready
    assert (await v2("Check")).status == 2
    with pytest.raises(ModelNotReady):
        await v2("ModelInfer", model_name="m", inputs=[typed("FP32", [1], fp32_contents=[1])])


async def test_metadata_tells_versions_and_tensors(v2):
    said = await v2("ModelMetadata", name="m")
    assert (said.name, list(said.versions), said.platform) == ("m", ["7"], "mirror")
    assert [(t.name, t.datatype, list(t.shape)) for t in said.inputs] == [("x", "FP32", [-1, 2])]
    assert (await v2("ServerMetadata")).name == "tidegate"


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("FP32", "fp32_contents", [1.5, -2.0]),
        ("FP64", "fp64_contents", [1.1, 2.2]),
        ("INT64", "int64_contents", [-(2**60), 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("INT8", "int_contents", [-128, 127]),
        ("BOOL", "bool_contents", [True, False]),
        ("BYTES", "bytes_contents", ["ü".encode(), b""]),
    ],
)
async def test_typed_tensors_are_answered_typed(v2, datatype, field, values):
    asked = typed(datatype, [1, 2], **{field: values})
    answer = await v2("ModelInfer", model_name="m", id="i", inputs=[asked])
    [output] = answer.outputs
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "7", "i")
    assert (output.name, output.datatype, list(output.shape)) == ("y", datatype, [1, 2])
    assert list(getattr(output.contents, field)) == values
    assert not answer.raw_output_contents


@pytest.mark.parametrize(
    ("datatype", "raw", "answered"),
    [
        ("FP32", struct.pack("<2f", 1, 2), struct.pack("<2f", 1, 2)),
        ("INT16", struct.pack("<2h", -1, 2), struct.pack("<2h", -1, 2)),
        ("BOOL", b"\1\0", b"\1\0"),
        ("BYTES", b"\1\0\0\0a\0\0\0\0", b"\1\0\0\0a\0\0\0\0"),
        ("FP16", struct.pack("<2e", 1, 2), struct.pack("<2f", 1, 2)),
    ],
)
async def test_raw_tensors_are_answered_raw(v2, datatype, raw, answered):
    asked = {"name": "x", "datatype": datatype, "shape": [2]}
    answer = await v2("ModelInfer", model_name="m", inputs=[asked], raw_input_contents=[raw])
    assert list(answer.raw_output_contents) == [answered]
    assert not answer.outputs[0].HasField("contents")
    assert answer.id == "new-id"


async def test_triton_answers_raw_whatever_was_asked(model):
    call = caller(grpc_v2.Inference(model, always_raw=True).methods())
    asked = typed("FP32", [1], fp32_contents=[3])
    answer = await call("ModelInfer", model_name="m", inputs=[asked])
    assert list(answer.raw_output_contents) == [struct.pack("<f", 3)]


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"model_name": "no"}, UnknownModel, "Model with name no does not exist"),
        ({"model_version": "9"}, UnknownModel, "m version 9"),
        ({"inputs": []}, BadRequest, "needs at least one tensor"),
        ({"inputs": [typed("FP32", [2], fp32_contents=[1])]}, BadRequest, "don't fill the shape"),
        ({"inputs": [typed("FP8", [1])]}, BadRequest, "is not a datatype"),
        ({"inputs": [typed("UINT8", [1], uint_contents=[256])]}, BadRequest, "UINT8 can't"),
        ({"raw_input_contents": [b"", b""]}, BadRequest, "2 raw tensors for 1 inputs"),
        ({"raw_input_contents": [b"1234"]}, BadRequest, "is raw as well"),
    ],
)
async def test_what_makes_no_sense_is_refused(v2, fields, error, says):
    given = {"model_name": "m", "inputs": [typed("FP32", [1], fp32_contents=[1])]}
    with pytest.raises(error, match=says):
        await v2("ModelInfer", **{**given, **fields})


@pytest.mark.parametrize(
    ("datatype", "raw"), [("FP32", b"123"), ("BYTES", b"\5\0\0\0a"), ("BYTES", b"\1\0\0\0\xff")]
)
async def test_raw_bytes_that_are_no_such_tensor_are_refused(v2, datatype, raw):
    asked = {"name": "x", "datatype": datatype, "shape": [1]}
    with pytest.raises(BadRequest):
        await v2("ModelInfer", model_name="m", inputs=[asked], raw_input_contents=[raw])


# --- TensorFlow Serving


def spec(**more: Any) -> dict[str, Any]:
    return {"name": "m", **more}


def proto(number: int, *shape: int, **values: Any) -> Any:
    dims = {"dim": [{"size": size} for size in shape]}
    return TF["tensorflow.TensorProto"](dtype=number, tensor_shape=dims, **values)


@pytest.mark.parametrize(
    ("given", "field", "values"),
    [
        (proto(1, 1, 2, float_val=[1, 2]), "float_val", [1, 2]),
        (proto(1, 1, 2, tensor_content=struct.pack("<2f", 3, 4)), "float_val", [3, 4]),
        (proto(9, 2, int64_val=[2**40, -1]), "int64_val", [2**40, -1]),
        (proto(7, 2, string_val=[b"a", b"b"]), "string_val", [b"a", b"b"]),
        (proto(10, 2, bool_val=[True, False]), "bool_val", [True, False]),
        (proto(1, 3, float_val=[5]), "float_val", [5, 5, 5]),
        (proto(1, float_val=[5]), "float_val", [5]),
    ],
)
async def test_predict_takes_tensors_in_both_forms(tf, given, field, values):
    answer = await tf("Predict", model_spec=spec(), inputs={"x": given})
    output = answer.outputs["y"]
    assert (output.dtype, list(getattr(output, field))) == (given.dtype, values)
    assert output.tensor_shape == given.tensor_shape
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("m", 7)
    assert answer.model_spec.signature_name == "serving_default"


async def test_metadata_is_a_signature_map_in_an_any(tf):
    said = await tf("GetModelMetadata", model_spec=spec(), metadata_field=["signature_def"])
    held = TF["tensorflow.serving.SignatureDefMap"]()
    assert said.metadata["signature_def"].Unpack(held)
    signature = held.signature_def["serving_default"]
    assert (signature.inputs["x"].dtype, signature.method_name) == (1, "tensorflow/serving/predict")
    assert [dim.size for dim in signature.inputs["x"].tensor_shape.dim] == [-1, 2]


async def test_status_follows_the_server(tf, model):
    [one] = (await tf("GetModelStatus", model_spec=spec())).model_version_status
    assert (one.version, one.state, one.HasField("status")) == (7, 30, True)
    model.drain.begin()
    [one] = (await tf("GetModelStatus", model_spec=spec(version={"value": 7}))).model_version_status
    assert one.state == 40


@pytest.mark.parametrize(
    ("name", "fields", "error", "says"),
    [
        ("Predict", {}, BadRequest, "Missing ModelSpec"),
        ("Predict", {"model_spec": {"name": "no"}}, NoServable, r"request: Latest\(no\)"),
        (
            "Predict",
            {"model_spec": {"name": "m", "version": {"value": 9}}},
            NoServable,
            r"Specific\(m, 9\)",
        ),
        (
            "Predict",
            {"model_spec": {"name": "m", "signature_name": "s"}},
            FailedPrecondition,
            'signature key "s" not found',
        ),
        ("Predict", {"model_spec": {"name": "m"}}, BadRequest, "at least one tensor"),
        (
            "Predict",
            {"model_spec": {"name": "m"}, "inputs": {"x": proto(8, 1)}},
            BadRequest,
            "type 8",
        ),
        (
            "Predict",
            {"model_spec": {"name": "m"}, "inputs": {"x": proto(1, 2, tensor_content=b"123")}},
            BadRequest,
            "3 bytes don't fill the shape",
        ),
        ("GetModelMetadata", {"model_spec": {"name": "m"}}, BadRequest, "at least one"),
        ("Classify", {}, NotImplementedHere, "tf.Example"),
        ("MultiInference", {}, NotImplementedHere, "tf.Example"),
        ("HandleReloadConfigRequest", {}, NotImplementedHere, "one model"),
    ],
)
async def test_what_tensorflow_serving_refuses_is_refused_in_its_words(
    tf, name, fields, error, says
):
    with pytest.raises(ProtocolError, match=says) as refused:
        await tf(name, **fields)
    assert isinstance(refused.value, error)
