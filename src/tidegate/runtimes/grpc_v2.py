"""The Open Inference Protocol over gRPC: service `inference.GRPCInferenceService`.

Tensors come typed (`contents`) or raw (`raw_input_contents`, all inputs or none), little-endian; the
answer is in the form of the request, or always raw, as Triton's is. FP16 is taken raw and computed as
FP32. Source of the names and field numbers: the protocol's grpc_predict_v2.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from tidegate import __version__
from tidegate.protocols.errors import BadRequest, ModelNotReady, UnknownModel
from tidegate.protocols.tensors import Tensor, TensorSpec, read_tensor
from tidegate.protocols.v2 import SERVER_NAME, Infer
from tidegate.runtimes.grpc_messages import classes
from tidegate.runtimes.grpc_service import Method, Model

SERVICE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
_TENSOR = """
    name 1 string
    datatype 2 string
    shape 3 repeated int64"""
_VALUED = f"""{_TENSOR}
    parameters 4 map inference.InferParameter
    contents 5 inference.InferTensorContents"""
MESSAGES = classes(
    {
        "inference.ServerLiveRequest": "",
        "inference.ServerLiveResponse": "live 1 bool",
        "inference.ServerReadyRequest": "",
        "inference.ServerReadyResponse": "ready 1 bool",
        "inference.ModelReadyRequest": "name 1 string\nversion 2 string",
        "inference.ModelReadyResponse": "ready 1 bool",
        "inference.ServerMetadataRequest": "",
        "inference.ServerMetadataResponse": """
            name 1 string
            version 2 string
            extensions 3 repeated string""",
        "inference.ModelMetadataRequest": "name 1 string\nversion 2 string",
        "inference.TensorMetadata": _TENSOR,
        "inference.ModelMetadataResponse": """
            name 1 string
            versions 2 repeated string
            platform 3 string
            inputs 4 repeated inference.TensorMetadata
            outputs 5 repeated inference.TensorMetadata""",
        "inference.InferParameter": """
            oneof bool_param 1 bool
            oneof int64_param 2 int64
            oneof string_param 3 string
            oneof double_param 4 double
            oneof uint64_param 5 uint64""",
        "inference.InferTensorContents": """
            bool_contents 1 repeated bool
            int_contents 2 repeated int32
            int64_contents 3 repeated int64
            uint_contents 4 repeated uint32
            uint64_contents 5 repeated uint64
            fp32_contents 6 repeated float
            fp64_contents 7 repeated double
            bytes_contents 8 repeated bytes""",
        "inference.InferInputTensor": _VALUED,
        "inference.InferRequestedOutputTensor": """
            name 1 string
            parameters 2 map inference.InferParameter""",
        "inference.ModelInferRequest": """
            model_name 1 string
            model_version 2 string
            id 3 string
            parameters 4 map inference.InferParameter
            inputs 5 repeated inference.InferInputTensor
            outputs 6 repeated inference.InferRequestedOutputTensor
            raw_input_contents 7 repeated bytes""",
        "inference.InferOutputTensor": _VALUED,
        "inference.ModelInferResponse": """
            model_name 1 string
            model_version 2 string
            id 3 string
            parameters 4 map inference.InferParameter
            outputs 5 repeated inference.InferOutputTensor
            raw_output_contents 6 repeated bytes""",
        "grpc.health.v1.HealthCheckRequest": "service 1 string",
        "grpc.health.v1.HealthCheckResponse": "status 1 grpc.health.v1.ServingStatus",
    },
    {"grpc.health.v1.ServingStatus": {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2}},
)
_CONTENTS_OF = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_NUMPY_OF = {
    "BOOL": "?",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
}
_LENGTH = 4  # bytes before each element of raw BYTES


class Inference:
    """The service over one model. `always_raw`: answer as Triton does, whatever the request's form."""

    def __init__(self, model: Model, *, always_raw: bool) -> None:
        self._model, self._always_raw = model, always_raw

    def methods(self) -> Iterator[Method]:
        """What it serves."""
        for name, call in (
            ("ServerLive", self.server_live),
            ("ServerReady", self.server_ready),
            ("ModelReady", self.model_ready),
            ("ServerMetadata", self.server_metadata),
            ("ModelMetadata", self.model_metadata),
            ("ModelInfer", self.infer),
        ):
            yield Method(
                SERVICE,
                name,
                MESSAGES[f"inference.{name}Request"],
                MESSAGES[f"inference.{name}Response"],
                call,
            )
        asked, answer = (
            MESSAGES[f"grpc.health.v1.HealthCheck{x}"] for x in ("Request", "Response")
        )
        yield Method(HEALTH, "Check", asked, answer, self.health)

    async def server_live(self, _: Any) -> dict[str, Any]:
        return {"live": True}

    async def server_ready(self, _: Any) -> dict[str, Any]:
        return {"ready": self._model.ready}

    async def health(self, _: Any) -> dict[str, Any]:
        return {"status": 1 if self._model.ready else 2}

    async def model_ready(self, asked: Any) -> dict[str, Any]:
        self._check(asked.name, asked.version)
        return {"ready": self._model.ready}

    async def server_metadata(self, _: Any) -> dict[str, Any]:
        return {"name": SERVER_NAME, "version": __version__}

    async def model_metadata(self, asked: Any) -> dict[str, Any]:
        self._check(asked.name, asked.version)
        about = self._model.about
        version = self._model.version
        return {
            "name": self._model.name,
            "versions": [version] if version else [],
            "platform": about.platform,
            "inputs": [_metadata(each) for each in about.inputs],
            "outputs": [_metadata(each) for each in about.outputs],
        }

    async def infer(self, asked: Any) -> dict[str, Any]:
        """Raises `ProtocolError`."""
        self._check(asked.model_name, asked.model_version)
        if not self._model.ready:
            raise ModelNotReady(self._model.name)
        wanted = Infer(
            tuple(_inputs(asked)), tuple(each.name for each in asked.outputs), asked.id or None
        )
        outputs = await self._model.infer(wanted, asked.ByteSize())
        raw = self._always_raw or bool(asked.raw_input_contents)
        answer: dict[str, Any] = {
            "model_name": self._model.name,
            "model_version": self._model.version or "",
            "id": asked.id or self._model.new_id(),
            "outputs": [_output(each, raw=raw) for each in outputs],
        }
        if raw:
            answer["raw_output_contents"] = [_raw(each) for each in outputs]
        return answer

    def _check(self, name: str, version: str) -> None:
        """Raises `UnknownModel`."""
        if name not in self._model.names:
            raise UnknownModel(name)
        if version and self._model.version and version != self._model.version:
            raise UnknownModel(f"{name} version {version}")


def _metadata(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _inputs(asked: Any) -> Iterator[Tensor]:
    raw = list(asked.raw_input_contents)
    if not asked.inputs:
        raise BadRequest("needs at least one tensor", field="inputs")
    if raw and len(raw) != len(asked.inputs):
        raise BadRequest(
            f"{len(raw)} raw tensors for {len(asked.inputs)} inputs: all are raw, or none is",
            field="raw_input_contents",
        )
    for i, each in enumerate(asked.inputs):
        at = f"inputs[{i}]"
        if raw:
            if each.HasField("contents"):
                raise BadRequest("has contents and is raw as well", field=at)
            yield _from_raw(each.name, each.datatype, list(each.shape), raw[i], at)
            continue
        field = _CONTENTS_OF.get(each.datatype)
        data: list[Any] = list(getattr(each.contents, field)) if field else []
        if each.datatype == "BYTES":
            data = [_text(one, at) for one in data]
        yield read_tensor(each.name, each.datatype, list(each.shape), data, field=at)


def _from_raw(name: str, datatype: str, shape: list[int], content: bytes, at: str) -> Tensor:
    if datatype == "BYTES":
        return read_tensor(name, datatype, shape, list(_elements(content, at)), field=at)
    kind = _NUMPY_OF.get(datatype)
    if kind is None:
        raise BadRequest(f"{datatype!r} is not taken here", field=f"{at}.datatype")
    import numpy as np

    dtype = np.dtype(kind)
    if any(size < 0 for size in shape) or len(content) != prod(shape) * dtype.itemsize:
        raise BadRequest(f"{len(content)} bytes are no {datatype} of {shape}", field=at)
    flat = np.frombuffer(content, dtype).tolist()
    return Tensor(name, "FP32" if datatype == "FP16" else datatype, tuple(shape), flat)


def _elements(content: bytes, at: str) -> Iterator[str]:
    while content:
        size = int.from_bytes(content[:_LENGTH], "little")
        if len(content) < _LENGTH + size:
            raise BadRequest("ends in the middle of an element", field=at)
        yield _text(content[_LENGTH : _LENGTH + size], at)
        content = content[_LENGTH + size :]


def _text(value: bytes, at: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as why:
        raise BadRequest("holds bytes that are no UTF-8 text", field=at) from why


def _output(tensor: Tensor, *, raw: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
    }
    if not raw:
        data: Sequence[Any] = tensor.data
        if tensor.datatype == "BYTES":
            data = [each.encode() for each in tensor.data]
        made["contents"] = {_CONTENTS_OF[tensor.datatype]: data}
    return made


def _raw(tensor: Tensor) -> bytes:
    if tensor.datatype == "BYTES":
        encoded = [each.encode() for each in tensor.data]
        return b"".join(len(each).to_bytes(_LENGTH, "little") + each for each in encoded)
    import numpy as np

    return np.array(tensor.data, dtype=_NUMPY_OF[tensor.datatype]).tobytes()
