"""Knative Configuration: a new Revision for each new generation of its template.

Source: knative/serving pkg/reconciler/configuration (reference sheet 11.2).
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.conditions import find, merged, timestamp
from tidegate.model.errors import AlreadyExists, ApiError, Conflict
from tidegate.model.labels import revision_name
from tidegate.model.meta import Condition, Key, ObjectMeta, owner_reference
from tidegate.model.serving import Configuration, ConfigurationStatus, Revision, Route
from tidegate.policy.revision_names import is_taken
from tidegate.reconcile import Controller, Done, Next, Watch, watch_owned, watch_self
from tidegate.reconcile.apply import write_status


class ConfigurationController(Controller):
    """Creates revisions and follows which one is the latest that is ready."""

    name = "configuration"
    watches: Sequence[Watch] = (watch_self(Configuration), watch_owned(Revision, "Configuration"))

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock

    async def reconcile(self, key: Key) -> Next:
        configuration = self._api.get(Configuration, *key)
        if configuration is None or configuration.metadata.deletion_timestamp:
            return Done()
        failure: str | None = None
        latest: Revision | None = None
        try:
            latest = await self._latest_created(configuration)
        except Conflict:
            raise
        except ApiError as why:
            failure = str(why)
        owned = self._api.list(Revision, key.namespace, owner_uid=configuration.metadata.uid)
        status = plan_status(configuration, latest, owned, failure, now_s=self._clock.now())
        await write_status(self._api, configuration, status)
        return Done()

    async def _latest_created(self, configuration: Configuration) -> Revision:
        """The revision of the current generation, made if it isn't there."""
        meta = configuration.metadata
        desired = desired_revision(
            configuration, routes=self._routes_to(meta), now_s=self._clock.now()
        )
        existing = self._api.get(Revision, meta.namespace or "", desired.metadata.name)
        if existing is None:
            existing = await self._api.create(desired)
        if is_taken(configuration, existing):
            raise AlreadyExists("revisions.serving.knative.dev", existing.metadata.name)
        return existing

    def _routes_to(self, meta: ObjectMeta) -> list[str]:
        return [
            route.metadata.name
            for route in self._api.list(Route, meta.namespace, mentions=meta.name)
            if any(target.configuration_name == meta.name for target in route.spec.traffic)
        ]


def desired_revision(
    configuration: Configuration, *, routes: Sequence[str], now_s: float
) -> Revision:
    """The revision of the Configuration's current generation; `routes` float on it."""
    meta = configuration.metadata
    template = configuration.spec.template
    given = template.metadata or ObjectMeta()
    owned = {
        names.CONFIGURATION: meta.name,
        names.CONFIGURATION_UID: meta.uid or "",
        names.CONFIGURATION_GENERATION: str(meta.generation or 1),
        names.SERVICE: meta.labels.get(names.SERVICE, ""),
        names.SERVICE_UID: meta.labels.get(names.SERVICE_UID, ""),
        names.ROUTING_STATE: names.ACTIVE if routes else names.PENDING,
    }
    annotations = {**given.annotations, names.ROUTING_STATE_MODIFIED: timestamp(now_s)}
    if routes:
        annotations[names.ROUTES] = ",".join(sorted(routes))
    creator = meta.annotations.get(names.LAST_MODIFIER)
    if creator:
        annotations[names.CREATOR] = creator
    return Revision(
        metadata=ObjectMeta(
            name=given.name or revision_name(meta.name, meta.generation or 1),
            namespace=meta.namespace,
            labels={**given.labels, **owned},
            annotations=annotations,
            owner_references=(owner_reference("Configuration", f"{names.GROUP}/v1", meta),),
        ),
        spec=template.spec,
    )


def plan_status(
    configuration: Configuration,
    latest: Revision | None,
    owned: Sequence[Revision],
    failure: str | None,
    *,
    now_s: float,
) -> ConfigurationStatus:
    """The whole status. `latest` None: creation failed with `failure`."""
    was = configuration.status or ConfigurationStatus()
    ready_name = latest_ready(owned, was.latest_ready_revision_name)
    if latest is not None and _ready(latest) == "True":
        ready_name = latest.metadata.name  # an older one too, if the document names it again
    condition = _ready_condition(latest, ready_name, failure)
    return ConfigurationStatus(
        observed_generation=configuration.metadata.generation,
        conditions=merged(was.conditions, (condition,), now_s=now_s),
        latest_created_revision_name=latest.metadata.name
        if latest
        else was.latest_created_revision_name,
        latest_ready_revision_name=ready_name,
    )


def generation_of(revision: Revision) -> int:
    """The Configuration generation that a revision was made for; 0 if its label is broken."""
    text = revision.metadata.labels.get(names.CONFIGURATION_GENERATION, "0")
    return int(text) if text.isdigit() else 0


def latest_ready(owned: Sequence[Revision], current: str | None) -> str | None:
    """The newest ready revision at or after the current one; it never goes back by itself."""
    floor = max((generation_of(r) for r in owned if r.metadata.name == current), default=0)
    ready = [r for r in owned if _ready(r) == "True" and generation_of(r) >= floor]
    return max(ready, key=generation_of).metadata.name if ready else current


def _ready(revision: Revision) -> str:
    found = find(revision.status.conditions, "Ready") if revision.status else None
    return found.status if found else "Unknown"


def _ready_condition(
    latest: Revision | None, ready_name: str | None, failure: str | None
) -> Condition:
    if latest is None:
        message = f"Revision creation failed with message: {failure}."
        return Condition(type="Ready", status="False", reason="RevisionFailed", message=message)
    seen = find(latest.status.conditions, "Ready") if latest.status else None
    if seen is not None and seen.status == "False":  # also one that was ready once
        message = f'Revision "{latest.metadata.name}" failed with message: {seen.message}.'
        return Condition(type="Ready", status="False", reason="RevisionFailed", message=message)
    if latest.metadata.name == ready_name:
        return Condition(type="Ready", status="True")
    if seen is None or not seen.message:
        return Condition(type="Ready", status="Unknown")
    message = f'Revision "{latest.metadata.name}" is not ready yet: {seen.message}'
    return Condition(type="Ready", status="Unknown", reason=seen.reason, message=message)
