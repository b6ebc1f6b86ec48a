"""What a run has written so far, and how it goes on after a crash.

Beside the output stand `<output>.part` (lines), `<output>.failed.jsonl` (the side file) and
`<output>.run`, the journal: how long the two were, and which rows are in them, when all of that was on
the disk. A run that starts again cuts both to those lengths: rows that were served after the last entry
are served again, and are in the output once.

    running -> publishing -> complete        each is on the disk before what follows begins
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from tidegate.batch.disk import Disk
from tidegate.batch.errors import OtherRun, OutputFailed
from tidegate.batch.ledger import Entry, Mark
from tidegate.batch.shapes import Protocol


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What is known to be on the disk. `about` tells one run from another."""

    about: dict[str, str]
    state: Literal["running", "publishing", "complete"] = "running"
    protocol: Protocol = "auto"  # as detected; auto: no row was seen yet
    next: int = 0
    offset: int | None = 0
    beyond: tuple[tuple[int, int], ...] = ()
    out_bytes: int = 0
    failed_bytes: int = 0
    served: int = 0
    failed: int = 0
    took_s: float = 0.0  # over all its starts

    @property
    def mark(self) -> Mark:
        return Mark(self.next, self.offset, self.beyond)


@dataclass(frozen=True, slots=True)
class Paths:
    """The files of a run, by the name that its output has or would have on this machine."""

    output: Path

    @property
    def part(self) -> Path:
        return self.output.with_name(self.output.name + ".part")

    @property
    def failed(self) -> Path:
        return self.output.with_name(self.output.name + ".failed.jsonl")

    @property
    def journal(self) -> Path:
        return self.output.with_name(self.output.name + ".run")

    @property
    def lock(self) -> Path:
        return self.output.with_name(self.output.name + ".lock")


class Spool:
    """Owner of a run's files; the lock is held by whoever made it."""

    def __init__(self, paths: Paths, disk: Disk, journal: Journal) -> None:
        self.paths, self._disk, self.journal = paths, disk, journal

    @classmethod
    def opened(
        cls,
        paths: Paths,
        disk: Disk,
        about: Mapping[str, str],
        *,
        overwrite: bool,
        output_exists: Callable[[], bool],
    ) -> Spool:
        """The spool of this run: a new one, or as it was left. `overwrite`: whatever is there goes,
        unless it is of this very run, which has a name. Raises `OtherRun`, `OutputFailed`."""
        was = read_journal(paths.journal) if not overwrite or about.get("run") else None
        if overwrite and was is not None and was.about != about:
            was = None
        if was is None:
            if not overwrite and (output_exists() or paths.failed.exists()):
                there = paths.output if output_exists() else paths.failed
                raise OtherRun(f"{there} exists: choose another name, or replace it by --overwrite")
            for path in (paths.journal, paths.part, paths.failed):
                disk.remove(path)
            was = Journal(about=dict(about))
            disk.write(paths.journal, msgspec.json.encode(was))
        differs = [
            name for name in {**was.about, **about} if was.about.get(name) != about.get(name)
        ]
        if differs:
            raise OtherRun(_of_another(paths, was, ", ".join(sorted(differs))))
        spool = cls(paths, disk, was)
        if was.state == "running":
            disk.cut(paths.part, was.out_bytes)
            disk.cut(paths.failed, was.failed_bytes)
        elif was.state == "complete":
            disk.remove(paths.part)
            if not (
                was.about.get("run") or output_exists()
            ):  # a named one's may be fetched already
                raise OtherRun(
                    f"{paths.journal} says that the run is complete, and its output isn't there any more:"
                    " run it anew with --overwrite"
                )
        return spool

    def checkpoint(
        self, entries: list[Entry], mark: Mark, *, protocol: Protocol, took_s: float
    ) -> None:
        """Write entries, and that they are written. On the disk when this returns."""
        lines = b"".join(entry.line for entry in entries if not entry.failed)
        failed = b"".join(entry.line for entry in entries if entry.failed)
        if lines:
            self._disk.append(self.paths.part, lines)
        if failed:
            self._disk.append(self.paths.failed, failed)
        was, failures = self.journal, sum(entry.failed for entry in entries)
        self._save(
            msgspec.structs.replace(
                was,
                protocol=protocol,
                next=mark.next,
                offset=mark.offset,
                beyond=mark.beyond,
                out_bytes=was.out_bytes + len(lines),
                failed_bytes=was.failed_bytes + len(failed),
                served=was.served + len(entries) - failures,
                failed=was.failed + failures,
                took_s=took_s,
            )
        )

    def publish(self, finish: Callable[[Path], Path], deliver: Callable[[Path], None]) -> None:
        """All rows are done: give the output its name. `finish` makes the file that goes out of the lines
        (the lines themselves, where they are the format); `deliver` takes it away from there."""
        if self.journal.state == "running":
            self._save(msgspec.structs.replace(self.journal, state="publishing"))
        if self.journal.state == "publishing":
            if self.paths.part.exists():  # else it was given its name already
                deliver(finish(self.paths.part))
            if not self.journal.failed_bytes:
                self._disk.remove(self.paths.failed)
            self._save(msgspec.structs.replace(self.journal, state="complete"))
        self._disk.remove(self.paths.part)

    @property
    def is_empty(self) -> bool:
        """Whether no row was done yet."""
        return self.journal.state == "running" and not (self.journal.next or self.journal.beyond)

    def discard(self) -> None:
        """Nothing of the run is to stay."""
        for path in (self.paths.journal, self.paths.part, self.paths.failed):
            self._disk.remove(path)

    def _save(self, journal: Journal) -> None:
        self._disk.write(self.paths.journal, msgspec.json.encode(journal))
        self.journal = journal


def _of_another(paths: Paths, was: Journal, differs: str) -> str:
    way_out = (
        "choose another name"
        if was.state == "complete"
        else "give that one's command again to finish it"
    )
    return (
        f"{paths.journal} belongs to a run that differs in {differs}: {way_out}, or begin anew with"
        " --overwrite"
    )


def read_journal(path: Path) -> Journal | None:
    """None: there is none. Raises `OtherRun` for a file that is no journal."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as why:
        raise OtherRun(f"{path} is no batch journal ({why}): move it away") from why
    except OSError as why:
        raise OutputFailed(f"{path}: {why.strerror}") from why
