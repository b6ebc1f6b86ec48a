"""Events are news, not state: an hour after they last happened they go."""

from __future__ import annotations

import logging

from tidegate.apiserver.lifecycle import Deletion
from tidegate.apiserver.writes import Caller, Writes
from tidegate.kit.clock import Clock
from tidegate.model.conditions import seconds_of
from tidegate.model.core import Event
from tidegate.model.errors import ApiError, Conflict, NotFound

#: As an API server's --event-ttl.
EVENT_TTL_S = 3600.0
_LOOK_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class EventExpiry:
    """Run one for the whole API, in a task of its own."""

    def __init__(self, writes: Writes, clock: Clock, *, ttl_s: float = EVENT_TTL_S) -> None:
        self._writes, self._clock, self._ttl_s = writes, clock, ttl_s
        self._caller = Caller("system:event-expiry", durable=False)

    async def run(self) -> None:
        """Remove what is over until cancelled."""
        while True:
            await self.remove_old()
            await self._clock.sleep(_LOOK_EVERY_S)

    async def remove_old(self) -> None:
        before_s = self._clock.now() - self._ttl_s
        for event in self._writes.store.list(Event):
            if last_seen_s(event) < before_s:
                asked = Deletion(version=event.metadata.resource_version)
                try:
                    await self._writes.delete(Event, *event.key, self._caller, asked=asked)
                except (NotFound, Conflict):
                    continue  # it happened again, or somebody was quicker
                except ApiError as why:
                    _log.warning("removing old events: %s", why)
                    return


def last_seen_s(event: Event) -> float:
    """When it last happened, in seconds since the epoch; made-up times count as now never did: 0."""
    for text in (event.last_timestamp, event.event_time, event.metadata.creation_timestamp):
        if text:
            try:
                return seconds_of(text)
            except ValueError:
                continue
    return 0.0
