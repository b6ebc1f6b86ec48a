"""Podman that exists only in memory: images, pulls, and how containers ended.

What a container does is the fake keeper's script, as for any process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.kit.clock import Clock
from tidegate.node.containers.contract import Ending
from tidegate.node.containers.images import Auth, ImageFacts, Pulled
from tidegate.node.containers.program import ContainerProgram, Unusable

FAKE = ContainerProgram("podman", ("/fake/podman",))


@dataclass
class FakeContainers:
    """`node.containers.Containers`. `registry`: image -> facts, or why it can't be pulled; `here`:
    what is in storage. `endings`: by the keeper's name; one that isn't there began and ended well."""

    clock: Clock
    found: ContainerProgram | Unusable = FAKE
    here: dict[str, ImageFacts] = field(default_factory=dict)
    registry: dict[str, ImageFacts | str] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    pull_s: float = 2.0
    pulls: list[tuple[str, Auth]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    home_id: str = "home"
    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": "/bin"})

    @property
    def known(self) -> ContainerProgram | None:
        return self.found if isinstance(self.found, ContainerProgram) else None

    async def program(self) -> ContainerProgram | Unusable:
        return self.found

    async def facts(self, image: str) -> ImageFacts | None:
        return self.here.get(image)

    async def pull(self, image: str, auth: Auth, *, always: bool = False) -> Pulled:
        self.pulls.append((image, auth))
        await self.clock.sleep(self.pull_s)
        found = self.registry.get(image, "no such image")
        if isinstance(found, str):
            return Pulled(found, self.pull_s)
        self.here[image] = found
        return Pulled(None, self.pull_s)

    async def remove_image(self, image: str) -> str | None:
        return None if self.here.pop(image, None) is not None else "no such image"

    def used(self) -> None:
        return

    async def beginning(self, process: str, made: Path | None) -> Ending | None:
        return await self.ending(process)

    async def ending(self, process: str) -> Ending | None:
        return self.endings.get(process, Ending(True, None, False))

    async def remove(self, process: str) -> None:
        self.removed.append(process)

    async def recall(self) -> None:
        return

    async def sweep(self, keep: Callable[[str], bool]) -> None:
        return
