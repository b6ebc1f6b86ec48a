"""Tensors of the protocol to numpy arrays and back. Needs numpy; only backends import it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegate.protocols.errors import BadRequest, InferenceFailed
from tidegate.protocols.tensors import Tensor

_NUMPY_OF = {
    "BOOL": "bool",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
    **{
        f"{sign}INT{bits}": f"{sign.lower()}int{bits}"
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    },
}
_DATATYPE_OF = {np.dtype(name): datatype for datatype, name in _NUMPY_OF.items()} | {
    np.dtype("float16"): "FP32"  # FP16 can't travel as JSON
}


def as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The tensor as an array of its datatype and shape."""
    return np.array(tensor.data, dtype=_NUMPY_OF[tensor.datatype]).reshape(tensor.shape)


def as_tensor(name: str, array: np.ndarray[Any, Any]) -> Tensor:
    """The array as a tensor. Raises `InferenceFailed` for what the protocol has no datatype for."""
    datatype = _DATATYPE_OF.get(array.dtype)
    if datatype is None:
        if array.dtype.kind not in "US":
            raise InferenceFailed(
                f"output {name} holds {array.dtype}, which V2 has no datatype for"
            )
        datatype = "BYTES"
    flat = array.ravel().tolist()
    if datatype == "BYTES":
        flat = [each.decode() if isinstance(each, bytes) else str(each) for each in flat]
    return Tensor(name, datatype, tuple(array.shape), flat)


def instances_array(instances: list[Any]) -> np.ndarray[Any, Any]:
    """V1 instances as one array, one row each. Raises `BadRequest` for ragged rows."""
    try:
        return np.array(instances)
    except ValueError as why:
        raise BadRequest(
            "instances have different shapes: every instance needs the same number of values",
            field="instances",
        ) from why
