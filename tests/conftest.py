"""For all tests."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# A deadline is a timed test: on a busy machine it fails for what others do.
settings.register_profile("tidegate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidegate")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script. Programs that tests start would not hear Ctrl-C either.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def a_loop_that_is_closed() -> Iterator[None]:
    """looptime asks the policy for the current loop even before a test without one; the policy then
    makes one that nobody closes, and some later test fails for the warning. So there is one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
