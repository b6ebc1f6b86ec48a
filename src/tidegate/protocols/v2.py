"""The Open Inference Protocol (V2) over REST, with tensors as JSON.

    GET  /v2                   name, version, extensions
    GET  /v2/health/live       {"live":true}
    GET  /v2/health/ready      {"ready":true}
    GET  /v2/models/m          metadata
    GET  /v2/models/m/ready    {"name":"m","ready":true}
    POST /v2/models/m/infer    tensors in, tensors out

Left out: the binary tensor extension. `GET /v2` doesn't list it, so clients send JSON; a request
that carries raw bytes all the same is refused.
Source: Open Inference Protocol, inference_rest.md; kserve protocol/rest/v2_endpoints.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tidegate.protocols.errors import BadRequest
from tidegate.protocols.json_body import encode, read_as, read_object
from tidegate.protocols.tensors import Tensor, TensorSpec, read_tensor

SERVER_NAME = "tidegate"


@dataclass(frozen=True, slots=True)
class Infer:
    """A request: named tensors, and which outputs are wanted (empty: all)."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...] = ()
    id: str | None = None  # None: the caller gave none, the server makes one
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inferred:
    """An answer."""

    model_name: str
    id: str
    outputs: tuple[Tensor, ...]


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Any = msgspec.UNSET
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct):
    name: str


class _Body(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


def read_infer(body: bytes) -> Infer:
    """Raises `BadRequest` with the path of the field that is wrong."""
    raw = read_as(read_object(body), _Body)
    if not raw.inputs:
        raise BadRequest("needs at least one tensor", field="inputs")
    names = [each.name for each in raw.inputs]
    if len(set(names)) != len(names):
        raise BadRequest("two tensors have the same name", field="inputs")
    inputs = tuple(_read_input(each, f"inputs[{i}]") for i, each in enumerate(raw.inputs))
    outputs = tuple(each.name for each in raw.outputs or ())
    return Infer(inputs, outputs, raw.id or None, raw.parameters or {})


def _read_input(raw: _Input, at: str) -> Tensor:
    if "binary_data_size" in (raw.parameters or {}):
        raise BadRequest(
            "binary tensors are not served here: send `data` as JSON",
            field=f"{at}.parameters.binary_data_size",
        )
    if raw.data is msgspec.UNSET:
        raise BadRequest("missing: send the elements as a list", field=f"{at}.data")
    return read_tensor(raw.name, raw.datatype, raw.shape, raw.data, field=at)


def render_infer(asked: Infer) -> bytes:
    """The request as a client sends it."""
    body: dict[str, Any] = {"inputs": [_tensor(each) for each in asked.inputs]}
    if asked.id is not None:
        body["id"] = asked.id
    if asked.parameters:
        body["parameters"] = asked.parameters
    if asked.outputs:
        body["outputs"] = [{"name": name} for name in asked.outputs]
    return encode(body)


def render_inferred(answer: Inferred) -> bytes:
    return encode(
        {
            "model_name": answer.model_name,
            "id": answer.id,
            "outputs": [_tensor(each) for each in answer.outputs],
        }
    )


def render_server(version: str) -> bytes:
    return encode({"name": SERVER_NAME, "version": version, "extensions": []})


def render_live() -> bytes:
    return encode({"live": True})


def render_ready(*, ready: bool) -> bytes:
    return encode({"ready": ready})


def render_models(names: Sequence[str]) -> bytes:
    """KServe's own addition: the protocol has no list of models."""
    return encode({"models": names})


def render_metadata(
    name: str, *, platform: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> bytes:
    return encode({"name": name, "platform": platform, "inputs": inputs, "outputs": outputs})


def render_model_ready(name: str, *, ready: bool) -> bytes:
    return encode({"name": name, "ready": ready})


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": tensor.shape,
        "datatype": tensor.datatype,
        "data": tensor.data,
    }
