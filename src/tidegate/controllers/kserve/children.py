"""The objects that an InferenceService owns: made, followed, taken away again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from tidegate.client.api import Api
from tidegate.model import kserve_names as names
from tidegate.model import serving
from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.core import Service
from tidegate.model.domains import DomainMapping
from tidegate.model.errors import BadRequest
from tidegate.model.ingresses import Ingress
from tidegate.model.keda import ScaledObject
from tidegate.model.kserve import InferenceService
from tidegate.model.meta import Object, controller_of
from tidegate.reconcile.apply import ensure

ObjectT = TypeVar("ObjectT", bound=Object)
_OF_COMPONENTS: tuple[type[Object], ...] = (
    Deployment,
    Service,
    HorizontalPodAutoscaler,
    ScaledObject,
    serving.Service,
)


class Children:
    """Writes only what the InferenceService owns: somebody else's object of that name is refused."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def ensure(
        self, isvc: InferenceService, wanted: ObjectT, carry: Callable[[ObjectT, ObjectT], ObjectT]
    ) -> ObjectT:
        """The object as it is now. Raises `BadRequest` when there is one that isn't ours."""
        existing = self._api.get(type(wanted), *wanted.key)
        if existing is not None and not _owned(existing, isvc):
            kind = type(wanted).__name__
            raise BadRequest(
                f'{kind} "{wanted.metadata.name}" exists and does not belong to this '
                "InferenceService: delete or rename it"
            )
        return await ensure(self._api, wanted, carry)

    async def remove(self, isvc: InferenceService, type_: type[Object], name: str) -> None:
        """Nothing happens if there is none, or if it isn't ours."""
        space = isvc.metadata.namespace or ""
        existing = self._api.get(type_, space, name)
        if existing is not None and _owned(existing, isvc):
            await self._api.delete(type_, space, name, uid=existing.metadata.uid)

    async def remove_all(self, isvc: InferenceService, *, keep: Collection[str]) -> None:
        """What belongs to components that are not in `keep`; the Ingress too if none is kept."""
        for component in ("predictor", "transformer"):
            if component not in keep:
                child = names.child(isvc.metadata.name, component)
                for type_ in _OF_COMPONENTS:
                    await self.remove(isvc, type_, child)
        if not keep:
            await self.remove(isvc, Ingress, isvc.metadata.name)
            for mapping in self._api.list(DomainMapping, isvc.metadata.namespace):
                await self.remove(isvc, DomainMapping, mapping.metadata.name)


def _owned(obj: Object, isvc: InferenceService) -> bool:
    ref = controller_of(obj.metadata)
    return ref is not None and ref.uid == isvc.metadata.uid
