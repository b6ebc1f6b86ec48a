"""Deletes revisions that have had no traffic for long, as `config-gc` says.

Source: knative/serving pkg/reconciler/gc.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.conditions import seconds_of
from tidegate.model.core import ConfigMap
from tidegate.model.meta import Key
from tidegate.model.serving import Configuration, Revision
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.revision_gc import Candidate, collect
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self

log = logging.getLogger(__name__)


class RevisionGcController:
    """One look per Configuration: when something of it changes, and when a revision becomes due."""

    name = "revision-gc"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self.watches: Sequence[Watch] = (
            watch_self(Configuration),
            watch_owned(Revision, "Configuration"),
            watch_mapped(ConfigMap, self._of_config),
        )

    def _of_config(self, config: ConfigMap) -> Iterable[Key]:
        if config.key != (names.SYSTEM_NAMESPACE, "config-gc"):
            return ()
        return [configuration.key for configuration in self._api.list(Configuration)]

    async def reconcile(self, key: Key) -> Next:
        configuration = self._api.get(Configuration, *key)
        if configuration is None or configuration.metadata.deletion_timestamp:
            return Done()  # its revisions go with it
        owned = self._api.list(Revision, key.namespace, owner_uid=configuration.metadata.uid)
        candidates = [candidate(revision, configuration) for revision in owned]
        collection = collect(candidates, self._config.gc(), now_s=self._clock.now())
        uids = {revision.metadata.name: revision.metadata.uid for revision in owned}
        for name, why in collection.gone:
            log.info("revision %s/%s goes: %s", key.namespace, name, why)
            await self._api.delete(Revision, key.namespace, name, uid=uids[name])
        again_s = collection.look_again_s
        return Done() if again_s is None else Again(again_s)


def candidate(revision: Revision, configuration: Configuration) -> Candidate:
    """The revision as the rules see it."""
    meta = revision.metadata
    created_s = seconds_of(meta.creation_timestamp) if meta.creation_timestamp else 0.0
    status = configuration.status
    latest = (
        ()
        if status is None
        else (
            status.latest_ready_revision_name,
            # Its next revision may be being made: deleting it would only make it again.
            status.latest_created_revision_name,
        )
    )
    return Candidate(
        name=meta.name,
        created_s=created_s,
        active_s=_modified_s(meta.annotations.get(names.ROUTING_STATE_MODIFIED), created_s),
        in_use=meta.name in latest
        or meta.annotations.get(names.NO_GC, "").lower() == "true"
        or meta.labels.get(names.ROUTING_STATE) != names.RESERVE
        or meta.deletion_timestamp is not None,
    )


def _modified_s(text: str | None, otherwise_s: float) -> float:
    try:
        return seconds_of(text) if text else otherwise_s
    except ValueError:  # somebody wrote something else there
        return otherwise_s
