"""`tidegate cache`: the models and data sets on this machine's disk.

Works on the engine's folder, whether an engine runs or not: every change takes the cache's own lock, and
one process at a time fetches a source, so the commands and a running engine can't get in each other's way.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tidegate.cli.cache_list import files_text, list_caches, size
from tidegate.cli.cache_progress import told_progress
from tidegate.cli.errors import CliError, Several, Usage
from tidegate.cli.options import DataDir, home_of
from tidegate.kit.realtime import RealClock

if TYPE_CHECKING:
    from tidegate.modelcache.cache import ModelCache
    from tidegate.modelcache.source import Source
    from tidegate.modelcache.values import Entry

_OWNER = "cli"
_NEEDS_URI = ("warm", "pin", "unpin", "rm")


def cache(
    action: Literal["ls", "warm", "pin", "unpin", "rm", "verify", "prune"],
    uri: str | None = None,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    anonymous: Annotated[bool, Parameter(negative="")] = False,
    refresh: Annotated[bool, Parameter(negative="")] = False,
    pin: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
    output: Annotated[Literal["table", "json"], Parameter(name=["--output", "-o"])] = "table",
    data_dir: DataDir = None,
) -> int:
    """List, fetch, keep and remove the models and data sets on this machine's disk.

    ls lists them; warm fetches one before somebody needs it; pin keeps one, unpin ends that;
    rm removes one; verify hashes again and sets aside what is broken; prune removes all that
    nobody uses or pins.

    Keys come from the environment, as other tools read them: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS,
    AZURE_STORAGE_ACCESS_KEY, HF_TOKEN.

    Example: tidegate cache warm s3://models/iris --endpoint http://127.0.0.1:9000 --pin

    Parameters
    ----------
    action
        ls, warm, pin, unpin, rm, verify or prune.
    uri
        s3://, oss://, gs://, az://, https://, hf:// or a path; as `ls` shows it.
    endpoint
        Of the store, when it isn't the cloud's own.
    region
        Of the bucket.
    anonymous
        Sign nothing.
    refresh
        warm: ask the store whether it has a newer version.
    pin
        warm: keep it, whatever else needs the room.
    force
        rm, unpin: end the pins of others too.
    output
        ls: a table, or JSON.
    """
    _check_words(action, uri)
    caches = _caches(home_of(data_dir).root / "cache")
    match action:
        case "ls":
            list_caches(caches, as_json=output == "json")
        case "warm":
            assert uri is not None
            _warm(caches["default"], _source(uri, endpoint, region, anonymous), refresh, pin)
        case "pin" | "unpin" | "rm":
            assert uri is not None
            _change(action, caches, uri, endpoint, force)
        case "verify":
            return _verify(caches, uri, endpoint)
        case "prune":
            freed = sum(one.prune() for one in caches.values())
            print(f"{size(freed)} freed")
    return 0


def _check_words(action: str, uri: str | None) -> None:
    """Raises `Usage` for a URI that is missing, empty (a variable that isn't set) or too much."""
    if action in ("ls", "prune") and uri is not None:
        raise Usage(f"cache {action} takes no URI")
    if (uri is None and action in _NEEDS_URI) or (uri is not None and not uri.strip()):
        example = "s3://models/iris" if action == "warm" else "one that `tidegate cache ls` shows"
        raise Usage(f"cache {action} needs a URI, such as {example}")


def _caches(root: Path) -> dict[str, ModelCache]:
    """The default cache and those of data sets, by name."""
    from tidegate.modelcache.cache import ModelCache

    clock = RealClock()
    found = {"default": ModelCache(root, clock=clock)}
    for path in sorted((root / "datasets").glob("*/*/tiers.json")):
        name = f"{path.parent.parent.name}/{path.parent.name}"
        found[name] = ModelCache(path.parent, clock=clock)
    return found


def _source(uri: str, endpoint: str | None, region: str | None, anonymous: bool) -> Source:
    from dataclasses import replace

    from tidegate.modelcache.access import access_from_env
    from tidegate.modelcache.source import Source

    env = dict(os.environ)
    keys = env.get("GOOGLE_APPLICATION_CREDENTIALS")
    if keys and uri.startswith("gs://"):
        try:
            env["GOOGLE_APPLICATION_CREDENTIALS_JSON"] = Path(keys).read_text()
        except OSError as why:
            raise CliError(f"GOOGLE_APPLICATION_CREDENTIALS: {keys}: {why.strerror}") from why
    access = access_from_env(env)
    if not uri.startswith(("s3://", "oss://")):  # AWS' variables are about S3 alone
        access = replace(access, endpoint=env.get("HF_ENDPOINT", "") if uri[:5] == "hf://" else "")
    if endpoint:
        access = replace(access, endpoint=endpoint)
    if region:
        access = replace(access, region=region)
    path = Path(uri)
    if "://" not in uri and not path.is_absolute():
        uri = str(path.absolute())
    return Source(uri, replace(access, anonymous=True) if anonymous else access)


def _warm(cache: ModelCache, source: Source, refresh: bool, pin: bool) -> None:
    with told_progress(source.shown) as told:
        snapshot = asyncio.run(
            cache.ensure(source, check_after_s=0 if refresh else None, on_progress=told)
        )
    if pin:
        cache.pin(source, _OWNER)
    if snapshot.stale:
        print(f"not asked for a newer version: {snapshot.stale}", file=sys.stderr)
    how = f"{size(snapshot.read_bytes)} read" if snapshot.read_bytes else "nothing to read"
    print(f"{source.shown}: {size(snapshot.total_bytes)} in {files_text(snapshot.files)}, {how}")
    print(snapshot.path)


def _found(
    caches: dict[str, ModelCache], uri: str, endpoint: str | None
) -> list[tuple[ModelCache, Entry]]:
    """What a URI of `ls` means. Raises `CliError` when it means nothing."""
    names = {uri, str(Path(uri).absolute()) if "://" not in uri else uri}
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


def _change(
    action: str, caches: dict[str, ModelCache], uri: str, endpoint: str | None, force: bool
) -> None:
    for cache, entry in _found(caches, uri, endpoint):
        if action == "pin":
            cache.pin(entry, _OWNER)
            print(f"{entry.uri} pinned")
        elif action == "unpin":
            others = [owner for owner in entry.pinned_by if owner != _OWNER]
            count = cache.unpin(entry, None if force else _OWNER)
            if others and not force:
                print(f"still pinned by {', '.join(others)} (--force ends that)", file=sys.stderr)
            print(f"{entry.uri} {'unpinned' if count else 'was not pinned'}")
        else:
            cache.unpin(entry, None if force else _OWNER)
            print(f"{entry.uri} removed, {size(cache.remove(entry))} freed")


def _verify(caches: dict[str, ModelCache], uri: str | None, endpoint: str | None) -> int:
    asked = _found(caches, uri, endpoint) if uri else [(one, None) for one in caches.values()]
    good, broken = 0, 0
    for cache, entry in asked:
        found = asyncio.run(cache.verify(entry))
        good += found.good
        broken += len(found.broken)
        for line in found.broken:
            print(f"broken, fetched again at the next use: {line}", file=sys.stderr)
    print(f"{files_text(good)} as {'it' if good == 1 else 'they'} should be, {broken} broken")
    if broken:
        raise Several(broken)
    return 0
