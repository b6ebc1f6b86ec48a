"""What of a cache can be told from its folders alone."""

from __future__ import annotations

import os
from pathlib import Path

from tidegate.modelcache.layout import blob_bytes, blob_path, published


def test_a_file_that_two_snapshots_have_is_counted_once(tmp_path: Path) -> None:
    blob = blob_path(tmp_path, "ab" + 62 * "0")
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"weights")
    for snapshot_id in ("one", "two"):
        folder = published(tmp_path, snapshot_id)
        folder.mkdir(parents=True)
        os.link(blob, folder / "model.bin")
    assert blob_bytes(tmp_path) == len(b"weights")


def test_a_tier_that_holds_nothing_yet_takes_nothing(tmp_path: Path) -> None:
    assert blob_bytes(tmp_path / "absent") == 0
