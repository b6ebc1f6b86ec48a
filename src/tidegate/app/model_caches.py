"""The model caches of an engine: the default one, and one for each dataset whose runtime has tiers.

Opened when first used. What the node agent waits for is asked directly; what controllers want to know is
asked in the background, and they look again. Only here do the rooms' words become the cache's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from tidegate.app.cache_jobs import CacheJobs
from tidegate.app.cache_tiers import (
    dataset_root,
    dataset_roots,
    dataset_tiers,
    default_tiers,
)
from tidegate.controllers.fluid.caching import Hits, Listed, Loading
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.model.meta import Key
from tidegate.modelcache.access import headers_of
from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.errors import CacheError
from tidegate.modelcache.source import Access as SourceAccess
from tidegate.modelcache.source import Secrets, Source
from tidegate.modelcache.values import Listing, Progress, Snapshot, Tier
from tidegate.node.fetching import Wanted
from tidegate.policy.cache_place import CachePlace
from tidegate.policy.config_cache import NAME, NAMESPACE, CacheConfig, parse_config_cache
from tidegate.policy.errors import BadConfig
from tidegate.policy.storage_access import Access

_POD = "pod/"
_CONFIG_EVERY_S = 5.0  # between looks at config-cache


def source_of(access: Access) -> Source:
    """Raises `BadSource`."""
    options, secrets = access.options, access.secrets
    addressing = options.get("addressing")
    return Source(
        access.uri,
        SourceAccess(
            endpoint=options.get("endpoint", ""),
            region=options.get("region", ""),
            virtual_hosted=None if addressing is None else addressing == "virtual",
            anonymous=options.get("anonymous") == "true",
            verify_tls=options.get("verify_tls") != "false",
            ca_file=options.get("ca_bundle", ""),
            account=options.get("account", ""),
            tenant_id=secrets.get("tenant_id", ""),
            client_id=secrets.get("client_id", ""),
            secrets=Secrets(
                access_key=secrets.get("access_key_id", ""),
                secret_key=secrets.get("secret_access_key", ""),
                session_token=secrets.get("session_token", ""),
                gcs_json=secrets.get("google_credentials", ""),
                account_key=secrets.get("account_key", ""),
                client_secret=secrets.get("client_secret", ""),
                token=secrets.get("token", ""),
                headers=headers_of(secrets.get("headers", "")),
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Open:
    """A cache, and the settings that it was opened by (None: only to look who holds what)."""

    cache: ModelCache
    by: CachePlace | CacheConfig | None
    tiers: tuple[Tier, ...] = ()


class ModelCaches:
    """Owner of the open caches and of what is asked in the background. `run` is its whole life."""

    def __init__(self, home: Home, clock: Clock, read: Callable[[str], Mapping[str, str]]) -> None:
        self._home, self._clock, self._read = home, clock, read
        self._open: dict[Key | None, _Open] = {}
        self._config: tuple[Mapping[str, str], CacheConfig] | None = None
        self._jobs = CacheJobs(clock)
        self._hits: dict[Key, Hits] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._jobs.run(), name="questions to stores")
            tasks.create_task(self._follow_config(), name="config-cache")

    async def _follow_config(self) -> None:
        """A quota that was lowered holds also while nobody fetches anything."""
        while True:
            await self._clock.sleep(_CONFIG_EVERY_S)
            if None in self._open:
                with suppress(CacheError):  # a folder that can't be made: said to who fetches
                    self._cache(None)

    @property
    def config(self) -> CacheConfig:
        """As ConfigMap config-cache says; one that can't be read leaves the last good one in force."""
        data = self._read(f"{NAMESPACE}/{NAME}")
        if self._config is None or self._config[0] is not data:
            try:
                found = parse_config_cache(data)
            except BadConfig:
                found = self._config[1] if self._config is not None else CacheConfig()
            self._config = (data, found)
        return self._config[1]

    @property
    def look_ahead_s(self) -> float:
        return self.config.look_ahead_s

    # --- the node agent's

    async def fetch(self, wanted: Wanted, told: Callable[[Progress], None]) -> Snapshot:
        found = await self._cache(wanted.place).ensure(
            source_of(wanted.access),
            holder=_POD + wanted.user,
            check_after_s=wanted.check_after_s,
            on_progress=told,
        )
        self._count(wanted.place, found)
        return found

    def release(self, user: str) -> None:
        for each in self._open.values():
            each.cache.release(_POD + user)

    def keep_only(self, users: Collection[str]) -> None:
        """Also in caches that nobody has asked for yet: their holders are gone all the same."""
        if self._home.cache.is_dir():
            with suppress(CacheError):
                self._cache(None)
        for key, root in dataset_roots(self._home).items():
            if key not in self._open:
                self._open[key] = _Open(self._opened(root, ()), None)
        for each in self._open.values():
            for holder in list(each.cache.holders()):
                if holder.startswith(_POD) and holder.removeprefix(_POD) not in users:
                    each.cache.release(holder)

    # --- the controllers'

    def listed(self, access: Access, place: CachePlace | None, *, anew: bool = False) -> Listed:
        async def ask(told: Callable[[Progress], None]) -> Listing:
            return await self._cache(place).listing(source_of(access))

        job = self._jobs.ask(("list", access.uri, _key(place)), ask, by=access, anew=anew)
        return Listed(job.value if isinstance(job.value, Listing) else None, job.why)

    def cached_bytes(self, uri: str, place: CachePlace | None) -> int:
        try:
            entries = self._cache(place).entries()
        except CacheError:
            return 0
        found: dict[str, int] = {}
        for entry in entries:
            if entry.uri != uri and not entry.uri.startswith(uri.rstrip("/") + "/"):
                continue
            if entry.snapshot is not None:
                found[entry.uri] = entry.snapshot.total_bytes
            elif entry.progress is not None:
                found[entry.uri] = entry.progress.done_bytes
        return sum(
            size
            for each, size in found.items()
            if not any(
                each != other and each.startswith(other.rstrip("/") + "/") for other in found
            )
        )

    def hits(self, key: Key) -> Hits:
        return self._hits.get(key, Hits())

    def load(self, owner: str, access: Access, place: CachePlace | None) -> Loading:
        key = ("load", owner, access.uri)

        async def fetch(told: Callable[[Progress], None]) -> Snapshot:
            cache, source = self._cache(place), source_of(access)
            found = await cache.ensure(source, check_after_s=0, on_progress=told)
            if self._jobs.knows(
                key
            ):  # else its owner has gone meanwhile, and nobody would unpin it
                cache.pin(source, owner)
            self._count(place, found)
            return found

        job = self._jobs.ask(key, fetch, by=access)
        return Loading(job.progress, job.value is not None, job.why, job.again)

    def warm(self, owner: str, access: Access, place: CachePlace | None) -> Loading:
        """Fetch ahead of need: as `load`, but nothing is pinned, and what is here is not asked for anew."""

        async def fetch(told: Callable[[Progress], None]) -> Snapshot:
            return await self._cache(place).ensure(source_of(access), on_progress=told)

        job = self._jobs.ask(("warm", owner, access.uri), fetch, by=access)
        return Loading(job.progress, job.value is not None, job.why, job.again)

    def forget(self, owner: str) -> None:
        self._jobs.forget(owner)

    def unpin(self, owner: str, namespace: str) -> None:
        for key, opened in self._open.items():
            if key is not None and key.namespace != namespace:
                continue
            for entry in opened.cache.entries():
                if owner in entry.pinned_by:
                    source = Source(entry.uri, SourceAccess(endpoint=entry.endpoint))
                    opened.cache.unpin(source, owner)

    def keeps(self, key: Key) -> bool:
        return dataset_root(self._home, key).is_dir()

    def drop(self, key: Key) -> None:
        """Blocking: call it in a thread."""
        opened, root = self._open.pop(key, None), dataset_root(self._home, key)
        self._hits.pop(key, None)
        self._jobs.forget(key)
        # Also those that it had before this start of the engine.
        cache = opened.cache if opened is not None else self._opened(root, ())
        for path in (*(tier.path for tier in cache.tiers), root):
            rmtree(path, onerror=unlocked)
            with suppress(OSError):  # its namespace's folder, while other datasets are in it
                path.parent.rmdir()

    # --- shared

    def _cache(self, place: CachePlace | None) -> ModelCache:
        """Raises `NoRoom`: its folders can't be made."""
        key, by = _key(place), place or self.config
        known = self._open.get(key)
        if known is None or known.by != by:
            if place is None:
                root, tiers = self._home.cache, default_tiers(self._home, self.config)
            else:
                root, tiers = dataset_root(self._home, place.key), dataset_tiers(self._home, place)
            known = self._open[key] = _Open(self._opened(root, tiers), by, tiers)
            self._trim(key, known.cache)
        return known.cache

    def _trim(self, key: Key | None, cache: ModelCache) -> None:
        """What is above the watermarks goes, in a thread: a terabyte isn't deleted at once."""

        async def trim(told: Callable[[Progress], None]) -> bool:
            await asyncio.to_thread(cache.trim)
            return True

        self._jobs.ask(("trim", key), trim, anew=True)

    def _opened(self, root: Path, tiers: tuple[Tier, ...]) -> ModelCache:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ModelCache(root, tiers=tiers, clock=self._clock)

    def _count(self, place: CachePlace | None, found: Snapshot) -> None:
        if place is not None:
            was = self._hits.get(place.key, Hits())
            asked, read = was.asked_bytes + found.total_bytes, was.read_bytes + found.read_bytes
            self._hits[place.key] = Hits(asked, read)


def unlocked(function: object, path: str, error: object) -> None:
    """Published folders are read-only: their parent is made writable and it is tried once more."""
    with suppress(OSError):
        os.chmod(Path(path).parent, 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def _key(place: CachePlace | None) -> Key | None:
    return place.key if place is not None else None
