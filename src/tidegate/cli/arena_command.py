"""`tidegate arena`: Arena's own command line, which reads its flags itself."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def arena(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Submit and manage serving jobs as Arena does; `tidegate arena serve --help` lists its commands.

    Example: tidegate arena serve kserve --name=iris --model-format=sklearn --storage-uri=file:///models/iris
    """
    from tidegate.cli.arena.main import arena as run

    return run(list(words))
