"""What a controller, the autoscaler and the node agent see of the API.

Reads are synchronous and free: they come from the objects that the store holds decoded in memory,
shared by everybody (treat them as immutable). Writes go through the same admission as everybody's
and return once the object is committed; a read after that sees it. `apiserver.local.LocalApi` is
the in-process implementation, in production and in tests alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from tidegate.model.changes import Change, ChangeType
from tidegate.model.meta import Object

__all__ = ["Api", "Change", "ChangeType", "Reader", "Unsubscribe"]

T = TypeVar("T", bound=Object)


Unsubscribe = Callable[[], None]


class Reader(Protocol):
    def get(self, type_: type[T], namespace: str, name: str) -> T | None:
        """The object, or None. `namespace` is empty for cluster-scoped kinds."""
        ...

    def list(
        self,
        type_: type[T],
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        owner_uid: str | None = None,
        mentions: str | None = None,
    ) -> Sequence[T]:
        """Objects in name order. `namespace` None: all; `labels`: all must be equal;
        `owner_uid`: only those that name it among their owners (indexed: cheap); `mentions`: only
        those of one namespace that may refer to this name (indexed; see `model.references`)."""
        ...

    def subscribe(
        self, types: Sequence[type[Object]], on_change: Callable[[Change], None]
    ) -> Unsubscribe:
        """Call `on_change` on the event loop for every later commit, in resourceVersion order. It must not
        block, raise, or write; list after subscribing to see what is there already."""
        ...


class Api(Reader, Protocol):
    """Reads and writes. All writes raise `model.errors.ApiError` subclasses."""

    async def create(self, obj: T) -> T:
        """The object as stored. Raises AlreadyExists, Invalid, NotFound (its namespace)."""
        ...

    async def update(self, obj: T) -> T:
        """Write metadata and spec (status is left as it is where the kind has the subresource).

        With metadata.resource_version set, raises Conflict if it isn't the current one. Writing
        what is there already changes nothing and returns the stored object.
        """
        ...

    async def update_status(self, obj: T) -> T:
        """Write status only. Conflicts and no-ops as with `update`."""
        ...

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
        """Ask for deletion. Objects with finalizers, and pods that run (grace), get a
        deletionTimestamp first; `grace_s` 0 removes a pod at once. Gone already, or another uid
        than `uid`: nothing happens."""
        ...
