"""Request bodies: bytes to plain values, and plain values to objects, as strictly as asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from io import StringIO
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.apiserver import protobuf
from tidegate.model import wire
from tidegate.model.admission import warnings_for
from tidegate.model.errors import BadRequest, UnsupportedMedia
from tidegate.model.kinds import Kind, encode
from tidegate.model.meta import Object

_YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


class Strictness(StrEnum):
    """What happens to fields that the kind doesn't have, or that are said twice."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


def strictness(text: str | None) -> Strictness:
    """As the query says it; Warn when it doesn't. Raises BadRequest."""
    try:
        return Strictness(text or "Warn")
    except ValueError as why:
        raise BadRequest(
            f'fieldValidation: Unsupported value: "{text}": '
            'supported values: "Ignore", "Strict", "Warn"'
        ) from why


@dataclass(frozen=True, slots=True)
class Body:
    """A body as plain values; `duplicates` are the paths of keys said twice (the last one won)."""

    raw: Any
    duplicates: tuple[str, ...] = ()


class _Twice(dict[str, Any]):
    """An object in which some keys came more than once."""

    keys_twice: tuple[str, ...] = ()


def decode(body: bytes, content_type: str) -> Body:
    """JSON (also when nothing is said), YAML, or protobuf for a few kinds.

    Raises BadRequest, UnsupportedMedia.
    """
    if content_type in _YAML_TYPES:
        return Body(_from_yaml(body))
    if content_type == protobuf.MEDIA:
        return Body(protobuf.decode_protobuf(body))
    if content_type in ("", "*/*") or content_type.endswith("json"):
        return from_json(body)
    raise UnsupportedMedia(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml"
    )


def from_json(body: bytes) -> Body:
    """Raises BadRequest."""
    found = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        plain = dict(items)
        if len(plain) == len(items):
            return plain
        found, twice = True, _Twice(plain)
        names = [name for name, _ in items]
        twice.keys_twice = tuple(sorted({n for n in names if names.count(n) > 1}))
        return twice

    try:
        msgspec.json.decode(body)  # stricter: no NaN, no half surrogates, no bytes but UTF-8
        raw = json.loads(body, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as why:
        raise BadRequest(f"the body is not JSON: {why}") from why
    return Body(raw, tuple(_duplicates(raw, "")) if found else ())


def to_object(
    body: Body, kind: Kind, mode: Strictness, old: Object | None = None
) -> tuple[Object, tuple[str, ...]]:
    """The typed object and what its author should know. Raises BadRequest.

    Nothing is said again about what stands so in `old` already.
    """
    if not isinstance(body.raw, dict):
        raise BadRequest(f"the body must be a {kind.kind} object")
    document, notes = _read(body, kind, mode, old)
    return kind.lifted(document), notes


def lifted(body: Body, kind: Kind, mode: Strictness) -> tuple[Body, tuple[str, ...]]:
    """A document of another version as one of the stored version, for what is decided field by
    field (server-side apply), and what its author should know. Raises BadRequest."""
    document, notes = _read(body, kind, mode, None)
    return Body(json.loads(encode(kind.lifted(document)))), notes


def _read(
    body: Body, kind: Kind, mode: Strictness, old: Object | None
) -> tuple[Object, tuple[str, ...]]:
    """The document as its version has it, and what its author should know."""
    raw = dict(body.raw)
    said = (raw.pop("apiVersion", None) or kind.api_version, raw.pop("kind", None) or kind.kind)
    if said != (kind.api_version, kind.kind):
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {kind.kind}): "
            f"it says apiVersion {said[0]}, kind {said[1]} and this path is for "
            f"{kind.api_version} {kind.kind}"
        )
    prefix = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
    try:
        value, reading = wire.read(raw, kind.wire_type)
    except wire.WrongType as why:
        raise BadRequest(prefix + str(why)) from why
    wrong = [f'unknown field "{path}"' for path in reading.unknown]
    wrong += [f'duplicate field "{path}"' for path in body.duplicates]
    if wrong and mode is Strictness.STRICT:
        raise BadRequest(f"{prefix}strict decoding error: {', '.join(wrong)}")
    warnings = wrong if mode is Strictness.WARN else []
    was = None if old is None else kind.lowered(old)
    return value, (*warnings, *warnings_for(value, reading.notes, was))


def _from_yaml(body: bytes) -> Any:
    try:
        loaded = YAML(typ="safe", pure=True).load(StringIO(body.decode()))
    except (YAMLError, UnicodeDecodeError, RecursionError) as why:
        raise BadRequest(f"the body is not YAML: {why}") from why
    return _plain(loaded)


def _plain(value: Any) -> Any:
    """YAML knows times and other keys than strings; JSON doesn't."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, date) else value


def _duplicates(raw: Any, path: str) -> Iterator[str]:
    if isinstance(raw, _Twice):
        yield from (f"{path}.{key}".lstrip(".") for key in raw.keys_twice)
    if isinstance(raw, dict):
        for key, value in raw.items():
            yield from _duplicates(value, f"{path}.{key}")
    elif isinstance(raw, list):
        for number, value in enumerate(raw):
            yield from _duplicates(value, f"{path}[{number}]")
