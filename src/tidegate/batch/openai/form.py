"""A form with a file in it (multipart/form-data, RFC 7578) that lies on the disk whole: where its parts
are. Read by maps, so that 200 MB of it are never in memory."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.batch.openai.records import Refused

_MOST_HEAD_BYTES: Final = 16 * 1024
_PARAMETER: Final = re.compile(r';\s*([a-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One field. `begin` and `end` are in bytes; `filename` None: it is no file."""

    begin: int
    end: int
    filename: str | None = None


def boundary_of(content_type: str) -> bytes:
    """Raises `Refused`."""
    kind, _, rest = content_type.partition(";")
    found = dict(_parameters(";" + rest)).get("boundary")
    if kind.strip().lower() != "multipart/form-data" or not found:
        raise Refused(400, "files are uploaded as multipart/form-data with `file` and `purpose`")
    return found.encode("latin-1")


def parts_of(path: Path, boundary: bytes) -> Mapping[str, Part]:
    """The fields by their names. Raises `Refused`."""
    if not path.stat().st_size:
        raise Refused(400, "the form is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _parts(data, b"--" + boundary)


def _parts(data: mmap.mmap, line: bytes) -> dict[str, Part]:
    out: dict[str, Part] = {}
    at = data.find(line)
    while at >= 0:
        at += len(line)
        if data[at : at + 2] == b"--":
            return out
        head_end = data.find(b"\r\n\r\n", at, at + _MOST_HEAD_BYTES)
        end = data.find(b"\r\n" + line, max(at, head_end))
        if head_end < 0 or end < 0:
            break
        head = data[at:head_end].decode("utf-8", "replace")
        for header in head.split("\r\n"):
            name, _, value = header.partition(":")
            if name.strip().lower() == "content-disposition":
                said = dict(_parameters(value))
                begin = min(head_end + 4, end)
                out[said.get("name", "")] = Part(begin, end, said.get("filename"))
        at = end + 2
    raise Refused(400, "the form ends in the middle: the upload was cut short")


def _parameters(text: str) -> list[tuple[str, str]]:
    return [
        (name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else bare)
        for name, quoted, bare in _PARAMETER.findall(text)
    ]
