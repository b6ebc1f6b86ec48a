"""Has the models of a workload's pods fetched before there are pods, and tells of it as events."""

from __future__ import annotations

from typing import Protocol

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.model.meta import Object
from tidegate.model.pods import PodSpec
from tidegate.policy.cache_place import CachePlace
from tidegate.policy.prefetch import fetches_of
from tidegate.policy.storage_access import Access, BadAccess


class Warmed(Protocol):
    """How far a fetch is. `why`: it failed so."""

    @property
    def done(self) -> bool: ...
    @property
    def why(self) -> str | None: ...


class Warmer(Protocol):
    """What fetches, in the background."""

    def warm(self, owner: str, access: Access, place: CachePlace | None) -> Warmed:
        """Asked again it says how far it is; after a failure, it is tried again after a pause."""
        ...

    def forget(self, owner: str) -> None: ...


class AheadOfPods:
    """Owned by one controller. Tells each thing once for as long as it stays so."""

    def __init__(self, api: Api, warmer: Warmer, events: EventRecorder) -> None:
        self._api, self._warmer, self._events = api, warmer, events
        self._told: dict[str, set[str]] = {}

    async def fetch(self, told_at: Object, owner: str, spec: PodSpec, *, reason: str) -> bool:
        """Whether all of it is here. `reason` completes the event's sentence."""
        try:
            asked = list(fetches_of(self._api, told_at.metadata.namespace or "", spec))
        except BadAccess as why:
            await self._say(told_at, owner, WARNING, "PrefetchFailed", str(why))
            return False
        all_here = True
        for access, place in asked:
            state = self._warmer.warm(owner, access, place)
            if state.done:
                told = f"{access.uri} is here for {reason}"
                await self._say(told_at, owner, NORMAL, "Prefetched", told)
                continue
            all_here = False
            if state.why is not None:
                await self._say(told_at, owner, WARNING, "PrefetchFailed", state.why)
            else:
                told = f"Fetching {access.uri} ahead of {reason}"
                await self._say(told_at, owner, NORMAL, "Prefetching", told)
        return all_here

    def forget(self, owner: str) -> None:
        self._told.pop(owner, None)
        self._warmer.forget(owner)

    async def _say(self, obj: Object, owner: str, type_: str, reason: str, text: str) -> None:
        told = self._told.setdefault(owner, set())
        if text not in told:
            told.add(text)
            await self._events.emit(obj, type_, reason, text)
