"""Hashes blobs again, and sets aside what is no longer what its name says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tidegate.modelcache.jobs import Rehashed
from tidegate.modelcache.layout import blob_path
from tidegate.modelcache.store import Store


def verify(store: Store, only: str) -> Rehashed:
    """Of the source of key `only` or ("") of all. A snapshot with a broken file is taken away, its other files
    stay for the next fetch; running pods keep what they have open."""
    good, broken = 0, []
    seen: dict[str, bool] = {}
    for key, entry in list(store.entries()):
        if only and key != only:
            continue
        record = store.snapshot_record(entry.snapshot)
        if record is None:
            continue
        bad = []
        for file in store.files(record.id):
            if file.blob not in seen:
                seen[file.blob] = _right(blob_path(Path(record.tier), file.blob), file.blob)
            if not seen[file.blob]:
                bad.append(file)
        good += record.files - len(bad)
        broken += [f"{entry.uri}: {file.path}" for file in bad]
        if bad:
            with store.locked():
                for file in bad:
                    blob_path(Path(record.tier), file.blob).unlink(missing_ok=True)
                store.forget(record.id)
    return Rehashed(good, tuple(broken))


def _right(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False
