"""Which revisions are reachable: the label `serving.knative.dev/routingState`, and by which routes.

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
            # Of a revision; looking at one that isn't there costs nothing.
            yield Key(namespace, name)
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
        by = routed_by(revision.metadata.name, configuration, routes)
        labelled = _labelled(revision, by, configuration, now_s=self._clock.now())
        if labelled != revision:
            await self._api.update(labelled)
        return Done()


def _labelled(
    revision: Revision, by: Sequence[str], configuration: Configuration | None, *, now_s: float
) -> Revision:
    """The revision with its state and the routes that make it so; the time is that of the state."""
    meta = revision.metadata
    was = meta.labels.get(names.ROUTING_STATE)
    state = names.ACTIVE if by else idle_state(meta.name, was, configuration)
    annotations = {k: v for k, v in meta.annotations.items() if k != names.ROUTES}
    if by:
        annotations[names.ROUTES] = ",".join(by)
    if state != was:
        annotations[names.ROUTING_STATE_MODIFIED] = timestamp(now_s)
    labels = {**meta.labels, names.ROUTING_STATE: state}
    meta = msgspec.structs.replace(meta, labels=labels, annotations=annotations)
    return msgspec.structs.replace(revision, metadata=meta)


def routed_by(
    name: str, configuration: Configuration | None, routes: Sequence[Route]
) -> tuple[str, ...]:
    """Routes that name the revision, serve it now, or float on its Configuration while it is the
    latest; in name order."""
    found = set()
    for route in routes:
        serving = route.status.traffic if route.status else ()
        named = any(t.revision_name == name for t in (*route.spec.traffic, *serving))
        floats = configuration is not None and any(
            t.configuration_name == configuration.metadata.name for t in route.spec.traffic
        )
        if named or (floats and _may_be_latest(name, configuration)):
            found.add(route.metadata.name)
    return tuple(sorted(found))


def idle_state(name: str, was: str | None, configuration: Configuration | None) -> str:
    """The state of a revision that no route leads to."""
    if was in (names.PENDING, None) and _may_be_latest(name, configuration):
        return names.PENDING
    return names.RESERVE


def _may_be_latest(name: str, configuration: Configuration | None) -> bool:
    """Also while its Configuration hasn't said which one is."""
    status = configuration.status if configuration is not None else None
    return status is None or status.latest_created_revision_name in (name, None)
