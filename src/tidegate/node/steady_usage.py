"""Use of CPU and memory over windows of equal length, for those who decide by it.

`usage.PodUsage` answers a person at once: from one moment to the next a window may be a second long.
Here everybody who asks within ten seconds gets the same figures, and the next ones are means since
those, as metrics-server's are since its scrape before (15 s apart, by default).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tidegate.kit.clock import Clock
from tidegate.model.usage import Measurement
from tidegate.node.keeper_link import Keeper
from tidegate.node.usage import Look, look, used

_STANDS_S, _SHORTEST_S, _LONGEST_S = 10.0, 1.0, 60.0


@dataclass(slots=True)
class SteadyUsage:
    """Measures when asked; nothing is measured while nobody asks."""

    keeper: Keeper
    clock: Clock
    node_name: str
    _last: Look | None = None
    _answer: Measurement | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def measure(self) -> Measurement:
        """The mean since the measurement before. Without one a second is waited out. Raises nothing."""
        async with self._turn:
            now_s, before = self.clock.monotonic(), self._last
            if self._answer is not None and before is not None and now_s - before.at_s < _STANDS_S:
                return self._answer
            if before is None or now_s - before.at_s > _LONGEST_S:
                before = await self._look()
                await self.clock.sleep(_SHORTEST_S)
            self._last = await self._look()
            self._answer = used(
                before, self._last, wall_s=self.clock.now(), node_name=self.node_name
            )
            return self._answer

    async def _look(self) -> Look:
        running = [p for p in self.keeper.processes.values() if not p.ended]
        return await asyncio.to_thread(look, running, self.clock.monotonic())
