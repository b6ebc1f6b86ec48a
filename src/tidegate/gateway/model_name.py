"""Which model a request of the OpenAI API is for: the `model` field of its body. Bytes in, a word out."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_MOST_CHARACTERS: Final = 256
_PART_MODEL: Final = re.compile(rb'(?:^|[;\s])name="?model"?(?:[;\s]|$)', re.IGNORECASE)


class NoModel(Exception):
    """The body names no model."""


class _Asked(msgspec.Struct):
    model: str


_decode = msgspec.json.Decoder(_Asked).decode


def model_of(content_type: bytes, body: bytes) -> str:
    """The model that a whole body names: JSON, or a form with files (audio). Raises `NoModel`, with the
    reason."""
    kind, boundary = _kind(content_type)
    name = _of_form(body, boundary) if kind == b"multipart/form-data" else _of_json(body)
    if not 0 < len(name) <= _MOST_CHARACTERS:
        raise NoModel(f"its field `model` has no name of 1 to {_MOST_CHARACTERS} characters")
    return name


def _of_json(body: bytes) -> str:
    try:
        return _decode(body).model
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as why:
        raise NoModel(f"it is no JSON object with a field `model`: {why}") from why


def _of_form(body: bytes, boundary: bytes) -> str:
    if boundary:
        for part in body.split(b"--" + boundary):
            head, blank, value = part.partition(b"\r\n\r\n")
            if blank and _PART_MODEL.search(head):
                return value.removesuffix(b"\r\n").decode("utf-8", "replace").strip()
    raise NoModel("its form has no part named `model`")


def _kind(content_type: bytes) -> tuple[bytes, bytes]:
    """The type in lower case, and the boundary of a form; b"" if there is none."""
    kind, *parameters = content_type.split(b";")
    for parameter in parameters:
        name, _, value = parameter.strip().partition(b"=")
        if name.lower() == b"boundary":
            return kind.strip().lower(), value.strip(b'"')
    return kind.strip().lower(), b""
