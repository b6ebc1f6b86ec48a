"""Waiting for something to happen, but not for ever."""

from __future__ import annotations

import asyncio


async def happens(event: asyncio.Event, at_most_s: float) -> None:
    """Return when it is set, or after so long."""
    try:
        async with asyncio.timeout(at_most_s):
            await event.wait()
    except TimeoutError:
        pass
