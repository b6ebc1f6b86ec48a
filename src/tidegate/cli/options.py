"""Options that several commands share, so that they are called the same everywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from tidegate.cli.errors import Usage
from tidegate.kit.duration import BadDuration, parse_duration
from tidegate.kit.home import Home, home_from

#: What `--help` lists under: first these, then the groups that a command has of its own.
ARGUMENTS, OPTIONS = Group("Arguments", sort_key=1), Group("Options", sort_key=2)

DataDir = Annotated[
    str | None,
    Parameter(
        name=["--data-dir"],
        help="The engine's folder (default: TIDEGATE_HOME, else ~/.local/state/tidegate).",
    ),
]
Namespace = Annotated[str, Parameter(name=["--namespace", "-n"], help="Namespace of the objects.")]
AllNamespaces = Annotated[
    bool, Parameter(name=["--all-namespaces", "-A"], help="In all namespaces.")
]
DocumentNamespace = Annotated[
    str | None,
    Parameter(name=["--namespace", "-n"], help="For documents that name none (default: default)."),
]
Files = Annotated[
    list[str] | None,
    Parameter(
        name=["--filename", "-f"],
        allow_leading_hyphen=True,  # `-` alone is stdin
        help="A file, a folder, or - for stdin; may be given several times.",
    ),
]
Selector = Annotated[
    str | None, Parameter(name=["--selector", "-l"], help="Label selector, such as app=iris.")
]
AsTable = Annotated[
    Literal["table", "json"],
    Parameter(name=["--output", "-o"], help="A table, or json for scripts."),
]
AS_TEXT = "Text for people, or json for scripts."
AsText = Annotated[Literal["text", "json"], Parameter(name=["--output", "-o"], help=AS_TEXT)]


def commands(name: str, help: str, parts: Mapping[str, str]) -> App:
    """A command that has commands of its own: by their names (`ls, list`), where they live inside
    `tidegate.cli`. A part's module is loaded when it is used."""
    app = App(name=name, help=help, group_arguments=ARGUMENTS, group_parameters=OPTIONS)
    for at, (names, target) in enumerate(parts.items()):
        first, *others = names.split(", ")
        app.command(f"tidegate.cli.{target}", name=first, alias=others, sort_key=at)
    return app


def home_of(data_dir: str | None) -> Home:
    """The engine that a command means."""
    return home_from(os.environ, data_dir)


def duration_of(option: str, text: str) -> float:
    """Seconds of an option's value such as 30s. Raises `Usage`."""
    try:
        return parse_duration(text)
    except BadDuration as why:
        raise Usage(f"{option}: {why}") from why


def header_of(option: str, text: str) -> tuple[str, str]:
    """Name and value of a header such as `Name: value`. Raises `Usage`."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise Usage(f"{option} {text!r}: write it as 'Name: value'")
    return name.strip(), value.strip()
