"""Where a model's blocking calls run, so that health answers while a prediction computes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tidegate.kit.clock import Clock

T = TypeVar("T")

INLINE_BELOW_S = 0.001
"""Predictions that took less run on the loop's own thread, because a hop to another and back costs
a good part of them (measured for iris with server and client on a core each: 0.52 ms of CPU a
request inline, 0.60 to 0.72 ms through a thread; p50 0.59 against 0.69 to 0.85 ms), and a
millisecond is less than a health probe can notice."""
INLINE_BODY_BYTES = 4096
"""Larger requests go to a thread whatever the last ones took: more rows, more time."""


class Workers:
    """Threads for one model. Owned by the event loop's thread."""

    def __init__(self, parallel: int, clock: Clock) -> None:
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="model")
        self._clock = clock
        self._usual_s: float | None = None  # how long small calls took; None: none seen yet

    async def predict(self, call: Callable[[], T], *, body_bytes: int) -> T:
        """Run `call`, inline if it is known to be short. Raises what `call` raises."""
        if body_bytes > INLINE_BODY_BYTES:
            return await self.in_thread(call)
        timed = self._timed(call)
        if self._usual_s is not None and self._usual_s < INLINE_BELOW_S:
            return timed()
        return await self.in_thread(timed)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run `call` on a thread; it waits its turn if all are busy."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Waits for calls that run; those that wait are dropped."""
        self._threads.shutdown(cancel_futures=True)

    def _timed(self, call: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            began_s = self._clock.monotonic()
            try:
                return call()
            finally:
                took_s = self._clock.monotonic() - began_s
                was_s = took_s if self._usual_s is None else self._usual_s
                # Up at once, down slowly: one slow call sends the next ones back to threads.
                self._usual_s = max(took_s, was_s * 0.8 + took_s * 0.2)

        return run
