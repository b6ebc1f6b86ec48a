"""What stores say about the bytes they hold, in their headers, and whether bytes agree.

crc32c and crc64nvme are not computed: the standard library has neither, and the stores that
tell only those are read over TLS.
Source: RFC 9530 (Repr-Digest), Amazon S3 and Google Cloud Storage response headers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Protocol

_AMZ = {
    "x-amz-checksum-sha256": "sha256",
    "x-amz-checksum-sha1": "sha1",
    "x-amz-checksum-crc32": "crc32",
}
_REPR = {"sha-256": "sha256", "md5": "md5"}

ETAG_MD5_MOST_BYTES = 64 << 20
"""An S3 ETag of 32 hex digits is the object's md5, and is checked, up to this size.

Bigger objects are multipart uploads on real stores, whose ETag is no md5; where it is one (a store
that takes a gigabyte in one piece) md5 alone, at half a gigabyte a second, would halve the rate of the
fetch. They still carry If-Match, length and the checksums that stores state as such."""


class Digest(Protocol):
    """The part of hashlib's objects that is used."""

    def update(self, data: memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class Crc32:
    """zlib's crc32 in the manner of hashlib."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def digest_for(algorithm: str, size: int) -> Digest | None:
    """What computes a stated checksum of a file of that size; None: it isn't checked."""
    match algorithm:
        case "etag-md5":
            return hashlib.md5(usedforsecurity=False) if size <= ETAG_MD5_MOST_BYTES else None
        case "git-sha1":  # git hashes a head with the size before the bytes
            digest = hashlib.sha1(usedforsecurity=False)
            digest.update(b"blob %d\0" % size)
            return digest
        case "crc32":
            return Crc32()
        case "md5" | "sha1":
            return hashlib.new(algorithm, usedforsecurity=False)
        case _:  # sha256 is computed anyway
            return None


def stated(headers: Mapping[str, str], *, whole: bool) -> tuple[tuple[str, str], ...]:
    """The checksums of the whole object that an answer states, as (algorithm, hex).

    `headers` have lower case names; `whole`: the answer is the whole object, no range of it.
    """
    found: list[tuple[str, str]] = []
    for pair in headers.get("x-goog-hash", "").split(","):
        name, _, value = pair.strip().partition("=")
        found += [("md5", value)] if name == "md5" else []
    for pair in headers.get("repr-digest", "").split(","):
        name, _, value = pair.strip().partition("=")
        found += [(_REPR[name], value.strip(":"))] if name in _REPR else []
    if whole:
        found += [("md5", headers["content-md5"])] if "content-md5" in headers else []
        if headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
            found += [
                (name, headers[h]) for h, name in _AMZ.items() if "-" not in headers.get(h, "-")
            ]
    return tuple(_hex_pairs(found))


def _hex_pairs(found: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in found:
        try:
            yield name, base64.b64decode(value, validate=True).hex()
        except (binascii.Error, ValueError):
            continue  # no base64: not a checksum that we know how to read
