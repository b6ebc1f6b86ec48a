"""Which caches there are, and what of them a command line means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import home_of
from tidegate.cli.places import placed
from tidegate.kit.realtime import RealClock
from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.values import Entry

OWNER = "cli"  # of pins that were made by hand
Uri = Annotated[str, Parameter(help="As `tidegate cache ls` shows it.")]
Endpoint = Annotated[
    str | None, Parameter(help="Only from the store at this address (any when left out).")
]


def caches_of(data_dir: str | None) -> dict[str, ModelCache]:
    """The default cache and those of data sets, by name."""
    root, clock = home_of(data_dir).root / "cache", RealClock()
    found = {"default": ModelCache(root, clock=clock)}
    for path in sorted((root / "datasets").glob("*/*/tiers.json")):
        name = f"{path.parent.parent.name}/{path.parent.name}"
        found[name] = ModelCache(path.parent, clock=clock)
    return found


def entries_named(
    caches: Mapping[str, ModelCache], uri: str, endpoint: str | None
) -> list[tuple[ModelCache, Entry]]:
    """What a URI of `ls` means. Raises `CliError` when it means nothing."""
    said(uri, "one that `tidegate cache ls` shows")
    names = {uri, str(placed(Path(uri))) if "://" not in uri else uri}
    found = [
        (cache, entry)
        for cache in caches.values()
        for entry in cache.entries()
        if (entry.uri in names or entry.key == uri)
        and (endpoint is None or endpoint.rstrip("/") in entry.endpoint)
    ]
    if not found:
        raise CliError(f"{uri} is not in the cache: `tidegate cache ls` lists what is")
    return found


def said(uri: str, example: str) -> str:
    """The URI. Raises `Usage` for one that is empty: a variable that isn't set."""
    if not uri.strip():
        raise Usage(f"needs a URI that isn't empty, such as {example}")
    return uri
