"""Protobuf messages without generated code: a table of fields, made into message classes.

A message is lines `name number type`; a type is a scalar of protobuf, the full name of a message or
enum, either after `repeated `, or `map TYPE` (whose keys are text). `oneof` in front: one of those.
The classes live in a pool of their own, apart from those of a library that brings the same messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Mapping[str, Any] = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}


def classes(
    messages: Mapping[str, str], enums: Mapping[str, Mapping[str, int]] | None = None
) -> dict[str, Any]:
    """A class for each message, by its full name (`inference.ModelInferRequest`).

    `messages`: name -> lines of fields. `enums`: name -> value -> number.
    """
    enums = enums or {}
    pool = descriptor_pool.DescriptorPool()
    known = (any_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR)
    for each in known:
        pool.AddSerializedFile(each.serialized_pb)
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for name, values in enums.items():
        enum = _file(files, name).enum_type.add(name=name.rpartition(".")[2])
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, lines in messages.items():
        made = _file(files, name).message_type.add(name=name.rpartition(".")[2])
        _fill(made, name, lines.split("\n"), enums)
    for package, file in files.items():
        others = [f"{other}.proto" for other in files if other != package]
        file.dependency.extend([each.name for each in known] + _before(package, others))
    for package in sorted(files):  # a package may use those whose names come before its own
        pool.Add(files[package])
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in messages
    }


def _before(package: str, files: Iterable[str]) -> list[str]:
    return [file for file in files if file.removesuffix(".proto") < package]


def _file(
    files: dict[str, descriptor_pb2.FileDescriptorProto], name: str
) -> descriptor_pb2.FileDescriptorProto:
    package = name.rpartition(".")[0]
    if package not in files:
        files[package] = descriptor_pb2.FileDescriptorProto(
            name=f"{package}.proto", package=package, syntax="proto3"
        )
    return files[package]


def _fill(
    made: descriptor_pb2.DescriptorProto,
    full_name: str,
    lines: Iterable[str],
    enums: Mapping[str, Mapping[str, int]],
) -> None:
    for line in lines:
        words = line.split()
        if not words:
            continue
        one_of = words[0] == "oneof"
        name, number, *kind = words[1:] if one_of else words
        field = made.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
        if kind[0] == "map":
            entry = made.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            _fill(entry, "", (f"key 1 string\nvalue 2 {kind[1]}").split("\n"), enums)
            field.label = _Field.LABEL_REPEATED
            _typed(field, f"{full_name}.{entry.name}", enums)
            continue
        if kind[0] == "repeated":
            field.label = _Field.LABEL_REPEATED
        _typed(field, kind[-1], enums)
        if one_of:
            if not made.oneof_decl:
                made.oneof_decl.add(name="choice")
            field.oneof_index = 0


def _typed(
    field: descriptor_pb2.FieldDescriptorProto, kind: str, enums: Mapping[str, Mapping[str, int]]
) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _Field.TYPE_ENUM if kind in enums else _Field.TYPE_MESSAGE
    field.type_name = f".{kind}"
