"""Options that several commands share, so that they are called the same everywhere."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

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
        help="A file, a folder, or - for stdin; may be given several times.",
    ),
]
Selector = Annotated[
    str | None, Parameter(name=["--selector", "-l"], help="Label selector, such as app=iris.")
]


def home_of(data_dir: str | None) -> Home:
    """The engine that a command means."""
    return home_from(os.environ, data_dir)
