"""Caches of datasets whose stores are dictionaries: they answer when they are told to."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.controllers.fluid import Hits, Listed, Loading
from tidegate.model.meta import Key
from tidegate.modelcache.values import Listing, Progress, RemoteFile
from tidegate.policy.cache_place import CachePlace
from tidegate.policy.storage_access import Access


@dataclass
class FakeCaches:
    """`stores`: URI -> files and their bytes. `wrong`: URI -> why asking fails (`again` for those in
    `later`). `silent`: URIs that have not answered yet. `loading`: URI -> how far its fetch is."""

    stores: dict[str, dict[str, int]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    later: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    loading: dict[str, Progress] = field(default_factory=dict)
    here: dict[str, int] = field(default_factory=dict)  # URI -> bytes
    pins: dict[str, set[str]] = field(default_factory=dict)  # owner -> URIs
    counted: dict[Key, Hits] = field(default_factory=dict)
    asked: list[Access] = field(default_factory=list)
    places: list[CachePlace | None] = field(default_factory=list)
    kept: set[Key] = field(default_factory=set)
    relisted: list[str] = field(default_factory=list)
    warmed: list[tuple[str, str]] = field(default_factory=list)  # owner, URI
    forgotten: list[str] = field(default_factory=list)
    look_ahead_s: float = 300.0

    def listed(self, access: Access, place: CachePlace | None, *, anew: bool = False) -> Listed:
        self.asked.append(access)
        self.places.append(place)
        if anew:
            self.relisted.append(access.uri)
        if place is not None:
            self.kept.add(place.key)
        if access.uri in self.silent:
            return Listed()
        if access.uri in self.wrong:
            return Listed(why=self.wrong[access.uri])
        files = self.stores[access.uri]
        return Listed(Listing(tuple(RemoteFile(path, size) for path, size in files.items())))

    def cached_bytes(self, uri: str, place: CachePlace | None) -> int:
        return sum(
            size
            for each, size in self.here.items()
            if each == uri or each.startswith(uri.rstrip("/") + "/")
        )

    def hits(self, key: Key) -> Hits:
        return self.counted.get(key, Hits())

    def load(self, owner: str, access: Access, place: CachePlace | None) -> Loading:
        self.pins.setdefault(owner, set()).add(access.uri)
        if access.uri in self.wrong:
            return Loading(why=self.wrong[access.uri], again=access.uri in self.later)
        if access.uri in self.loading:
            return Loading(progress=self.loading[access.uri])
        self.here[access.uri] = sum(self.stores[access.uri].values())
        return Loading(done=True)

    def warm(self, owner: str, access: Access, place: CachePlace | None) -> Loading:
        self.warmed.append((owner, access.uri))
        if access.uri in self.wrong:
            return Loading(why=self.wrong[access.uri], again=True)
        return Loading(done=access.uri not in self.loading)

    def forget(self, owner: str) -> None:
        self.forgotten.append(owner)

    def unpin(self, owner: str, namespace: str) -> None:
        self.pins.pop(owner, None)

    def keeps(self, key: Key) -> bool:
        return key in self.kept

    def drop(self, key: Key) -> None:
        self.kept.discard(key)
