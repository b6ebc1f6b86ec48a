"""JSON bodies in and out: the one place where msgspec's complaints become our sentences."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from tidegate.protocols.errors import BadRequest

T = TypeVar("T")

_AT = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_decode_any = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""Compact JSON. NaN and the infinities become null, as KServe's orjson writes them."""


def read_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises `BadRequest`; the first words are KServe's."""
    try:
        raw = _decode_any(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        raise BadRequest(f"Unrecognized request format: {why}") from why
    if not isinstance(raw, dict):
        raise BadRequest(
            f"Unrecognized request format: the body is a JSON {_json_name(raw)}, not an object"
        )
    return raw


def read_as(raw: object, shape: type[T]) -> T:
    """A decoded JSON value as `shape`. Raises `BadRequest` naming the field's path."""
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as why:
        text = str(why)
        found = _AT.search(text)
        said = _AT.sub("", text).replace("`", "")
        field = found[1] if found else ""
        raise BadRequest(said[:1].lower() + said[1:], field=field or None) from why


def _json_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return "list"
