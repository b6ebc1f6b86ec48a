"""Events that people read with `describe`: the same one again raises its count.

The name is made of the object, reason and message, so that repeats fold into one object and a
restarted component goes on counting.
"""

from __future__ import annotations

import hashlib

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model.conditions import timestamp
from tidegate.model.core import Event, EventSource
from tidegate.model.errors import ApiError
from tidegate.model.kinds import kind_of
from tidegate.model.meta import Object, ObjectMeta, ObjectReference

NORMAL = "Normal"
WARNING = "Warning"


class EventRecorder:
    """Writes Events for one component. A lost event is never worth a failure: refusals are ignored."""

    def __init__(self, api: Api, clock: Clock, component: str) -> None:
        self._api, self._clock, self._component = api, clock, component

    async def emit(self, about: Object, type_: str, reason: str, message: str) -> None:
        """Record that something happened to an object. `type_` is Normal or Warning."""
        meta = about.metadata
        stamp = timestamp(self._clock.now())
        mark = hashlib.sha1(
            f"{meta.uid}/{type_}/{reason}/{message}".encode(), usedforsecurity=False
        ).hexdigest()[:16]
        namespace = meta.namespace or "default"
        name = f"{meta.name[:230]}.{mark}"
        try:
            was = self._api.get(Event, namespace, name)
            if was is not None:
                again = msgspec.structs.replace(
                    was, count=(was.count or 1) + 1, last_timestamp=stamp
                )
                await self._api.update(again)
                return
            kind = kind_of(about)
            await self._api.create(
                Event(
                    metadata=ObjectMeta(name=name, namespace=namespace),
                    involved_object=ObjectReference(
                        api_version=kind.api_version,
                        kind=kind.kind,
                        name=meta.name,
                        namespace=meta.namespace,
                        uid=meta.uid,
                        resource_version=meta.resource_version,
                    ),
                    reason=reason,
                    message=message,
                    source=EventSource(component=self._component),
                    first_timestamp=stamp,
                    last_timestamp=stamp,
                    count=1,
                    type=type_,
                    reporting_component=self._component,
                )
            )
        except ApiError:
            return  # its namespace is going, the disk is full, someone counted at the same moment
