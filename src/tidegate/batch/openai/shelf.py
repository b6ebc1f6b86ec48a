"""Where files and batches are kept: a folder of the engine's home.

    files/<id>/content, about.json      batches/<id>/batch.json, cancel, work/

`batch.json` is written by whoever makes the batch, from then on by its worker alone; `cancel` is there
once somebody asked for that.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tidegate.batch.disk import Disk
from tidegate.batch.openai.records import OVER, Batch, FileRecord, has_expired

R = TypeVar("R", FileRecord, Batch)
_ID: Final = re.compile(r"(?:file|batch)[-_][A-Za-z0-9]{8,64}")


class Shelf:
    """Reads and writes records. Ids that no record could have are found nowhere."""

    def __init__(self, root: Path) -> None:
        self._files, self._batches, self._disk = root / "files", root / "batches", Disk()
        self.arriving = root / "arriving"
        for folder in (self._files, self._batches, self.arriving):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # --- files

    def content(self, id_: str) -> Path:
        return self._files / id_ / "content"

    def file(self, id_: str) -> FileRecord | None:
        """None: there is none."""
        return _read(self._files / id_ / "about.json", FileRecord) if _ID.fullmatch(id_) else None

    def files(self) -> Iterator[FileRecord]:
        """All of them, the newest first."""
        found = (self.file(path.name) for path in self._files.iterdir())
        yield from sorted((f for f in found if f), key=lambda f: (f.created_at, f.id), reverse=True)

    def add_file(self, content: Path, about: FileRecord) -> None:
        """Take a file over; it is there when its record is. Doing it twice changes nothing."""
        folder = self._files / about.id
        folder.mkdir(mode=0o700, exist_ok=True)
        if content.exists():
            with content.open("rb") as file:
                os.fsync(file.fileno())
            self._disk.move(content, folder / "content")
        self._disk.write(folder / "about.json", msgspec.json.encode(about))

    def remove_file(self, id_: str) -> None:
        (self._files / id_ / "about.json").unlink(missing_ok=True)
        shutil.rmtree(self._files / id_, ignore_errors=True)

    def forget_expired(self, now_s: float) -> None:
        """Remove the files whose time is over."""
        for file in list(self.files()):
            if has_expired(file, now_s):
                self.remove_file(file.id)

    def forget_arrivals(self, before_s: float) -> None:
        """Remove what is left of uploads that ended in the middle, if nobody wrote to it since."""
        for path in self.arriving.iterdir():
            if path.stat().st_mtime < before_s:
                path.unlink(missing_ok=True)

    # --- batches

    def folder(self, id_: str) -> Path:
        """The worker's own."""
        work = self._batches / id_ / "work"
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        return work

    def batch(self, id_: str) -> Batch | None:
        """As a client sees it: one that was told to stop and hasn't yet is cancelling. None: none."""
        if not _ID.fullmatch(id_):
            return None
        found = _read(self._batches / id_ / "batch.json", Batch)
        asked_s = self.cancel_asked(id_)
        if found is not None and asked_s is not None and found.status not in OVER:
            return msgspec.structs.replace(found, status="cancelling", cancelling_at=asked_s)
        return found

    def batches(self) -> Iterator[Batch]:
        """All of them, the newest first."""
        found = (self.batch(path.name) for path in self._batches.iterdir())
        yield from sorted((b for b in found if b), key=lambda b: (b.created_at, b.id), reverse=True)

    def save(self, batch: Batch) -> None:
        """On the disk when this returns."""
        folder = self._batches / batch.id
        folder.mkdir(mode=0o700, exist_ok=True)
        self._disk.write(folder / "batch.json", msgspec.json.encode(batch))

    def ask_to_cancel(self, id_: str, now_s: float) -> None:
        self._disk.write(self._batches / id_ / "cancel", b"%d" % now_s)

    def cancel_asked(self, id_: str) -> int | None:
        """When; None: nobody did."""
        try:
            return int((self._batches / id_ / "cancel").read_bytes())
        except (FileNotFoundError, ValueError):
            return None


def new_id(kind: str) -> str:
    """`file-...` or `batch_...`, never used before."""
    return f"{kind}{'_' if kind == 'batch' else '-'}{secrets.token_hex(12)}"


def _read(path: Path, type_: type[R]) -> R | None:
    """None: there is none, or none that can be read (records are replaced whole; somebody edited it)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
