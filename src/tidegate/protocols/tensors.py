"""Typed tensors of the Open Inference Protocol, as values that have checked themselves.

Data is a flat Python list in row-major order; nested lists are flattened on the way in. No numpy
here: backends turn tensors into arrays (`runtimes.arrays`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import msgspec

from tidegate.protocols.errors import BadRequest

INTEGER_RANGE: Mapping[str, tuple[int, int]] = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
LIST_OF: Mapping[str, Any] = {
    "BOOL": list[bool],
    **dict.fromkeys(INTEGER_RANGE, list[int]),
    "FP32": list[float],
    "FP64": list[float],
    "BYTES": list[str],
}
"""What the flat data of each datatype is in JSON."""
RAW_ONLY = frozenset({"FP16", "BF16"})
"""Datatypes that the protocol lets travel only as raw bytes, never as JSON."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named tensor. Made by `read_tensor` (checked) or by a backend (trusted)."""

    name: str
    datatype: str  # a key of LIST_OF
    shape: tuple[int, ...]
    data: list[Any]  # flat, row-major; len(data) == prod(shape)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a model takes or gives, for its metadata. A dimension of -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def read_tensor(
    name: str, datatype: str, shape: Sequence[int], data: object, *, field: str
) -> Tensor:
    """A checked tensor. `field` is where it stands in the body, for the sentence of `BadRequest`."""
    if datatype in RAW_ONLY:
        raise BadRequest(f"{datatype} can't be sent as JSON: send FP32", field=f"{field}.datatype")
    if datatype not in LIST_OF:
        known = ", ".join(LIST_OF)
        raise BadRequest(
            f"{datatype!r} is not a datatype: use one of {known}", field=f"{field}.datatype"
        )
    if any(size < 0 for size in shape):
        raise BadRequest(f"{list(shape)} has a negative size", field=f"{field}.shape")
    if not isinstance(data, list):
        raise BadRequest("expected a list", field=f"{field}.data")
    flat = _flatten(data, shape, field=field)
    return Tensor(name, datatype, tuple(shape), _check_elements(flat, datatype, field=field))


def _flatten(data: list[Any], shape: Sequence[int], *, field: str) -> list[Any]:
    """Row-major elements of `data`, which is flat already or nested exactly as `shape` says."""
    if data and isinstance(data[0], list):
        rows, inner = data, list(shape)
        while rows and isinstance(rows[0], list):
            if not inner or any(type(row) is not list or len(row) != len(rows[0]) for row in rows):
                raise BadRequest(
                    f"nested lists don't have the shape {list(shape)}", field=f"{field}.data"
                )
            inner = inner[1:]
            if inner and len(rows[0]) != inner[0]:
                raise BadRequest(
                    f"nested lists don't have the shape {list(shape)}", field=f"{field}.data"
                )
            rows = [element for row in rows for element in row]
        data = rows
    if len(data) != prod(shape):
        raise BadRequest(
            f"{len(data)} elements don't fill the shape {list(shape)}, which holds {prod(shape)}",
            field=f"{field}.data",
        )
    return data


def _check_elements(flat: list[Any], datatype: str, *, field: str) -> list[Any]:
    try:
        checked: list[Any] = msgspec.convert(flat, LIST_OF[datatype])
    except msgspec.ValidationError as why:
        raise BadRequest(
            f"holds something that is not {datatype}: {why}", field=f"{field}.data"
        ) from why
    bounds = INTEGER_RANGE.get(datatype)
    if bounds and checked and not (bounds[0] <= min(checked) and max(checked) <= bounds[1]):
        raise BadRequest(f"holds a number that {datatype} can't", field=f"{field}.data")
    return checked
