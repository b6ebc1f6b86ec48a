"""`tidegate cache warm`: fetch a model before somebody needs it."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from tidegate.cli.cache.found import OWNER, caches_of, said
from tidegate.cli.cache.listing import files_text, size
from tidegate.cli.cache.progress import told_progress
from tidegate.cli.errors import CliError
from tidegate.cli.options import DataDir
from tidegate.cli.places import placed
from tidegate.modelcache.access import access_from_env
from tidegate.modelcache.source import Access, Source


def warm(
    uri: str,
    /,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    refresh: bool = False,
    pin: bool = False,
    data_dir: DataDir = None,
) -> None:
    """Fetch a model before somebody needs it. Its folder is the last line.

    Example: tidegate cache warm s3://models/iris --endpoint http://127.0.0.1:9000 --pin

    Example: tidegate cache warm hf://owner/model --refresh

    Parameters
    ----------
    uri
        s3://, oss://, gs://, az://, https://, hf:// or a path.
    endpoint
        Of the store, when it isn't the cloud's own.
    region
        Of the bucket.
    anonymous
        Sign nothing.
    refresh
        Ask the store whether it has a newer version.
    pin
        Keep it, whatever else needs the room.
    """
    access = _access(said(uri, "s3://models/iris"))
    if endpoint:
        access = replace(access, endpoint=endpoint)
    if region:
        access = replace(access, region=region)
    if anonymous:
        access = replace(access, anonymous=True)
    source = Source(uri if "://" in uri else str(placed(Path(uri))), access)
    cache = caches_of(data_dir)["default"]
    with told_progress(source.shown) as told:
        snapshot = asyncio.run(
            cache.ensure(source, check_after_s=0 if refresh else None, on_progress=told)
        )
    if pin:
        cache.pin(source, OWNER)
    if snapshot.stale:
        print(f"not asked for a newer version: {snapshot.stale}", file=sys.stderr)
    how = f"{size(snapshot.read_bytes)} read" if snapshot.read_bytes else "nothing to read"
    print(f"{source.shown}: {size(snapshot.total_bytes)} in {files_text(snapshot.files)}, {how}")
    print(snapshot.path)


def _access(uri: str) -> Access:
    """The keys that the environment has for it."""
    env = dict(os.environ)
    keys = env.get("GOOGLE_APPLICATION_CREDENTIALS")
    if keys and uri.startswith("gs://"):
        try:
            env["GOOGLE_APPLICATION_CREDENTIALS_JSON"] = Path(keys).read_text()
        except OSError as why:
            raise CliError(f"GOOGLE_APPLICATION_CREDENTIALS: {keys}: {why.strerror}") from why
    access = access_from_env(env)
    if uri.startswith(("s3://", "oss://")):
        return access
    # AWS' variables are about S3 alone.
    return replace(access, endpoint=env.get("HF_ENDPOINT", "") if uri[:5] == "hf://" else "")
