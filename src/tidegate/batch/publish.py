"""Lines into the format that was asked for. Twice over the lines: once for the columns, once to write."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tidegate.batch.errors import MissingExtra, OutputFailed
from tidegate.batch.rows import Format

_GROUP: Final = 10_000  # rows that are in memory at a time


def converted(lines: Path, format: Format, fresh: Path) -> Path:
    """The file in this format: the lines themselves, or `fresh`, on the disk. Raises `OutputFailed`."""
    if format == "jsonl":
        return lines
    try:
        if format == "csv":
            _to_csv(lines, fresh)
        else:
            _to_parquet(lines, fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as why:
        raise OutputFailed(
            f"{fresh}: {why.strerror}: the rows are in {lines}; free some space and run again"
        ) from why
    return fresh


def _groups(lines: Path) -> Iterator[list[dict[str, Any]]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    group: list[dict[str, Any]] = []
    with lines.open("rb") as file:
        for line in file:
            group.append(_flat(decode(line)))
            if len(group) == _GROUP:
                yield group
                group = []
    if group:
        yield group


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """The input's columns and the output's, where they are objects, become columns of their own."""
    out: dict[str, Any] = {}
    for name, value in record.items():
        if name in ("input", "output") and isinstance(value, dict) and value:
            out |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            out[name] = value
    return out


def _to_csv(lines: Path, fresh: Path) -> None:
    columns: dict[str, None] = {}
    for group in _groups(lines):
        for record in group:
            columns.update(dict.fromkeys(record))
    with fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for group in _groups(lines):
            writer.writerows({name: _cell(value) for name, value in r.items()} for r in group)


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list | bool) or value is None:
        return msgspec.json.encode(value).decode()
    return value


def _to_parquet(lines: Path, fresh: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as why:
        raise MissingExtra("Parquet needs pyarrow: pip install 'tidegate[parquet]'") from why
    schema, as_text = _schema(lines, pa)
    with parquet.ParquetWriter(fresh, schema) as writer:
        for group in _groups(lines):
            rows = [_texts(record, as_text) for record in group]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _schema(lines: Path, pa: Any) -> tuple[Any, frozenset[str]]:
    """The schema of all rows, and the columns whose values have no type in common: those become text."""
    types: dict[str, Any] = {}
    as_text: set[str] = set()
    for group in _groups(lines):
        for name in dict.fromkeys(name for record in group for name in record):
            if name in as_text:
                continue
            try:
                found = pa.array([record.get(name) for record in group]).type
                if name in types:
                    both = [pa.schema([(name, t)]) for t in (types[name], found)]
                    found = pa.unify_schemas(both, promote_options="permissive").field(name).type
                if pa.types.is_struct(found) and not found.num_fields:
                    raise pa.ArrowInvalid("Parquet has no struct without fields")
                types[name] = found
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
                as_text.add(name)
                types[name] = pa.string()
    return pa.schema(list(types.items())), frozenset(as_text)


def _texts(record: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {
        name: msgspec.json.encode(value).decode()
        if name in names and value is not None and not isinstance(value, str)
        else value
        for name, value in record.items()
    }
