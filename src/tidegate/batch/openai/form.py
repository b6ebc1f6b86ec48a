"""A form with a file in it (multipart/form-data, RFC 7578) that lies on the disk whole: where its parts
are. Read by maps, so that 200 MB of it are never in memory."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tidegate.batch.openai.records import ExpiresAfter, Refused, check_expiry

_MOST_HEAD_BYTES: Final = 16 * 1024
_WORD_BYTES: Final = 64
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


def expiry_of(source: IO[bytes], parts: Mapping[str, Part]) -> ExpiresAfter | None:
    """How long the file that a form brings is to be kept; None: until it is deleted. Raises `Refused`,
    also for anything else that is no upload of a batch's."""
    if "file" not in parts or parts["file"].filename is None:
        raise Refused(400, "the form has no `file`", param="file")
    said = {name: _text(source, part) for name, part in parts.items() if name != "file"}
    purpose = said.pop("purpose", None)
    if purpose is None:
        raise Refused(400, "the form has no `purpose`", param="purpose")
    if purpose != "batch":
        raise Refused(400, f"purpose {purpose!r}: only 'batch' is served", param="purpose")
    anchor, seconds = (said.pop(f"expires_after[{name}]", None) for name in ("anchor", "seconds"))
    for name in said:
        raise Refused(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    if anchor is None and seconds is None:
        return None
    number = int(seconds) if seconds and seconds.isdecimal() else 0
    asked = ExpiresAfter(anchor=anchor or "", seconds=number)
    check_expiry(asked, "expires_after")
    return asked


def _text(source: IO[bytes], part: Part) -> str:
    source.seek(part.begin)
    return source.read(min(part.end - part.begin, _WORD_BYTES)).decode("utf-8", "replace")


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
