"""What is printed for people. Tables: aligned columns in a pipe, the same with colour on a terminal.

Cells never wrap and never get cut when piped: scripts read them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

_GAP = 3
_GOOD = {"True", "Running", "Ready", "Active", "Completed", "Bound"}
_BAD = {"False", "Failed", "Error", "CrashLoopBackOff", "ImageNotRunnable", "Unknown"} | {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "OOMKilled",
}


def colours(out: TextIO | None = None) -> bool:
    """Whether to colour: a terminal, and nobody said NO_COLOR (https://no-color.org)."""
    out = out or sys.stdout
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def widths_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column, so that all cells fit."""
    return [
        max([len(title), *(len(row[i]) for row in rows if i < len(row))])
        for i, title in enumerate(header)
    ]


def plain_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line of a table; no blanks at its end. A cell that is wider than its column, as one that
    comes later may be, still keeps its distance from the next."""
    padded = [cell.ljust(width) + " " * _GAP for cell, width in zip(cells, widths, strict=False)]
    return "".join(padded).rstrip()


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, titles: bool = True
) -> None:
    """Print a table on stdout."""
    widths = widths_of(header if titles else [""] * len(header), rows)
    if titles:
        print(bold(plain_line(header, widths)))
    for row in rows:
        print(paint(row, widths))


def paint(cells: Sequence[str], widths: Sequence[int]) -> str:
    """A line as `plain_line`, with the cells that say good or bad in colour on a terminal."""
    line = plain_line(cells, widths)
    if not colours():
        return line
    out = []
    for cell, width in zip(cells, widths, strict=False):
        code = "32" if cell in _GOOD else "31" if cell in _BAD else ""
        text = f"\x1b[{code}m{cell}\x1b[0m" if code else cell
        out.append(text + " " * (max(0, width - len(cell)) + _GAP))
    return "".join(out).rstrip()


def bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colours() else text


def progress(text: str) -> None:
    """Say what takes a while to somebody who waits at a terminal; scripts don't hear it."""
    if sys.stderr.isatty():
        print(f"{text} ...", file=sys.stderr, flush=True)
