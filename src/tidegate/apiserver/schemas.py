"""OpenAPI schemas of the kinds, made from their structs: what `kubectl explain` prints. Pure.

Descriptions are the structs' docstrings, and what reading a document notes about a field.
"""

from __future__ import annotations

import inspect as python
import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from tidegate.model.kinds import Kind

_PLAIN: dict[type[inspect.Type], dict[str, Any]] = {
    inspect.StrType: {"type": "string"},
    inspect.BoolType: {"type": "boolean"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
}


def schemas_of(kinds: Iterable[Kind]) -> dict[str, Any]:
    """`components.schemas` of an OpenAPI document: the kinds and all that they are made of."""
    out: dict[str, Any] = {}
    for kind in kinds:
        name = _name(kind.wire_type)
        _struct(kind.wire_type, out)
        root = out[name]
        text = {"type": "string"}
        root["properties"] = {"apiVersion": text, "kind": text, **root["properties"]}
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        root["x-kubernetes-group-version-kind"] = [gvk]
    return out


def _struct(type_: type, out: dict[str, Any]) -> dict[str, Any]:
    """A reference to the struct's schema, which is in `out` afterwards."""
    name = _name(type_)
    if name not in out:
        info = inspect.type_info(type_)
        assert isinstance(info, inspect.StructType)
        schema: dict[str, Any] = {"type": "object", "properties": {}}
        out[name] = schema  # before the fields: a struct may hold itself
        if text := _description(type_, info):
            schema["description"] = text
        for field in info.fields:
            schema["properties"][field.encode_name] = _schema(field.type, out)
        required = [field.encode_name for field in info.fields if field.required]
        if required:
            schema["required"] = required
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def _schema(info: inspect.Type, out: dict[str, Any]) -> dict[str, Any]:
    if isinstance(info, inspect.Metadata):
        note = (info.extra or {}).get("note")
        return _schema(info.type, out) | ({"description": note} if note else {})
    if isinstance(info, inspect.UnionType):
        return _union([t for t in info.types if not isinstance(t, inspect.NoneType)], out)
    if isinstance(info, inspect.StructType):
        return _struct(info.cls, out)
    if isinstance(info, inspect.CollectionType):
        return {"type": "array", "items": _schema(info.item_type, out)}
    if isinstance(info, inspect.DictType):
        return {"type": "object", "additionalProperties": _schema(info.value_type, out)}
    return dict(_PLAIN.get(type(info), {"x-kubernetes-preserve-unknown-fields": True}))


def _union(types: list[inspect.Type], out: dict[str, Any]) -> dict[str, Any]:
    if len(types) == 1:
        return _schema(types[0], out)
    # a number or a text: the only unions that documents have
    return {"type": "string", "format": "int-or-string", "x-kubernetes-int-or-string": True}


def _description(type_: type, info: inspect.StructType) -> str:
    """The docstring, if it is the struct's own, with the fields' names as documents have them."""
    text = python.cleandoc(type_.__dict__.get("__doc__") or "").replace("`", "")
    wire_names = {f.name: f.encode_name for f in info.fields if "_" in f.name}
    return re.sub(r"\w+", lambda word: wire_names.get(word[0], word[0]), text)


def _name(type_: type) -> str:
    """`tidegate.pods.Pod`: kinds of one name in two groups must not meet."""
    return f"{type_.__module__.replace('.model.', '.')}.{type_.__name__}"
