"""`tidegate cache pin`, `unpin`, `rm`, `verify`, `prune`: what is done to models that are there."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.cache.found import OWNER, Endpoint, Uri, caches_of, entries_named
from tidegate.cli.cache.listing import files_text, size
from tidegate.cli.errors import Several
from tidegate.cli.options import DataDir
from tidegate.modelcache.errors import Held

Force = Annotated[bool, Parameter(help="End the pins of others too.")]


def pin(uri: Uri, /, *, endpoint: Endpoint = None, data_dir: DataDir = None) -> None:
    """Keep a model: it is not evicted until it is unpinned.

    Example: tidegate cache pin s3://models/iris
    """
    for cache, entry in entries_named(caches_of(data_dir), uri, endpoint):
        cache.pin(entry, OWNER)
        print(f"{entry.uri} pinned")


def unpin(
    uri: Uri, /, *, force: Force = False, endpoint: Endpoint = None, data_dir: DataDir = None
) -> None:
    """Let a model go again when room is short.

    Example: tidegate cache unpin s3://models/iris
    """
    for cache, entry in entries_named(caches_of(data_dir), uri, endpoint):
        others = [owner for owner in entry.pinned_by if owner != OWNER]
        count = cache.unpin(entry, None if force else OWNER)
        if others and not force:
            print(f"still pinned by {', '.join(others)} (--force ends that)", file=sys.stderr)
        print(f"{entry.uri} {'unpinned' if count else 'was not pinned'}")


def rm(
    uri: Uri, /, *, force: Force = False, endpoint: Endpoint = None, data_dir: DataDir = None
) -> None:
    """Remove a model from the disk; refused while pods use it.

    Example: tidegate cache rm s3://models/iris
    """
    for cache, entry in entries_named(caches_of(data_dir), uri, endpoint):
        cache.unpin(entry, None if force else OWNER)
        try:
            freed = cache.remove(entry)
        except Held:
            for owner in entry.pinned_by:  # what was refused has changed nothing
                cache.pin(entry, owner)
            raise
        print(f"{entry.uri} removed, {size(freed)} freed")


def verify(
    uri: Uri | None = None, /, *, endpoint: Endpoint = None, data_dir: DataDir = None
) -> None:
    """Hash all models, or one, again and set aside what is broken: it is fetched at the next use.

    Example: tidegate cache verify
    """
    caches = caches_of(data_dir)
    if uri is None:
        looks = [cache.verify(None) for cache in caches.values()]
    else:
        looks = [cache.verify(entry) for cache, entry in entries_named(caches, uri, endpoint)]
    good, broken = 0, 0
    for look in looks:
        found = asyncio.run(look)
        good += found.good
        broken += len(found.broken)
        for line in found.broken:
            print(f"broken, fetched again at the next use: {line}", file=sys.stderr)
    print(f"{files_text(good)} as {'it' if good == 1 else 'they'} should be, {broken} broken")
    if broken:
        raise Several(broken)


def prune(*, data_dir: DataDir = None) -> None:
    """Remove all models that nobody uses or pins.

    Example: tidegate cache prune
    """
    freed = sum(one.prune() for one in caches_of(data_dir).values())
    print(f"{size(freed)} freed")
