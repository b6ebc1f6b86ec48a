"""The API inside the process: `client.api.Api` over the true store and the true admission.

Controllers, the autoscaler and the node agent use it in production, and the tests use it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from tidegate.apiserver.lifecycle import Deletion
from tidegate.apiserver.writes import Caller, Writes
from tidegate.model.changes import Change
from tidegate.model.core import Namespace
from tidegate.model.errors import AlreadyExists, Conflict, NotFound
from tidegate.model.meta import Object, ObjectMeta

T = TypeVar("T", bound=Object)


class LocalApi:
    """`client.api.Api`. Writes are made as `user`; durable ones only if asked for."""

    def __init__(
        self, writes: Writes, *, user: str = "system:tidegate", durable: bool = False
    ) -> None:
        self.writes = writes
        self._caller = Caller(user, durable)

    @property
    def version(self) -> int:
        """The resourceVersion of the last committed write."""
        return self.writes.store.version

    def get(self, type_: type[T], namespace: str, name: str) -> T | None:
        return self.writes.store.get(type_, namespace, name)

    def list(
        self,
        type_: type[T],
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        owner_uid: str | None = None,
        mentions: str | None = None,
    ) -> Sequence[T]:
        return self.writes.store.list(
            type_, namespace, labels=labels, owner_uid=owner_uid, mentions=mentions
        )

    def subscribe(
        self, types: Sequence[type[Object]], on_change: Callable[[Change], None]
    ) -> Callable[[], None]:
        return self.writes.store.subscribe(types, lambda logged: on_change(logged.change))

    async def create(self, obj: T) -> T:
        return (await self.writes.create(obj, self._caller)).object

    async def update(self, obj: T) -> T:
        return (await self.writes.update(obj, self._caller)).object

    async def update_status(self, obj: T) -> T:
        return (await self.writes.update(obj, self._caller, status=True)).object

    async def delete(
        self,
        type_: type[Object],
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        grace_s: int | None = None,
        propagation: str = "Background",
    ) -> None:
        asked = Deletion(uid=uid, grace_s=grace_s, propagation=propagation)
        try:
            await self.writes.delete(type_, namespace, name, self._caller, asked=asked)
        except (NotFound, Conflict):  # gone, or another object by now (the one precondition is uid)
            return


async def ensure_namespaces(
    api: LocalApi, names: Iterable[str] = ("default", "kube-system", "knative-serving")
) -> None:
    """Create the namespaces that are missing."""
    for name in names:
        if api.get(Namespace, "", name) is None:
            labels = {"kubernetes.io/metadata.name": name}
            try:
                await api.create(Namespace(metadata=ObjectMeta(name=name, labels=labels)))
            except AlreadyExists:
                continue
