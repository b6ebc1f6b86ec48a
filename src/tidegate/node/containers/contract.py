"""What the node asks of podman or docker, and what stands in where there is neither.

`runtime` has the real one, `testing.fake_containers` one for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidegate.node.containers.images import Auth, ImageFacts, Pulled
from tidegate.node.containers.program import ContainerProgram, Unusable

#: Whether the container of a keeper's process is still wanted.
Keep = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Ending:
    """What the program says of a container that has ended. `began` False: its process never was.
    `code` None: it doesn't know. `out_of_memory`: the kernel ended it at its memory limit."""

    began: bool
    code: int | None
    out_of_memory: bool


class Containers(Protocol):
    """Containers on request. None of these raises."""

    @property
    def home_id(self) -> str: ...

    @property
    def env(self) -> Mapping[str, str]:
        """What the program is called with."""
        ...

    @property
    def known(self) -> ContainerProgram | None:
        """The program that was found; None: none was looked for or found."""
        ...

    async def program(self) -> ContainerProgram | Unusable:
        """The program, found now if need be."""
        ...

    async def facts(self, image: str) -> ImageFacts | None:
        """None: the image isn't here."""
        ...

    async def pull(self, image: str, auth: Auth, *, always: bool = False) -> Pulled:
        """`always`: also if it is here."""
        ...

    async def remove_image(self, image: str) -> str | None:
        """What stood in the way; None: it is gone."""
        ...

    def used(self) -> None:
        """A container is about to be made."""
        ...

    async def beginning(self, process: str, made: Path | None) -> Ending | None:
        """`ending`, but cheap to ask again and again while the file `made` isn't there."""
        ...

    async def ending(self, process: str) -> Ending | None:
        """None: there is no container of that process."""
        ...

    async def remove(self, process: str) -> None:
        """The container of that process, running or not, and its own volumes."""
        ...

    async def recall(self) -> None:
        """Find the program if containers were made for this home before."""
        ...

    async def sweep(self, keep: Keep) -> None:
        """Remove containers of this home that nobody wants any more."""
        ...


class NoContainers:
    """`Containers` where there are none."""

    home_id = ""
    env: Mapping[str, str] = {}
    known: ContainerProgram | None = None

    def __init__(self, why: str = "this node runs no containers") -> None:
        self._why = why

    async def program(self) -> ContainerProgram | Unusable:
        return Unusable(self._why)

    async def facts(self, image: str) -> ImageFacts | None:
        return None

    async def pull(self, image: str, auth: Auth, *, always: bool = False) -> Pulled:
        return Pulled(self._why)

    async def remove_image(self, image: str) -> str | None:
        return self._why

    def used(self) -> None:
        return

    async def beginning(self, process: str, made: Path | None) -> Ending | None:
        return None

    async def ending(self, process: str) -> Ending | None:
        return None

    async def remove(self, process: str) -> None:
        return

    async def recall(self) -> None:
        return

    async def sweep(self, keep: Keep) -> None:
        return
