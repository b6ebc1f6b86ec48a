"""Reading the JSON lines that the keeper writes: `{"log": "...\\n", "stream": ..., "time": ...}`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WORDS_BYTES, _WORDS_LINES = 2048, 80  # of a termination message, as the kubelet cuts it
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogLine:
    """`text` has its newline, unless the line was too long for one record. `time` is RFC 3339."""

    text: str
    time: str


def parse_line(raw: bytes) -> LogLine | None:
    """None for what is no whole record (a writer killed in the middle)."""
    try:
        record = json.loads(raw)
        return LogLine(str(record["log"]), str(record["time"]))
    except (ValueError, KeyError, TypeError):
        return None


def read_lines(path: Path) -> Iterator[LogLine]:
    """All whole lines, those of the rotated half first. A file that isn't there has none."""
    for part in (Path(f"{path}.1"), path):
        try:
            with open(part, "rb") as file:
                for raw in file:
                    line = parse_line(raw)
                    if line is not None:
                        yield line
        except FileNotFoundError:
            continue


def tail_offset(path: Path, lines: int) -> int:
    """Where the last `lines` lines of a file begin."""
    with open(path, "rb") as file:
        at = file.seek(0, os.SEEK_END)
        seen = -1  # the newline at the very end ends the last line
        while at > 0:
            start = max(0, at - _BLOCK)
            file.seek(start)
            block = file.read(at - start)
            for index in range(len(block) - 1, -1, -1):
                if block[index] == 0x0A:
                    seen += 1
                    if seen == lines:
                        return start + index + 1
            at = start
    return 0


def last_words(path: Path) -> str | None:
    """The end of a log as a termination message; None when there is nothing."""
    try:
        with open(path, "rb") as file:
            file.seek(tail_offset(path, _WORDS_LINES))
            lines = [parse_line(raw) for raw in file]
    except FileNotFoundError:
        return None
    text = "".join(line.text for line in lines if line is not None)
    return text.encode()[-_WORDS_BYTES:].decode(errors="ignore") or None
