"""Time on the event loop's own clock: virtual under `looptime`, so tests wait for nothing."""

from __future__ import annotations

import asyncio

EPOCH_S = 1_800_000_000.0  # a Friday in January 2027; any fixed time will do


class LoopClock:
    """`kit.clock.Clock` on the running loop's time."""

    def now(self) -> float:
        return EPOCH_S + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
