"""All kinds, and objects as JSON and back.

To add a kind: write its struct, add its line in `model.kind_tables`, give it columns (`model.columns`) and
admission (`model.admission`).

To serve a kind in another version as well: a line in that table's `VERSIONS`, made with `in_version`. The kind is
stored in one version only; what differs on the wire is a struct and two pure functions (`Form`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from tidegate.model.kind import Form, Kind
from tidegate.model.kind_tables import KINDS, VERSIONS
from tidegate.model.meta import Object

__all__ = [
    "BY_GVK",
    "BY_PATH",
    "BY_TYPE",
    "KINDS",
    "SERVED",
    "Form",
    "Kind",
    "decode_stored",
    "encode",
    "encode_item",
    "encode_stored",
    "kind_of",
    "render",
]

ObjectT = TypeVar("ObjectT", bound=Object)

BY_TYPE: Mapping[type[Object], Kind] = {kind.type: kind for kind in KINDS}
#: All that has a path.
SERVED: tuple[Kind, ...] = (*KINDS, *VERSIONS)
BY_GVK: Mapping[tuple[str, str], Kind] = {(kind.api_version, kind.kind): kind for kind in SERVED}
BY_PATH: Mapping[tuple[str, str, str], Kind] = {
    (kind.group, kind.version, kind.plural): kind for kind in SERVED
}


def kind_of(value: Object | type[Object]) -> Kind:
    """The table's line for an object or its type."""
    return BY_TYPE[value if isinstance(value, type) else type(value)]


_encoder = msgspec.json.Encoder()


@lru_cache(maxsize=128)
def _prefix(api_version: str, kind: str) -> bytes:
    return _encoder.encode({"apiVersion": api_version, "kind": kind})[:-1]


def encode(value: Object, kind: Kind | None = None) -> bytes:
    """The object as JSON, apiVersion and kind first. `kind` None: in the version it is stored in."""
    kind = kind or BY_TYPE[type(value)]
    body = _encoder.encode(kind.lowered(value))
    return _prefix(kind.api_version, kind.kind) + (b"}" if body == b"{}" else b"," + body[1:])


@lru_cache(maxsize=128)
def _decoder(type_: type[Object]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_)


def decode_stored(body: bytes, type_: type[ObjectT]) -> ObjectT:
    """An object that we stored ourselves (JSON without apiVersion and kind)."""
    value: ObjectT = _decoder(type_).decode(body)
    return value


def encode_stored(value: Object) -> bytes:
    """As `decode_stored` reads it."""
    return _encoder.encode(value)


def encode_item(value: Object, kind: Kind) -> bytes:
    """The object as JSON in that version, without apiVersion and kind."""
    return _encoder.encode(kind.lowered(value))


def render(value: Object) -> dict[str, Any]:
    """The object as plain JSON values, apiVersion and kind first."""
    kind = BY_TYPE[type(value)]
    return {"apiVersion": kind.api_version, "kind": kind.kind, **msgspec.to_builtins(value)}
