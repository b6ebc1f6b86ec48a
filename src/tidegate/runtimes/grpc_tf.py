"""TensorFlow Serving's gRPC: PredictionService and ModelService over one model.

Predict takes tensors in typed fields or as `tensor_content` and answers in typed fields. Classify,
Regress and MultiInference take tf.Example rows, which need TensorFlow: they are UNIMPLEMENTED.
Source of the names and field numbers: tensorflow_serving/apis/*.proto, tensorflow/core/framework.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from tidegate.protocols.errors import BadRequest, NotImplementedHere
from tidegate.protocols.tensors import Tensor, TensorSpec, read_tensor
from tidegate.protocols.tfserving import SIGNATURE
from tidegate.protocols.v2 import Infer
from tidegate.runtimes.grpc_messages import classes
from tidegate.runtimes.grpc_service import FailedPrecondition, Method, Model, NoServable

PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"
_TF, _SERVING = "tensorflow", "tensorflow.serving"
#: Our datatype -> (number of TensorFlow's, its name, field of the values, numpy's kind).
TYPES: dict[str, tuple[int, str, str, str]] = {
    "FP32": (1, "DT_FLOAT", "float_val", "<f4"),
    "FP64": (2, "DT_DOUBLE", "double_val", "<f8"),
    "INT32": (3, "DT_INT32", "int_val", "<i4"),
    "UINT8": (4, "DT_UINT8", "int_val", "<u1"),
    "INT16": (5, "DT_INT16", "int_val", "<i2"),
    "INT8": (6, "DT_INT8", "int_val", "<i1"),
    "BYTES": (7, "DT_STRING", "string_val", ""),
    "INT64": (9, "DT_INT64", "int64_val", "<i8"),
    "BOOL": (10, "DT_BOOL", "bool_val", "?"),
    "UINT16": (17, "DT_UINT16", "int_val", "<u2"),
    "UINT32": (22, "DT_UINT32", "uint32_val", "<u4"),
    "UINT64": (23, "DT_UINT64", "uint64_val", "<u8"),
}
_DATATYPE_OF = {number: datatype for datatype, (number, *_) in TYPES.items()}
_SPEC = f"model_spec 1 {_SERVING}.ModelSpec"
MESSAGES = classes(
    {
        f"{_TF}.TensorShapeDim": "size 1 int64\nname 2 string",
        f"{_TF}.TensorShapeProto": f"""
            dim 2 repeated {_TF}.TensorShapeDim
            unknown_rank 3 bool""",
        f"{_TF}.TensorProto": f"""
            dtype 1 {_TF}.DataType
            tensor_shape 2 {_TF}.TensorShapeProto
            version_number 3 int32
            tensor_content 4 bytes
            float_val 5 repeated float
            double_val 6 repeated double
            int_val 7 repeated int32
            string_val 8 repeated bytes
            int64_val 10 repeated int64
            bool_val 11 repeated bool
            uint32_val 16 repeated uint32
            uint64_val 17 repeated uint64""",
        f"{_TF}.TensorInfo": f"""
            name 1 string
            dtype 2 {_TF}.DataType
            tensor_shape 3 {_TF}.TensorShapeProto""",
        f"{_TF}.SignatureDef": f"""
            inputs 1 map {_TF}.TensorInfo
            outputs 2 map {_TF}.TensorInfo
            method_name 3 string""",
        f"{_SERVING}.ModelSpec": """
            name 1 string
            oneof version 2 google.protobuf.Int64Value
            oneof version_label 4 string
            signature_name 3 string""",
        f"{_SERVING}.PredictRequest": f"""
            {_SPEC}
            inputs 2 map {_TF}.TensorProto
            output_filter 3 repeated string""",
        f"{_SERVING}.PredictResponse": f"""
            outputs 1 map {_TF}.TensorProto
            model_spec 2 {_SERVING}.ModelSpec""",
        f"{_SERVING}.GetModelMetadataRequest": f"{_SPEC}\nmetadata_field 2 repeated string",
        f"{_SERVING}.GetModelMetadataResponse": f"{_SPEC}\nmetadata 2 map google.protobuf.Any",
        f"{_SERVING}.SignatureDefMap": f"signature_def 1 map {_TF}.SignatureDef",
        f"{_SERVING}.GetModelStatusRequest": _SPEC,
        f"{_SERVING}.StatusProto": "error_code 1 int32\nerror_message 2 string",
        f"{_SERVING}.ModelVersionStatus": f"""
            version 1 int64
            state 2 {_SERVING}.State
            status 3 {_SERVING}.StatusProto""",
        f"{_SERVING}.GetModelStatusResponse": (
            f"model_version_status 1 repeated {_SERVING}.ModelVersionStatus"
        ),
        f"{_SERVING}.Unserved": "",
    },
    {
        f"{_TF}.DataType": {"DT_INVALID": 0}
        | {name: number for number, name, *_ in TYPES.values()},
        f"{_SERVING}.State": {
            "UNKNOWN": 0,
            "START": 10,
            "LOADING": 20,
            "AVAILABLE": 30,
            "UNLOADING": 40,
            "END": 50,
        },
    },
)
_AVAILABLE, _UNLOADING = 30, 40
_FIELD = "signature_def"


class TensorFlowServing:
    """Both services over one version of one model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def methods(self) -> Iterator[Method]:
        """What it serves, and what it refuses by name."""
        for service, name, call in (
            (PREDICTION, "Predict", self.predict),
            (PREDICTION, "GetModelMetadata", self.metadata),
            (MODEL, "GetModelStatus", self.status),
        ):
            asked = MESSAGES[f"{_SERVING}.{name}Request"]
            yield Method(service, name, asked, MESSAGES[f"{_SERVING}.{name}Response"], call)
        nothing = MESSAGES[f"{_SERVING}.Unserved"]
        for name in ("Classify", "Regress", "MultiInference"):
            yield Method(PREDICTION, name, nothing, nothing, _examples)
        yield Method(MODEL, "HandleReloadConfigRequest", nothing, nothing, _reload)

    async def predict(self, asked: Any) -> dict[str, Any]:
        """Raises `ProtocolError`."""
        self._check(asked.model_spec)
        signature = asked.model_spec.signature_name
        if signature not in ("", SIGNATURE):
            raise FailedPrecondition(f'Serving signature key "{signature}" not found.')
        inputs = tuple(_tensor(name, value) for name, value in asked.inputs.items())
        if not inputs:
            raise BadRequest("needs at least one tensor", field="inputs")
        wanted = Infer(inputs, tuple(asked.output_filter))
        outputs = await self._model.infer(wanted, asked.ByteSize())
        return {
            "outputs": {each.name: _proto(each) for each in outputs},
            "model_spec": self._spec(SIGNATURE),
        }

    async def metadata(self, asked: Any) -> dict[str, Any]:
        """Raises `ProtocolError`."""
        self._check(asked.model_spec)
        fields = list(asked.metadata_field)
        if not fields:
            raise BadRequest("GetModelMetadataRequest must specify at least one metadata_field")
        for field in fields:
            if field != _FIELD:
                raise BadRequest(f"Metadata field {field} is not supported")
        about = self._model.about
        signature = {
            "inputs": {each.name: _info(each) for each in about.inputs},
            "outputs": {each.name: _info(each) for each in about.outputs},
            "method_name": "tensorflow/serving/predict",
        }
        held = MESSAGES[f"{_SERVING}.SignatureDefMap"](signature_def={SIGNATURE: signature})
        packed = {
            "type_url": f"type.googleapis.com/{_SERVING}.SignatureDefMap",
            "value": held.SerializeToString(),
        }
        return {"model_spec": self._spec(""), "metadata": {_FIELD: packed}}

    async def status(self, asked: Any) -> dict[str, Any]:
        """Raises `ProtocolError`."""
        self._check(asked.model_spec)
        state = _AVAILABLE if self._model.ready else _UNLOADING
        one = {"version": int(self._model.version or 0), "state": state, "status": {}}
        return {"model_version_status": [one]}

    def _check(self, spec: Any) -> None:
        """Raises `BadRequest`, `NoServable` in TF Serving's words."""
        if not spec.name:
            raise BadRequest("Missing ModelSpec")
        if spec.HasField("version_label"):
            raise NotImplementedHere("versions have no labels here: give the number")
        version = str(spec.version.value) if spec.HasField("version") else None
        if spec.name not in self._model.names or version not in (None, self._model.version):
            which = (
                f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
            )
            raise NoServable(f"Servable not found for request: {which}")

    def _spec(self, signature: str) -> dict[str, Any]:
        version = {"value": int(self._model.version or 0)}
        return {"name": self._model.name, "version": version, "signature_name": signature}


async def _examples(_: Any) -> dict[str, Any]:
    raise NotImplementedHere("it takes tf.Example rows, which need TensorFlow: call Predict")


async def _reload(_: Any) -> dict[str, Any]:
    raise NotImplementedHere("one model is served from start to end: start another server")


def _tensor(name: str, proto: Any) -> Tensor:
    """Raises `BadRequest`. A tensor with fewer values than elements repeats the last, as TensorFlow reads it."""
    at = f"inputs[{name}]"
    datatype = _DATATYPE_OF.get(proto.dtype)
    if datatype is None:
        raise BadRequest(f"type {proto.dtype} is not taken here", field=f"{at}.dtype")
    _, _, field, kind = TYPES[datatype]
    shape = [each.size for each in proto.tensor_shape.dim]
    if proto.tensor_content:
        values = _content(proto.tensor_content, kind, shape, at)
    else:
        values = list(getattr(proto, field))
        missing = prod(shape) - len(values)
        if values and missing > 0:
            values += [values[-1]] * missing
    if datatype == "BYTES":
        try:
            values = [each.decode() for each in values]
        except UnicodeDecodeError as why:
            raise BadRequest("holds bytes that are no UTF-8 text", field=at) from why
    return read_tensor(name, datatype, shape, values, field=at)


def _content(content: bytes, kind: str, shape: Sequence[int], at: str) -> list[Any]:
    if not kind:
        raise BadRequest("strings travel in string_val", field=f"{at}.tensor_content")
    import numpy as np

    dtype = np.dtype(kind)
    if any(size < 0 for size in shape) or len(content) != prod(shape) * dtype.itemsize:
        raise BadRequest(f"{len(content)} bytes don't fill the shape {list(shape)}", field=at)
    values: list[Any] = np.frombuffer(content, dtype).tolist()
    return values


def _proto(tensor: Tensor) -> Any:
    number, _, field, _ = TYPES[tensor.datatype]
    data = tensor.data
    if tensor.datatype == "BYTES":
        data = [each.encode() for each in data]
    made = MESSAGES[f"{_TF}.TensorProto"](dtype=number, tensor_shape=_shape(tensor.shape))
    getattr(made, field).extend(data)
    return made


def _info(spec: TensorSpec) -> dict[str, Any]:
    number = TYPES[spec.datatype][0] if spec.datatype in TYPES else 0
    return {"name": f"{spec.name}:0", "dtype": number, "tensor_shape": _shape(spec.shape)}


def _shape(shape: Sequence[int]) -> dict[str, Any]:
    return {"dim": [{"size": size} for size in shape]}
