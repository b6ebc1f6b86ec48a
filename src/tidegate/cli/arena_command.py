"""`tidegate arena`: Arena's own command line, which reads its flags itself."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

#: For a shell to complete; Arena's other spellings are read as well.
Command = Literal[
    "kserve",
    "tensorflow",
    "triton",
    "custom",
    "list",
    "get",
    "logs",
    "update",
    "delete",
    "traffic-router-split",
]


def arena(
    part: Literal["serve"] | None = None,
    command: Command | None = None,
    /,
    *words: Annotated[str, Parameter(allow_leading_hyphen=True)],
) -> int:
    """Submit and manage serving jobs as Arena does; `tidegate arena serve --help` lists its commands.

    Example: tidegate arena serve kserve --name=iris --model-format=sklearn --storage-uri=file:///models/iris
    """
    from tidegate.cli.arena.main import arena as run

    return run([word for word in (part, command) if word is not None] + list(words))
