"""Which revisions are reachable: the label `serving.knative.dev/routingState`.

`active` when some Route names the revision in its spec or serves it now, or it is the latest of a
configuration that a Route floats on; `reserve` when it was and no longer is; `pending` before.
Source: knative/serving pkg/reconciler/route/labeler, pkg/reconciler/labeler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.conditions import timestamp
from tidegate.model.meta import Key
from tidegate.model.references import references
from tidegate.model.serving import Configuration, Revision, Route
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_self


class LabelerController:
    """The one writer of a revision's routing state."""

    name = "labeler"

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self.watches: Sequence[Watch] = (
            watch_self(Revision),
            watch_mapped(Route, self._of_route),
            watch_mapped(Configuration, self._of_configuration),
        )

    def _of_route(self, route: Route) -> Iterable[Key]:
        namespace = route.metadata.namespace or ""
        for name in references(route):
            yield Key(
                namespace, name
            )  # of a revision; looking at one that isn't there costs nothing
            for revision in self._api.list(Revision, namespace, mentions=name):
                yield revision.key

    def _of_configuration(self, configuration: Configuration) -> Iterable[Key]:
        owned = self._api.list(
            Revision, configuration.metadata.namespace, owner_uid=configuration.metadata.uid
        )
        return [revision.key for revision in owned]

    async def reconcile(self, key: Key) -> Next:
        revision = self._api.get(Revision, *key)
        if revision is None or revision.metadata.deletion_timestamp:
            return Done()
        config_name = revision.metadata.labels.get(names.CONFIGURATION, "")
        configuration = self._api.get(Configuration, key.namespace, config_name)
        routes = [
            route
            for mentioned in {key.name, config_name}
            for route in self._api.list(Route, key.namespace, mentions=mentioned)
        ]
        was = revision.metadata.labels.get(names.ROUTING_STATE)
        state = routing_state(revision.metadata.name, was, configuration, routes)
        if state != was:
            meta = msgspec.structs.replace(
                revision.metadata,
                labels={**revision.metadata.labels, names.ROUTING_STATE: state},
                annotations={
                    **revision.metadata.annotations,
                    names.ROUTING_STATE_MODIFIED: timestamp(self._clock.now()),
                },
            )
            await self._api.update(msgspec.structs.replace(revision, metadata=meta))
        return Done()


def routing_state(
    name: str, was: str | None, configuration: Configuration | None, routes: Sequence[Route]
) -> str:
    """The state that a revision of this name should have."""
    newest = (
        configuration.status.latest_created_revision_name
        if configuration is not None and configuration.status
        else None
    )
    for route in routes:
        serving = route.status.traffic if route.status else ()
        if any(t.revision_name == name for t in (*route.spec.traffic, *serving)):
            return names.ACTIVE
        floats = configuration is not None and any(
            t.configuration_name == configuration.metadata.name for t in route.spec.traffic
        )
        if floats and newest in (name, None):
            return names.ACTIVE
    if was in (names.PENDING, None) and (newest in (name, None)):
        return names.PENDING
    return names.RESERVE
