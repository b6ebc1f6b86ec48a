"""Workloads that ask for it have their models fetched when they are applied, even if none is to run yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegate.client.api import Api
from tidegate.client.events import EventRecorder
from tidegate.controllers.prefetch.fetching import AheadOfPods, Warmer
from tidegate.kit.clock import Clock
from tidegate.model.apps import Deployment
from tidegate.model.meta import Key
from tidegate.model.pods import PodSpec
from tidegate.model.serving import Revision
from tidegate.policy.prefetch import PREFETCH
from tidegate.reconcile import Again, Done, Next, Watch, watch_self

_ASK_EVERY_S = 1.0


class AppliedPrefetch:
    """The annotation `tidegate.dev/prefetch: "true"` of a Service's template, or a Deployment's."""

    def __init__(
        self, api: Api, clock: Clock, warmer: Warmer, type_: type[Revision] | type[Deployment]
    ) -> None:
        self._api, self._type = api, type_
        self.name = f"{type_.__name__.lower()}-prefetch"
        self._ahead = AheadOfPods(api, warmer, EventRecorder(api, clock, self.name))
        self._done: dict[Key, PodSpec] = {}
        self.watches: Sequence[Watch] = (watch_self(type_),)

    async def reconcile(self, key: Key) -> Next:
        found: Revision | Deployment | None = self._api.get(self._type, *key)
        owner = f"prefetch/{self._type.__name__}/{key.namespace}/{key.name}"
        annotations, spec = _template(found)
        if found is None or found.metadata.deletion_timestamp:
            self._done.pop(key, None)
            self._ahead.forget(owner)
            return Done()
        if annotations.get(PREFETCH) != "true" or self._done.get(key) == spec:
            return Done()
        if not await self._ahead.fetch(found, owner, spec, reason="its first replica"):
            return Again(_ASK_EVERY_S)
        self._done[key] = spec
        return Done()


def _template(found: Revision | Deployment | None) -> tuple[Mapping[str, str], PodSpec]:
    if found is None:
        return {}, PodSpec()
    if isinstance(found, Revision):
        return found.metadata.annotations, found.spec
    if any(ref.kind == "Revision" for ref in found.metadata.owner_references):
        return {}, PodSpec()  # the revision itself asks
    meta = found.spec.template.metadata
    return (meta.annotations if meta is not None else {}), found.spec.template.spec
