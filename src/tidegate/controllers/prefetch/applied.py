"""Revisions that ask for it have their models fetched when they are applied, even if none is to run yet."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.client.api import Api
from tidegate.client.events import EventRecorder
from tidegate.controllers.prefetch.fetching import AheadOfPods, Warmer
from tidegate.kit.clock import Clock
from tidegate.model.meta import Key
from tidegate.model.serving import Revision
from tidegate.policy.prefetch import PREFETCH
from tidegate.reconcile import Again, Done, Next, Watch, watch_self

_ASK_EVERY_S = 1.0


class AppliedPrefetch:
    """The annotation `tidegate.dev/prefetch: "true"` of a Service's template."""

    name = "applied-prefetch"

    def __init__(self, api: Api, clock: Clock, warmer: Warmer) -> None:
        self._api = api
        self._ahead = AheadOfPods(api, warmer, EventRecorder(api, clock, "revision-controller"))
        self._done: set[Key] = set()
        self.watches: Sequence[Watch] = (watch_self(Revision),)

    async def reconcile(self, key: Key) -> Next:
        revision = self._api.get(Revision, *key)
        owner = f"prefetch/{key.namespace}/{key.name}"
        if revision is None or revision.metadata.deletion_timestamp:
            if key in self._done:
                self._done.discard(key)
                self._ahead.forget(owner)
            return Done()
        if key in self._done or revision.metadata.annotations.get(PREFETCH) != "true":
            return Done()
        reason = "its first replica"
        if not await self._ahead.fetch(revision, owner, revision.spec, reason=reason):
            return Again(_ASK_EVERY_S)
        self._done.add(key)
        return Done()
