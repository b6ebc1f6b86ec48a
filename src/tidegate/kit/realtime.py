"""The real clock. Made in `app` and in process entry points, nowhere else."""

import asyncio
import time


class RealClock:
    """`kit.clock.Clock` on the machine's own clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
