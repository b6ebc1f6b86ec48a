"""The base of every typed document, and the strict reading of raw ones.

A document is parsed once, at the door, into frozen structs whose Python names are snake case and
whose wire names are Kubernetes' camel case. Every optional field defaults to None (or an empty
tuple/mapping where absent and empty mean the same), so that "not set" survives a round trip.
Treat mappings inside as immutable: objects are shared by the store, watches and controllers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import inspect


class Wire(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of every struct that appears in a document."""


T = TypeVar("T")


def always(value: T) -> T:
    """A field's default that is written out as well, where clients count on the field being there."""
    made: T = msgspec.field(default_factory=lambda: value)
    return made


#: A field that matters to a cluster's scheduler or kubelet and has no meaning on one machine.
ClusterOnly = Annotated[
    Any, msgspec.Meta(extra={"note": "kept, but it only has an effect on a cluster"})
]
#: A field that containers have (podman, docker) and processes of this machine have not.
ContainersOnly = Annotated[
    Any,
    msgspec.Meta(
        extra={"note": "honoured in containers; a process of this machine has no such thing"}
    ),
]
#: A field we know and don't honour (yet): kept, with a warning that names it.
NotHonoured = Annotated[
    Any, msgspec.Meta(extra={"note": "known, but not honoured on this machine"})
]

_AT = " - at `$"
_STEPS = re.compile(r"\.[^.\[]+|\[\d+\]")
_NOT_QUOTED = frozenset(f"expected str, got {other}" for other in ("int", "float", "bool"))

IntOrString = int | str
QuantityText = str | int | float


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a raw document found besides its value. Paths are dotted, without `$`."""

    unknown: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]  # (path, what to know about that field)


class WrongType(ValueError):
    """A value has another type than its field."""

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}" if path else problem)


def read(raw: Any, type_: type[T]) -> tuple[T, Reading]:
    """The typed value of a raw (JSON-like) document.

    Unknown fields are left out of the value and listed in the `Reading`; the caller decides
    whether that is an error. Raises `WrongType` for the first value of a wrong type.
    """
    unknown: list[str] = []
    notes: list[tuple[str, str]] = []
    key: Any = type_
    clean = _walk(raw, _info(key), "", unknown, notes)
    try:
        value = msgspec.convert(clean, type_)
    except msgspec.ValidationError as why:
        raise _wrong_type(_with_keys(str(why), clean, type_)) from why
    return value, Reading(tuple(unknown), tuple(notes))


def to_raw(value: Wire) -> dict[str, Any]:
    """The document as plain JSON values, unset fields left out."""
    raw: dict[str, Any] = msgspec.to_builtins(value)
    return raw


def _wrong_type(text: str) -> WrongType:
    problem, _, path = text.partition(_AT)
    path = path.rstrip("`").lstrip(".")
    problem = problem.replace("Expected", "expected").replace("`", "").replace(" | null", "")
    if problem in _NOT_QUOTED:
        problem += " (in quotes it is text)"
    return WrongType(path, problem)


def _with_keys(text: str, clean: Any, type_: Any) -> str:
    """The message with the mapping's key in its path, where msgspec writes `[...]` for any key.

    Found by trying: with this key alone, is the message the same? `clean` is used up.
    """
    before, found, after = text.partition("[...]")
    if not found:
        return text
    mapping = clean
    for step in _STEPS.findall(before.partition(_AT)[2]):
        mapping = mapping[int(step[1:-1]) if step.startswith("[") else step[1:]]
    for key, value in dict(mapping).items():
        mapping.clear()
        mapping[key] = value
        try:
            msgspec.convert(clean, type_)
        except msgspec.ValidationError as why:
            if str(why) == text:
                return f"{before}.{key}{after}"
    return text


@lru_cache(maxsize=512)
def _info(type_: Any) -> inspect.Type:
    return inspect.type_info(type_)


@lru_cache(maxsize=512)
def _fields(struct: type) -> dict[str, inspect.Field]:
    info = _info(struct)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: field for field in info.fields}


def _walk(
    raw: Any, info: inspect.Type, path: str, unknown: list[str], notes: list[tuple[str, str]]
) -> Any:
    while isinstance(info, inspect.Metadata):
        note = (info.extra or {}).get("note")
        if note and raw is not None:
            notes.append((path, note))
        info = info.type
    if isinstance(info, inspect.UnionType):
        inner = [t for t in info.types if not isinstance(t, inspect.NoneType)]
        structured = [
            t
            for t in inner
            if isinstance(
                t, inspect.StructType | inspect.CollectionType | inspect.DictType | inspect.Metadata
            )
        ]
        if raw is None or not structured:
            return raw
        info = structured[0]
        if isinstance(info, inspect.Metadata):
            return _walk(raw, info, path, unknown, notes)
    if isinstance(info, inspect.StructType) and isinstance(raw, dict):
        fields = _fields(info.cls)
        out = {}
        for name, value in raw.items():
            here = f"{path}.{name}" if path else str(name)
            if name not in fields:
                unknown.append(here)
            else:
                out[name] = _walk(value, fields[name].type, here, unknown, notes)
                if value is None and not _nullable(fields[name].type):
                    del out[name]  # `creationTimestamp: null` and the like mean "not set"
        return out
    if isinstance(info, inspect.CollectionType) and isinstance(raw, list):
        return [_walk(v, info.item_type, f"{path}[{i}]", unknown, notes) for i, v in enumerate(raw)]
    if isinstance(info, inspect.DictType) and isinstance(raw, dict):
        return {k: _walk(v, info.value_type, f"{path}.{k}", unknown, notes) for k, v in raw.items()}
    return raw


def _nullable(info: inspect.Type) -> bool:
    if isinstance(info, inspect.Metadata):
        return _nullable(info.type)
    if isinstance(info, inspect.UnionType):
        return any(isinstance(t, inspect.NoneType) for t in info.types)
    return isinstance(info, inspect.NoneType | inspect.AnyType)
