"""Options that several commands share, so that they are called the same everywhere."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.errors import Usage
from tidegate.kit.duration import BadDuration, parse_duration
from tidegate.kit.home import Home, home_from

DataDir = Annotated[
    str | None,
    Parameter(
        name=["--data-dir"],
        help="The engine's folder (default: TIDEGATE_HOME, else ~/.local/state/tidegate).",
    ),
]
Namespace = Annotated[str, Parameter(name=["--namespace", "-n"], help="Namespace of the objects.")]
AllNamespaces = Annotated[
    bool, Parameter(name=["--all-namespaces", "-A"], negative="", help="In all namespaces.")
]
Files = Annotated[
    list[str] | None,
    Parameter(
        name=["--filename", "-f"],
        negative="",
        allow_leading_hyphen=True,  # `-` alone is stdin
        help="A file, a folder, or - for stdin; may be given several times.",
    ),
]
Selector = Annotated[
    str | None, Parameter(name=["--selector", "-l"], help="Label selector, such as app=iris.")
]


def home_of(data_dir: str | None) -> Home:
    """The engine that a command means."""
    return home_from(os.environ, data_dir)


def duration_of(option: str, text: str) -> float:
    """Seconds of an option's value such as 30s. Raises `Usage`."""
    try:
        return parse_duration(text)
    except BadDuration as why:
        raise Usage(f"{option}: {why}") from why
