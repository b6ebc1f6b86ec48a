"""Image references: whether one parses, and how often Kubernetes would pull it.

Source: go-containerregistry pkg/name (weak validation), kubernetes pkg/util/parsers.
"""

from __future__ import annotations

import re

_REPOSITORY = re.compile(r"[a-z0-9_\-./]{2,255}")
_TAG = re.compile(r"[A-Za-z0-9_\-.]{1,128}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]*(:\d+)?|\[[0-9A-Fa-f:]+\](:\d+)?")


def is_folder(image: str) -> bool:
    """A folder of this machine instead of a registry's image: ours, no cluster knows it."""
    return image.startswith(("/", "./", "../", "~/"))


def parses(image: str) -> bool:
    """Whether this is `[registry/]repository[:tag][@digest]`, or a folder.

    The repository has at least two characters, lower case; so `a` and `foo:bar:baz` don't parse.
    """
    if is_folder(image):
        return True
    base, at, digest = image.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return False
    repository, tag = _split_tag(base)
    if tag is not None and not _TAG.fullmatch(tag):
        return False
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return bool(_REGISTRY.fullmatch(first) and _REPOSITORY.fullmatch(rest))
    return bool(_REPOSITORY.fullmatch(repository))


def pull_policy(image: str) -> str:
    """Always for `latest` and for no tag at all, else IfNotPresent."""
    base, at, _ = image.partition("@")
    tag = _split_tag(base)[1]
    return "Always" if (tag or "latest") == "latest" and not at else "IfNotPresent"


def _split_tag(base: str) -> tuple[str, str | None]:
    """A colon before the last slash belongs to the registry's port."""
    head, colon, tail = base.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (base, None)
