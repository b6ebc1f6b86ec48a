"""A server's last phase: not ready any more, still answering, gone when nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tidegate.kit.clock import Clock


class Drain:
    """Counts work in flight. Owned by the event loop's thread; only `begin` and `entered` write.

    Requests that arrive while draining are still answered: whoever routes to us may not have
    heard yet. They are told to close their connection.
    """

    def __init__(self) -> None:
        self.draining = False
        self.in_flight = 0
        self._changed = asyncio.Event()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Around one request, from its first byte read to its last byte handed over."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._changed.set()

    def begin(self) -> None:
        """From now on the server says that it is not ready."""
        self.draining = True
        self._changed.set()

    async def wait_begun(self) -> None:
        while not self.draining:
            await self._next_change()

    async def wait_idle(self) -> None:
        """Return once nothing is in flight; at once if nothing is."""
        while self.in_flight:
            await self._next_change()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


async def wait_to_close(drain: Drain, clock: Clock, *, at_most_s: float) -> None:
    """Return when new connections should be refused: draining and idle, or `at_most_s` later.

    The bound is for callers that never stop sending; what they have in flight is still finished.
    """
    await drain.wait_begun()
    async with asyncio.TaskGroup() as tasks:
        idle = tasks.create_task(drain.wait_idle())
        late = tasks.create_task(clock.sleep(at_most_s))
        await asyncio.wait((idle, late), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        late.cancel()
