"""KServe's V1 protocol (TensorFlow Serving's predict, as KServe's Python servers speak it).

    GET  /v1/models            {"models":["m"]}
    GET  /v1/models/m          {"name":"m","ready":true}
    POST /v1/models/m:predict  {"instances":[...]} -> {"predictions":[...]}

Source: kserve python/kserve/kserve/{model,errors}.py, utils/utils.py (`get_predict_input`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.protocols.errors import BadRequest, ProtocolError
from tidegate.protocols.json_body import encode, read_object


@dataclass(frozen=True, slots=True)
class Predict:
    """Instances to predict, one prediction each. What an instance is, the model says."""

    instances: list[Any]


def read_predict(body: bytes) -> Predict:
    """Raises `BadRequest`. Where both are there, `inputs` wins over `instances`, as in KServe."""
    raw = read_object(body)
    if "instances" in raw and not isinstance(raw["instances"], list):
        raise BadRequest('Expected "instances" to be a list')
    instances = raw["inputs"] if "inputs" in raw else raw.get("instances")
    if instances is None:
        raise BadRequest(
            'The body has neither "instances" nor "inputs": send {"instances": [[...], ...]}'
        )
    if not isinstance(instances, list):
        raise BadRequest('Expected "inputs" to be a list')
    return Predict(instances)


def render_predict(asked: Predict) -> bytes:
    """The request as a client sends it."""
    return encode({"instances": asked.instances})


def render_predictions(predictions: Sequence[Any]) -> bytes:
    return encode({"predictions": predictions})


def render_models(names: Sequence[str]) -> bytes:
    return encode({"models": names})


def render_model(name: str, *, ready: bool) -> bytes:
    return encode({"name": name, "ready": ready})


def render_error(error: ProtocolError) -> bytes:
    """The error body that V1 and V2 share."""
    return encode({"error": str(error)})
