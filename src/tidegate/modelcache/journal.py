"""What of a fetch is on disk already: one line for each finished part.

The first line says what is being fetched and in which boot of the machine. `kill -9` loses no page
that was written, so within a boot a line is as good as its part; after a power cut a line may
have outlived its bytes, so the journal of another boot counts for nothing. Files that were finished are
in `blobs/`, synced, and never in question. A last line without its end was torn: it is left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.modelcache.values import RemoteFile

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """This boot of the machine, "" where the kernel doesn't say: then nothing is trusted."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier try left: for each version of a file, its staging name and finished parts."""

    part_bytes: int
    parts: Mapping[str, frozenset[int]]  # version -> numbers of parts


def version_of(file: RemoteFile) -> str:
    """Path, size and version in one word; "" when the store tells no version: it can't be resumed."""
    if not (file.etag or file.modified) or file.size < 0:
        return ""
    return json.dumps([file.path, file.size, file.etag, file.modified])


def parse(lines: Iterable[str], *, boot: str) -> Kept | None:
    """What a journal says; None: nothing that counts."""
    head: dict[str, object] | None = None
    parts: dict[str, set[int]] = {}
    for line in lines:
        if not line.endswith("\n"):
            break
        try:
            word = json.loads(line)
        except ValueError:
            break
        if head is None:
            if not isinstance(word, dict) or not boot or word.get("boot") != boot:
                return None
            head = word
        elif isinstance(word, list) and len(word) == 2:
            parts.setdefault(str(word[0]), set()).add(int(word[1]))
    if head is None or not isinstance(head.get("part_bytes"), int):
        return None
    size = head["part_bytes"]
    assert isinstance(size, int)
    return Kept(size, {version: frozenset(done) for version, done in parts.items()})


def read(path: Path) -> Kept | None:
    """The journal at a path, if it counts."""
    try:
        with path.open(encoding="utf-8") as file:
            return parse(file, boot=boot_id())
    except (OSError, UnicodeDecodeError):
        return None


class Journal:
    """The journal being written; lines of several threads don't mix (O_APPEND, one write each)."""

    def __init__(self, path: Path, part_bytes: int, kept: Kept | None) -> None:
        """Goes on with what was kept (of the same part size), or starts anew."""
        going_on = kept is not None and kept.part_bytes == part_bytes
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if going_on else os.O_TRUNC)
        self._fd = os.open(path, flags, 0o600)
        if not going_on:
            self._line({"boot": boot_id(), "part_bytes": part_bytes})
        else:
            self._mend(path)

    def done(self, version: str, part: int) -> None:
        """The part's bytes are written."""
        if version:
            self._line([version, part])

    def close(self) -> None:
        os.close(self._fd)

    def _line(self, word: object) -> None:
        os.write(self._fd, json.dumps(word).encode() + b"\n")

    def _mend(self, path: Path) -> None:
        """Cut a torn last line off, or the next one would be joined to it."""
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end != len(data):
            os.truncate(path, end)
