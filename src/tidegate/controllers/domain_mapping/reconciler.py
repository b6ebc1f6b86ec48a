"""What is read and written for one mapping, in which order: its claim, its Ingress, its status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.controllers.domain_mapping.claims import (
    claimed,
    hosts_of,
    is_ours,
    new_claim,
    owner_of,
    served_by,
)
from tidegate.controllers.domain_mapping.status import (
    desired_ingress,
    has_https,
    ingress_condition,
    plan_status,
)
from tidegate.controllers.domain_mapping.targets import Resolved, refers_to, resolve
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.core import ConfigMap
from tidegate.model.core import Service as CoreService
from tidegate.model.domains import ClusterDomainClaim, DomainMapping
from tidegate.model.errors import AlreadyExists
from tidegate.model.meta import Condition, Key, Object, controller_of
from tidegate.model.networking import Ingress
from tidegate.model.serving import Route, Service
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_self
from tidegate.reconcile.apply import ensure, write_status


class DomainMappingController:
    """Gives hosts of their own to Services and Routes, each domain to one namespace."""

    name = "domain-mapping"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self.watches: Sequence[Watch] = (
            watch_self(DomainMapping),
            watch_mapped(ClusterDomainClaim, self._of_claim),
            watch_mapped(ConfigMap, self._of_config),
            *(watch_mapped(type_, self._of_target) for type_ in (Service, Route, CoreService)),
            watch_mapped(Ingress, self._of_ingress),
        )

    def _of_claim(self, claim: ClusterDomainClaim) -> Iterable[Key]:
        """Everybody who waits for the domain; and its owner, who may be gone."""
        yield owner_of(claim)
        for mapping in self._api.list(DomainMapping):
            if mapping.metadata.name == claim.metadata.name:
                yield mapping.key

    def _of_config(self, config: ConfigMap) -> Iterable[Key]:
        if config.key != (names.SYSTEM_NAMESPACE, "config-network"):
            return ()
        return [mapping.key for mapping in self._api.list(DomainMapping)]

    def _of_target(self, target: Object) -> Iterable[Key]:
        return self._mappings_to(target.key)

    def _of_ingress(self, ingress: Ingress) -> Iterable[Key]:
        """A mapping's own Ingress has its name; a Route's tells where the mapping leads, and may
        serve the very host."""
        yield ingress.key
        yield from self._mappings_to(ingress.key)
        hosts = hosts_of(ingress)
        for mapping in self._api.list(DomainMapping):
            if mapping.metadata.name in hosts:
                yield mapping.key

    def _mappings_to(self, key: Key) -> list[Key]:
        return [
            mapping.key
            for mapping in self._api.list(DomainMapping, key.namespace)
            if refers_to(mapping, ("Service", "Route"), key.name)
        ]

    async def reconcile(self, key: Key) -> Next:
        mapping = self._api.get(DomainMapping, *key)
        if mapping is None or mapping.metadata.deletion_timestamp:
            await self._release(key)  # its Ingress goes with it
            return Done()
        rival = self._rival(key)
        ours = served_by(rival) if rival else claimed(mapping, await self._claim(mapping))
        ingress = self._api.get(Ingress, *key)
        if ours.status != "True":
            if ingress is not None and _owns(mapping, ingress):
                await self._api.delete(Ingress, *key, uid=ingress.metadata.uid)
            resolved = Resolved(Condition(type="ReferenceResolved", status="Unknown"))
            await self._write(mapping, ours, resolved, None)
            return Done()
        resolved = resolve(mapping, self._api)
        if resolved.paths:
            wanted = desired_ingress(mapping, resolved.paths, self._http_option())
            ingress = await ensure(self._api, wanted, _carry)
        await self._write(mapping, ours, resolved, ingress)
        return Done()

    async def _claim(self, mapping: DomainMapping) -> ClusterDomainClaim | None:
        """The claim of the mapping's domain, made if nobody has one and that is allowed, as it is for
        a mapping that a controller made (an InferenceService's host is nobody's wish)."""
        name = mapping.metadata.name
        found = self._api.get(ClusterDomainClaim, "", name)
        allowed = self._config.network().autocreate_claims or controller_of(mapping.metadata)
        if found is None and allowed:
            try:
                found = await self._api.create(new_claim(mapping))
            except AlreadyExists:  # another namespace was quicker
                found = self._api.get(ClusterDomainClaim, "", name)
        return found

    def _rival(self, key: Key) -> Ingress | None:
        """A Route's Ingress that serves the mapping's host already."""
        for ingress in self._api.list(Ingress):
            owner = controller_of(ingress.metadata)
            of_route = owner is not None and owner.kind == "Route"
            if of_route and key.name in hosts_of(ingress):
                return ingress
        return None

    async def _release(self, key: Key) -> None:
        found = self._api.get(ClusterDomainClaim, "", key.name)
        if found is not None and owner_of(found) == key and is_ours(found):
            await self._api.delete(ClusterDomainClaim, "", key.name, uid=found.metadata.uid)

    async def _write(
        self,
        mapping: DomainMapping,
        ours: Condition,
        resolved: Resolved,
        ingress: Ingress | None,
    ) -> None:
        status = plan_status(
            mapping,
            ours,
            resolved.resolved,
            resolved.waits or ingress_condition(ingress),
            scheme="https" if has_https(mapping) else self._config.network().external_scheme,
            now_s=self._clock.now(),
        )
        await write_status(self._api, mapping, status)

    def _http_option(self) -> str | None:
        redirected = self._config.network().http_protocol == "redirected"
        return "Redirected" if redirected else None


def _owns(mapping: DomainMapping, ingress: Ingress) -> bool:
    ref = controller_of(ingress.metadata)
    return ref is not None and ref.uid == mapping.metadata.uid


def _carry(existing: Ingress, desired: Ingress) -> Ingress:
    meta = msgspec.structs.replace(existing.metadata, labels=desired.metadata.labels)
    return msgspec.structs.replace(existing, metadata=meta, spec=desired.spec)
