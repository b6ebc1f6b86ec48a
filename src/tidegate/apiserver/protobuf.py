"""Bodies in protobuf: what `kubectl create KIND NAME` sends, and it has no other way. Pure.

Only the messages of `protobuf_messages` are known. A field that isn't is refused by its number, never dropped,
unless it says nothing: Kubernetes writes empty texts, zeros and falses out.

Source: apimachinery pkg/runtime/serializer/protobuf.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tidegate.apiserver.protobuf_field import Field
from tidegate.apiserver.protobuf_messages import MESSAGES, READABLE, VARIANTS
from tidegate.model.conditions import timestamp
from tidegate.model.errors import BadRequest, UnsupportedMedia

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _I64, _BYTES, _I32 = 0, 1, 2, 5
_YEAR_10000_S = 253_402_300_800


def decode_protobuf(body: bytes) -> dict[str, Any]:
    """The document as plain JSON values. Raises BadRequest (no protobuf of ours) and
    UnsupportedMedia (a kind or a field that is only read from JSON)."""
    if not body.startswith(_MAGIC):
        raise BadRequest("the body is not protobuf: it does not begin with k8s\\0")
    try:
        envelope = _message("Unknown", body[len(_MAGIC) :])
        head = envelope.get("typeMeta", {})
        kind = head.get("kind")
        if kind not in READABLE:
            raise UnsupportedMedia(
                f"a {kind or 'document'} is not read from protobuf: write it as a "
                "document and use kubectl create -f (accepted media types include: "
                "application/json, application/yaml)"
            )
        message = VARIANTS.get((head.get("apiVersion", ""), kind), kind)
        return {**head, **_message(message, envelope.get("raw", b""))}
    except (IndexError, UnicodeDecodeError) as why:
        raise BadRequest(f"the body is no whole protobuf message: {why}") from why


def _message(name: str, data: bytes) -> dict[str, Any]:
    known, out = MESSAGES[name], dict[str, Any]()
    for number, wire, value in _fields(data):
        field = known.get(number)
        if not value and (field is None or (wire == _VARINT and not field.zero)):
            continue
        if field is None:
            raise UnsupportedMedia(
                f"field {number} of {name} is not read from protobuf: write the object as a "
                "document and use kubectl create -f"
            )
        if field.map:
            key, item = _entry(field, value)
            out.setdefault(field.name, {})[key] = item
        elif field.many:
            out.setdefault(field.name, []).append(_value(field.kind, wire, value))
        elif field.inline:
            out.update(_value(field.kind, wire, value))
        elif field.name:
            out[field.name] = _value(field.kind, wire, value)
    return {k: v for k, v in out.items() if v is not None and v != ""}


def _entry(field: Field, data: Any) -> tuple[str, Any]:
    parts: dict[int, bytes] = {1: b"", 2: b""}
    for number, wire, value in _fields(data) if isinstance(data, bytes) else ():
        if wire != _BYTES:
            raise _strange()
        parts[number] = value
    return parts[1].decode(), _value(field.kind, _BYTES, parts[2])


def _value(kind: str, wire: int, value: Any) -> Any:
    if (wire == _VARINT) != (kind in ("int", "bool")) or wire not in (_VARINT, _BYTES):
        raise _strange()
    match kind:
        case "text":
            return value.decode()
        case "bytes":
            return base64.b64encode(value).decode()
        case "raw":
            return value
        case "int":
            return value - (1 << 64) if value >> 63 else value
        case "bool":
            return bool(value)
        case "quantity":
            return _message("Quantity", value).get("string", "0")
        case "time":
            seconds = _message("Time", value).get("seconds", 0)
            return timestamp(seconds) if 0 < seconds < _YEAR_10000_S else None
        case "int-or-text":
            either = _message("IntOrString", value)
            return either.get("strVal", "") if either.get("type") else either.get("intVal", 0)
        case _:
            return _message(kind, value)


def _strange() -> BadRequest:
    return BadRequest("the body is no protobuf message of this kind")


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field. Raises IndexError when it ends too soon."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, wire, value
            continue
        size, at = (8, at) if wire == _I64 else (4, at) if wire == _I32 else _varint(data, at)
        if at + size > len(data):
            raise IndexError("it ends in the middle of a field")
        yield tag >> 3, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise IndexError("a number in it is too long")
