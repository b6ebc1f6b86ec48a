"""What datasets and loads need of the model cache, and what they make of it.

Everything here answers at once: the network is asked in the background, and a controller looks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tidegate.client.api import Reader
from tidegate.controllers.fluid.sources import DatasetNotReady
from tidegate.model.fluid import Dataset
from tidegate.model.fluid_runtimes import DataRuntime
from tidegate.model.meta import Key
from tidegate.modelcache.values import Listing, Progress
from tidegate.policy.cache_place import CachePlace, cache_place
from tidegate.policy.dataset_parts import Part, access_of, parts_of, remote_mounts
from tidegate.policy.pod_fetches import secrets_in
from tidegate.policy.storage_access import Access, BadAccess


@dataclass(frozen=True, slots=True)
class Listed:
    """What a store has said of a source. Both None: it is being asked. `why`: the last time it failed,
    and then `listing` may be an older one."""

    listing: Listing | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Loading:
    """A fetch that was asked for. `why`: it failed so; `again`: time alone may help."""

    progress: Progress | None = None
    done: bool = False
    why: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Hits:
    """Of the bytes that pods and loads asked for, how many were there."""

    asked_bytes: int = 0
    read_bytes: int = 0

    @property
    def ratio(self) -> float | None:
        """None: nothing was asked for yet."""
        if not self.asked_bytes:
            return None
        return max(0.0, 1 - self.read_bytes / self.asked_bytes)


class DatasetCaches(Protocol):
    """The caches of datasets. Nothing here waits."""

    def listed(self, access: Access, place: CachePlace | None, *, anew: bool = False) -> Listed:
        """`anew`: ask the store once more; what is known stays until it has answered."""
        ...

    def cached_bytes(self, uri: str, place: CachePlace | None) -> int:
        """Of all that lies at or below the URI: what is here, and what a fetch has read so far."""
        ...

    def hits(self, key: Key) -> Hits: ...

    def load(self, owner: str, access: Access, place: CachePlace | None) -> Loading:
        """Fetch and pin, in the background; asked again it says how far that is. After a failure,
        `forget` makes it try once more."""
        ...

    def forget(self, owner: str) -> None:
        """A load is of no interest any more; what it pinned stays pinned."""
        ...

    def unpin(self, owner: str, namespace: str) -> None:
        """In every cache that may have data of that namespace."""
        ...

    def keeps(self, key: Key) -> bool:
        """Whether there is a cache of the dataset's own."""
        ...

    def drop(self, key: Key) -> None:
        """The dataset is gone: so is its cache. Blocking."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteData:
    """A dataset's mounts that are fetched, with what it takes to ask for them."""

    parts: tuple[Part, ...]
    access: Mapping[str, Access]  # by place
    place: CachePlace | None


def remote_data(reader: Reader, dataset: Dataset, runtime: DataRuntime | None) -> RemoteData:
    """Raises `DatasetNotReady`: a Secret or a key is missing."""
    return remote_parts(reader, dataset, runtime, ("",))


def remote_parts(
    reader: Reader, dataset: Dataset, runtime: DataRuntime | None, paths: tuple[str, ...]
) -> RemoteData:
    """Only what lies at these paths. Raises `DatasetNotReady`."""
    parts = parts_of(remote_mounts(dataset), paths)
    secrets = secrets_in(reader, dataset.metadata.namespace or "")
    try:
        access = {part.place: access_of(dataset, part, secrets) for part in parts}
    except BadAccess as why:
        raise DatasetNotReady(str(why)) from why
    return RemoteData(parts, access, cache_place(dataset.key, runtime))
