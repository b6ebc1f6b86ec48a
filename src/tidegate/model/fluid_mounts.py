"""Where a dataset's data lies and how it is laid out, read out of its mounts. Pure.

Source: fluid pkg/common/constants.go (schemes), pkg/utils/dataset_mountpath.go (`UFSPathBuilder`).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from tidegate.model.fluid import DatasetMount
from tidegate.model.storage_uris import not_fetchable

_PATHS = ("local", "file")


class BadMount(ValueError):
    """A mount that can't be served. `field`: below `spec.mounts[i]`."""

    def __init__(self, field: str, value: str, why: str) -> None:
        self.field, self.value, self.why = field, value, why
        super().__init__(f"{field} {value!r}: {why}")


@dataclass(frozen=True, slots=True)
class Source:
    """`uri`: the data is fetched from there (None: it is on this machine). Else `claim` None: `path`
    is an absolute path of this machine; else it is relative to that claim."""

    claim: str | None
    path: str
    uri: str | None = None


def source_of(mount: DatasetMount) -> Source:
    """Where its data is. Raises `BadMount`."""
    point = mount.mount_point
    scheme, found, rest = point.partition("://")
    if not found:
        raise BadMount(
            "mountPoint",
            point,
            "must be a URI, such as oss://bucket/path, s3://bucket/path, local:///path, pvc://claim/folder",
        )
    if scheme in _PATHS:
        if not rest.startswith("/"):
            raise BadMount("mountPoint", point, f"needs an absolute path: {scheme}:///path")
        return Source(None, _inside("mountPoint", point, rest))
    if scheme == "pvc":
        claim, _, path = rest.partition("/")
        if not claim:
            raise BadMount("mountPoint", point, "needs a claim: pvc://claim/folder")
        return Source(claim, _inside("mountPoint", point, path).lstrip("/"))
    why = not_fetchable(point)
    if why is not None:
        raise BadMount("mountPoint", point, why)
    return Source(None, "", point.rstrip("/"))


def place_of(mount: DatasetMount) -> str:
    """Its path in the dataset, relative and normal; empty: the dataset itself. Raises `BadMount`."""
    given = mount.path if mount.path else f"/{mount.name or ''}"
    field = "path" if mount.path else "name"
    return _inside(field, given, "/" + given).strip("/")


def _inside(field: str, given: str, path: str) -> str:
    if ".." in path.split("/"):
        raise BadMount(field, given, 'must not contain ".."')
    if "\0" in path:
        raise BadMount(field, given, "must not contain a zero byte")
    return posixpath.normpath("/" + path.lstrip("/"))
