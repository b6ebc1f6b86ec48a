"""How a fetch tells where it is: a bar in bytes on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tidegate.cli.cache.listing import size
from tidegate.kit.realtime import RealClock

if TYPE_CHECKING:
    from tidegate.modelcache.values import Progress

_LINE_EVERY_S = 5.0


@contextmanager
def told_progress(uri: str) -> Iterator[Callable[[Progress], None]]:
    """Gives what a fetch tells its progress to; all of it goes to stderr."""
    if sys.stderr.isatty():
        with _bar(uri) as show:
            yield show
    else:
        yield _Lines(uri)


@contextmanager
def _bar(uri: str) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, note="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=f"{progress.stage.value} {uri}",
                total=progress.total_bytes,
                completed=progress.done_bytes,
                note=progress.note,
            )

        yield show


class _Lines:
    def __init__(self, uri: str) -> None:
        self._uri, self._clock = uri, RealClock()
        self._due_s = self._clock.monotonic() + _LINE_EVERY_S

    def __call__(self, progress: Progress) -> None:
        now_s = self._clock.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + _LINE_EVERY_S
        print(line_of(self._uri, progress), file=sys.stderr, flush=True)


def line_of(uri: str, progress: Progress) -> str:
    """One line about where a fetch is."""
    words = [f"{progress.stage.value} {uri}: {size(progress.done_bytes)}"]
    if progress.total_bytes is not None:
        words[0] += f" of {size(progress.total_bytes)}"
    if progress.rate > 0:
        words.append(f"{size(progress.rate)}/s")
    if progress.left_s is not None:
        words.append(f"{progress.left_s:.0f} s left")
    if progress.note:
        words.append(progress.note)
    return ", ".join(words)
