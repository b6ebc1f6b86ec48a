"""Rows of an input, one after the other: JSON lines, CSV, Parquet. What is no row says so and is one all
the same, so that it has its number in what is reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Literal

import msgspec

from tidegate.batch.errors import BadPlan, InputFailed, MissingExtra
from tidegate.batch.places import STDIN, Source, as_stream

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[dict[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_MOST_LINE_BYTES: Final = 64 * 2**20
_ROWS_AT_ONCE: Final = 256  # of Parquet
_BYTES_AT_ONCE: Final = 4 * 2**20
_BOM: Final = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `end` is where it ends in the input in bytes (None: Parquet has no such place); `problem`
    says why there is no value; `size` is about how many bytes of the input it is."""

    number: int  # from 0
    value: Any
    end: int | None = None
    problem: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: a row's number, and where it begins in bytes if that is known."""

    row: int = 0
    offset: int | None = 0


def format_of(place: str, asked: Format | None) -> Format:
    """The format of a file by its name; standard input is JSON lines. Raises `BadPlan`."""
    if asked is not None:
        return asked
    if place == STDIN:
        return "jsonl"
    found = FORMATS.get(PurePosixPath(place).suffix.lower())
    if found is None:
        raise BadPlan(
            f"{place}: the name doesn't say its format ({', '.join(FORMATS)}): say it with"
            " --input-format or --output-format"
        )
    return found


def read_rows(source: Source, format: Format, start: Start) -> Iterator[Row]:
    """The rows from `start` on. Raises `InputFailed`, `MissingExtra`."""
    if format == "jsonl":
        return _json_lines(source, start)
    return _csv_rows(source, start) if format == "csv" else _parquet_rows(source, start)


def row_count(source: Source, format: Format) -> int | None:
    """How many rows there are, where that costs nothing to know; else None."""
    if format != "parquet":
        return None
    with source.seekable() as file:
        return int(_parquet_file(file).metadata.num_rows)


def _json_lines(source: Source, start: Start) -> Iterator[Row]:
    number, at = (start.row, start.offset) if start.offset is not None else (0, 0)
    for line, end in _lines(source.chunks(at), at):
        text = line.removeprefix(_BOM) if number == 0 else line
        if not text.strip():
            continue
        if number >= start.row:
            yield _json_row(number, text, end)
        number += 1


def _lines(chunks: Iterator[bytes], at: int) -> Iterator[tuple[bytes, int]]:
    """Lines without their ends, and where each ends."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            at += len(line) + 1
            yield line, at
        if len(rest) > _MOST_LINE_BYTES:
            raise InputFailed(
                f"a line of the input is longer than {_MOST_LINE_BYTES} bytes: is it JSON lines?"
            )
    if rest:
        yield rest, at + len(rest)


def _json_row(number: int, text: bytes, end: int) -> Row:
    try:
        return Row(number, _decode(text), end, size=len(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        shown = text[:200].decode("utf-8", "replace").strip()
        return Row(number, shown, end, f"not JSON: {why}", len(text))


class _TextLines:
    """Lines of a text, and how many bytes those that were taken have."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self.bytes = text, 0

    def __iter__(self) -> _TextLines:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        is_first = not self.bytes
        self.bytes += len(line.encode())
        return line.removeprefix("\ufeff") if is_first else line


def _csv_rows(source: Source, start: Start) -> Iterator[Row]:
    csv.field_size_limit(_MOST_LINE_BYTES)  # of the process; Python's own is 128 KiB
    lines = _TextLines(io.TextIOWrapper(as_stream(source.chunks(0)), encoding="utf-8", newline=""))
    number = 0
    try:
        reader = csv.reader(lines, strict=True)
        columns = next(reader, None)
        if columns is None:
            return
        at = lines.bytes
        for cells in reader:
            if not cells:
                continue
            if number >= start.row:
                yield _csv_row(number, columns, cells, lines.bytes, lines.bytes - at)
            at, number = lines.bytes, number + 1
    except (csv.Error, UnicodeDecodeError) as why:
        raise InputFailed(f"the input is no CSV behind row {number}: {why}") from why


def _csv_row(number: int, columns: list[str], cells: list[str], end: int, size: int) -> Row:
    if len(cells) != len(columns):
        many = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        problem = f"{many}, and the header names {len(columns)} columns"
        return Row(number, cells, end, problem, size)
    value = {name: cell_value(cell) for name, cell in zip(columns, cells, strict=True)}
    return Row(number, value, end, size=size)


def cell_value(text: str) -> Any:
    """A cell as JSON has it: numbers, true, false and null are those, anything else is text."""
    if text[:1] in "-0123456789tfn" and text:
        try:
            found = _decode(text)
        except msgspec.DecodeError:
            return text
        return found
    return text


def _parquet_rows(source: Source, start: Start) -> Iterator[Row]:
    with source.seekable() as raw:
        file = _parquet_file(raw)
        number, first = 0, 0
        while first < file.num_row_groups:  # whole groups that are done aren't read
            size = file.metadata.row_group(first).num_rows
            if number + size > start.row:
                break
            number, first = number + size, first + 1
        for group in range(first, file.num_row_groups):
            about = file.metadata.row_group(group)
            size = about.total_byte_size // max(1, about.num_rows)
            at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(1, size)))
            for batch in file.iter_batches(batch_size=at_once, row_groups=[group]):
                for value in batch.to_pylist():
                    if number >= start.row:
                        yield Row(number, value, size=size)
                    number += 1


def _parquet_file(file: Any) -> Any:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as why:
        raise MissingExtra("Parquet needs pyarrow: pip install 'tidegate[parquet]'") from why
    try:
        return parquet.ParquetFile(file)
    except (pa.ArrowException, OSError) as why:
        raise InputFailed(f"the input is no Parquet file: {why}") from why
