"""Images that are wanted before a pod needs them: looked for and pulled one after the other, beside
everything else.

What it says is what `controllers.image_cache.Images` asks; `app` puts the two together.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidegate.client.api import Reader
from tidegate.kit.clock import Clock
from tidegate.node.containers.contract import Containers
from tidegate.node.containers.presence import auth_from
from tidegate.node.containers.program import Unusable
from tidegate.node.image_config import configured_runtimes
from tidegate.node.images import find_runtime

_LOG = logging.getLogger(__name__)
_AGAIN_S = 55.0  # a failure older than this is tried again by who asks


@dataclass(frozen=True, slots=True)
class Known:
    """`state` in the words of an ImageCache's status; `at_s` monotonic, when it became so."""

    state: str
    size_bytes: int = 0
    why: str = ""
    at_s: float = 0.0


class ImagesAhead:
    """`run` owns the work; `want` and `drop` only ask for it. `told` hears every change."""

    def __init__(self, reader: Reader, containers: Containers, clock: Clock) -> None:
        self._reader, self._containers, self._clock = reader, containers, clock
        self._known: dict[str, Known] = {}
        self._jobs: asyncio.Queue[tuple[str, Sequence[tuple[str, str]] | None]] = asyncio.Queue()
        self.told: Callable[[], None] = lambda: None

    def want(self, image: str, secrets: Sequence[tuple[str, str]]) -> Known:
        """What is known; work for it begins if that is nothing, or an old failure."""
        known = self._known.get(image)
        old = known is not None and known.state == "Failed"
        if known is None or (old and self._clock.monotonic() - known.at_s >= _AGAIN_S):
            known = self._known[image] = Known("Waiting")
            self._jobs.put_nowait((image, tuple(secrets)))
        return known

    def drop(self, image: str) -> None:
        """Remove it once nothing else is under way; one that a container has stays."""
        self._known.pop(image, None)
        self._jobs.put_nowait((image, None))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            image, secrets = await self._jobs.get()
            try:
                if secrets is None:
                    await self._remove(image)
                else:
                    await self._bring(image, secrets)
            except Exception:  # noqa: BLE001  (the loop's edge: reported, the next image is looked at)
                _LOG.exception("image %s", image)
                self._learn(image, "Failed", why="it could not be looked at: see the engine's log")

    async def _bring(self, image: str, secrets: Sequence[tuple[str, str]]) -> None:
        runtime = find_runtime(image, configured_runtimes(self._reader))
        if runtime is not None:
            program = (runtime.real or runtime.entry or (sys.executable,))[:3]
            stands = " ".join(program).replace(sys.executable, "python")
            self._learn(image, "Program", why=f"runs here as a program ({stands}), nothing to pull")
            return
        found = await self._containers.program()
        if isinstance(found, Unusable):
            why = f"it needs podman or docker, and there is none that works: {found.why}"
            self._learn(image, "Failed", why=why)
            return
        facts = await self._containers.facts(image)
        if facts is not None:
            self._learn(image, "Present", facts.size_bytes)
            return
        self._learn(image, "Pulling")
        auth, problems = auth_from(self._reader, list(secrets))
        pulled = await self._containers.pull(image, auth)
        facts = await self._containers.facts(image) if pulled.problem is None else None
        if facts is None:
            said = pulled.problem or "it was pulled and is not there"
            self._learn(image, "Failed", why="; ".join((said, *problems)))
        else:
            self._learn(image, "Pulled", facts.size_bytes)

    async def _remove(self, image: str) -> None:
        problem = await self._containers.remove_image(image)
        if problem is not None:
            _LOG.info("image %s stays: %s", image, problem)

    def _learn(self, image: str, state: str, size_bytes: int = 0, why: str = "") -> None:
        self._known[image] = Known(state, size_bytes, why, self._clock.monotonic())
        self.told()
