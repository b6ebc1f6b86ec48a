"""TensorFlow Serving's REST API.

    GET  /v1/models/m[/versions/N]           {"model_version_status":[{"version","state","status"}]}
    GET  /v1/models/m[/versions/N]/metadata  {"model_spec":{...},"metadata":{"signature_def":{...}}}
    POST /v1/models/m[/versions/N]:predict   {"instances":[...]} -> {"predictions":[...]}
                                             {"inputs":...}      -> {"outputs":...}

Source: tensorflow/serving docs `api_rest.md`, util/json_tensor.cc. Errors are `{"error":"..."}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from urllib.parse import unquote

from tidegate.protocols.errors import (
    BadRequest,
    NoSuchPath,
    NotImplementedHere,
    ProtocolError,
    WrongMethod,
)
from tidegate.protocols.json_body import encode, read_object
from tidegate.protocols.tensors import TensorSpec

SIGNATURE = "serving_default"
_SPEAKS = "/v1/models/<name>, /v1/models/<name>/metadata and /v1/models/<name>:predict"
_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/(?P<by>versions|labels)/(?P<which>[^/:]+))?"
    r"(?P<what>/metadata|:\w+)?"
)
_TYPE_OF: Mapping[str, str] = {
    "BOOL": "DT_BOOL",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "BYTES": "DT_STRING",
    **{f"{sign}INT{bits}": f"DT_{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
}


class TfAsk(Enum):
    STATUS = auto()
    METADATA = auto()
    PREDICT = auto()


@dataclass(frozen=True, slots=True)
class TfCall:
    """A request's line. `version` None: the latest."""

    ask: TfAsk
    model: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class TfPredict:
    """Instances to predict. `by_column`: they were sent, and are to be answered, as columns."""

    instances: list[Any]
    by_column: bool


class NoServable(ProtocolError):
    """TF Serving's own words for a model or version that it hasn't."""

    code = 404

    def __init__(self, call: TfCall) -> None:
        which = f"Latest({call.model})"
        if call.version is not None:
            which = f"Specific({call.model}, {call.version})"
        super().__init__(
            f"Could not find any versions of model {call.model}"
            if call.ask is TfAsk.STATUS and call.version is None
            else f"Servable not found for request: {which}"
        )


def read_tf_call(method: str, path: str) -> TfCall:
    """What a request line asks for. `path` has no query.

    Raises `NoSuchPath`, `WrongMethod`, and `NotImplementedHere` for what TF Serving has besides."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise NoSuchPath(path, speaks=_SPEAKS)
    if found["by"] == "labels":
        raise NotImplementedHere(f"{path}: versions have no labels here, give /versions/N")
    match found["what"]:
        case None:
            ask, verb = TfAsk.STATUS, "GET"
        case "/metadata":
            ask, verb = TfAsk.METADATA, "GET"
        case ":predict":
            ask, verb = TfAsk.PREDICT, "POST"
        case ":classify" | ":regress":
            raise NotImplementedHere(
                f"{path} takes tf.Example rows, which need TensorFlow: predict"
            )
        case _:
            raise NoSuchPath(path, speaks=_SPEAKS)
    if method != verb and not (method == "HEAD" and verb == "GET"):
        raise WrongMethod(method, path, allow=verb)
    return TfCall(ask, unquote(found["model"]), found["which"])


def read_tf_predict(body: bytes) -> TfPredict:
    """Raises `BadRequest`."""
    raw = read_object(body)
    if raw.get("signature_name", SIGNATURE) not in ("", SIGNATURE):
        said = raw["signature_name"]
        raise BadRequest(f'Serving signature name: "{said}" not found: there is "{SIGNATURE}"')
    if ("instances" in raw) == ("inputs" in raw):
        raise BadRequest('JSON body must have either "instances" or "inputs", and not both')
    if "instances" in raw:
        if not isinstance(raw["instances"], list):
            raise BadRequest('"instances" must be a list')
        return TfPredict(raw["instances"], by_column=False)
    return TfPredict(_rows(raw["inputs"]), by_column=True)


def render_status(version: str, *, ready: bool) -> bytes:
    state = "AVAILABLE" if ready else "UNLOADING"
    status = {"error_code": "OK", "error_message": ""}
    return encode(
        {"model_version_status": [{"version": version, "state": state, "status": status}]}
    )


def render_metadata(
    name: str, version: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> bytes:
    signature = {
        "inputs": {each.name: _tensor(each) for each in inputs},
        "outputs": {each.name: _tensor(each) for each in outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return encode(
        {
            "model_spec": {"name": name, "signature_name": "", "version": version},
            "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
        }
    )


def render_tf_predictions(asked: TfPredict, predictions: Sequence[Any]) -> bytes:
    """Rows for rows, columns for columns; several named outputs are an object of columns."""
    if not asked.by_column:
        return encode({"predictions": predictions})
    if predictions and all(isinstance(row, dict) for row in predictions):
        names = list(predictions[0])
        return encode({"outputs": {name: [row[name] for row in predictions] for name in names}})
    return encode({"outputs": predictions})


def _rows(columns: object) -> list[Any]:
    """Columns as rows: named ones become objects."""
    if isinstance(columns, list):
        return columns
    if not isinstance(columns, dict) or not columns:
        raise BadRequest('"inputs" must be a list, or an object of input name to list')
    if not all(isinstance(column, list) for column in columns.values()):
        raise BadRequest('"inputs" must have a list for each name')
    if len({len(column) for column in columns.values()}) > 1:
        raise BadRequest('the lists of "inputs" must be of one length: the batch')
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in spec.shape]
    return {
        "dtype": _TYPE_OF.get(spec.datatype, "DT_INVALID"),
        "tensor_shape": {"dim": dimensions, "unknown_rank": False},
        "name": f"{spec.name}:0",
    }
