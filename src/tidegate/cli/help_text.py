"""How `--help` of a command looks: columns as in the overview, the same on a terminal and in a pipe.

Text is set anew to the width that there is; examples stay on one line, to be copied.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from tidegate.cli.tables import bold

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_WIDEST = 100
_LABEL = 30  # columns; a longer one has a line of its own
_CHOICES = 24  # longer ones are told in the text
_EXAMPLE = "Example: "
_NO_DEFAULT = (None, "None", "False", "True", "()")  # or one that the names tell
_VALUES = {"STR": "TEXT", "INT": "N", "FLOAT": "N"}


class HelpText:
    """What the parser shows help with."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        if not panel.entries:
            return
        _write(console, bold(f"{_plain(panel.title)}:"))
        for line in columns([(_label(entry), _about(entry)) for entry in panel.entries]):
            _write(console, line)
        _write(console, "")

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        _write(console, f"{bold('Usage:')} {_plain(usage).removeprefix('Usage: ')}\n")

    def render_description(
        self, console: Console, options: ConsoleOptions, description: Any
    ) -> None:
        for paragraph in _plain(description).split("\n\n"):
            text = " ".join(paragraph.split())
            if text:
                lines = [text] if text.startswith(_EXAMPLE) else wrap(text, _width())
                _write(console, "\n".join(lines) + "\n")


def columns(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What is listed, and what there is to say of it, set to the width of the terminal."""
    fitting = [len(label) for label, _ in rows if len(label) <= _LABEL]
    for label, about in rows:
        yield from _row(label, about, max(fitting, default=_LABEL), _width())


def _row(label: str, about: str, column: int, width: int) -> Iterator[str]:
    lines = wrap(about, max(20, width - column - 4), break_on_hyphens=False)
    if len(label) > column:
        yield f"  {label}"
        label = ""
    first, *rest = lines or [""]
    if label or first:
        yield f"  {label:<{column}}  {first}".rstrip()
    for line in rest:
        yield f"  {'':<{column}}  {line}"


def _label(entry: HelpEntry) -> str:
    """`-o, --output table|json`, or the name of an argument or command."""
    if entry.positional_label:
        return entry.positional_label
    names = [*entry.positive_shorts, *entry.positive_names, *entry.negative_names]
    label = ", ".join(names)
    if not label.startswith("-"):
        return label
    if not entry.positive_shorts:
        label = f"    {label}"
    value = _value(entry)
    return f"{label} {value}" if value else label


def _value(entry: HelpEntry) -> str:
    kind = (entry.metavar or "").removesuffix("...").removesuffix("|STR")
    if kind == "CHOICE" and entry.choices and len("|".join(entry.choices)) <= _CHOICES:
        return "|".join(entry.choices)
    return _VALUES.get(kind, kind)


def _about(entry: HelpEntry) -> str:
    text = " ".join(_plain(entry.description).split())
    notes = []
    if entry.choices and (entry.positional_label or "|".join(entry.choices) != _value(entry)):
        notes.append(f"one of {', '.join(entry.choices)}")
    if entry.required and not entry.positional_label:
        notes.append("required")
    if entry.default not in _NO_DEFAULT and "(default" not in text:
        notes.append(f"default: {str(entry.default).removesuffix('.0')}")
    return f"{text} ({'; '.join(notes)})" if notes else text


def _plain(thing: Any) -> str:
    """The words of what the parser has made of a text."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=100_000, color_system=None).print(thing, end="", markup=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip()


def _width() -> int:
    return min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)


def _write(console: Console, text: str) -> None:
    console.file.write(f"{text}\n")
