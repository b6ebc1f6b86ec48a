"""How a batch run tells where it is: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.batch.plan import Progress, Summary

_LINE_EVERY_S = 10.0


@contextmanager
def told_progress(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Gives what a run tells its progress to."""
    if quiet:
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _Lines()


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, said="")
        before = _Remaining()

        def show(progress: Any) -> None:
            total = None if progress.fraction is None else 1.0
            bar.update(
                task, total=total, completed=progress.fraction or 0, said=before.line(progress)
            )

        yield show


class _Lines:
    def __init__(self) -> None:
        self._due_s = monotonic() + _LINE_EVERY_S
        self._before = _Remaining()

    def __call__(self, progress: Progress) -> None:
        line = self._before.line(progress)
        if monotonic() >= self._due_s:
            self._due_s = monotonic() + _LINE_EVERY_S
            print(line, file=sys.stderr, flush=True)


class _Remaining:
    """Estimates when a run ends, by how far it came since this start."""

    def __init__(self) -> None:
        self._began_s = monotonic()
        self._first: float | None = None

    def line(self, progress: Progress) -> str:
        """One line about where it is."""
        words = [f"{progress.served + progress.failed:,} rows"]
        if progress.failed:
            words.append(f"{progress.failed:,} failed")
        words.append(f"{_rate(progress.per_s)}, {progress.in_flight} at once")
        if progress.fraction is not None:
            words.insert(0, f"{progress.fraction:.0%}")
            left_s = self._left_s(progress.fraction)
            if left_s is not None:
                words.append(f"{_time(left_s)} left")
        if progress.yields:
            words.append(f"gave way {progress.yields:,} times")
        if progress.waiting:
            words.append(f"waits: {progress.waiting[:100]}")
        return ", ".join(words)

    def _left_s(self, fraction: float) -> float | None:
        if self._first is None:
            self._first = fraction
        gone = fraction - self._first
        return (1 - fraction) / gone * (monotonic() - self._began_s) if gone > 0 else None


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f} rows/s" if per_s >= 100 else f"{per_s:.3g} rows/s"


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def said(summary: Summary) -> str:
    """How a run ended, in one line."""
    if summary.already_complete:
        return f"{summary.output} is complete already: {_rows(summary)}; --overwrite runs it again"
    per_s = (summary.served + summary.failed) / summary.took_s if summary.took_s > 0 else 0.0
    resumed = f", resumed at row {summary.resumed_at:,}" if summary.resumed_at else ""
    gave = f", gave way {summary.yields:,} times" if summary.yields else ""
    return (
        f"{summary.output}: {_rows(summary)} in {_time(summary.took_s)}"
        f" ({_rate(per_s)}{resumed}{gave})"
    )


def _rows(summary: Summary) -> str:
    failed = f", {summary.failed:,} failed ({summary.failed_file})" if summary.failed else ""
    return f"{summary.served:,} rows served{failed}"
