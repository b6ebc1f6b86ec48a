"""One file on its way in: parts may come in any order, its hashes follow the front."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidegate.modelcache.checksums import Digest, digest_for
from tidegate.modelcache.errors import Corrupt
from tidegate.modelcache.journal import version_of
from tidegate.modelcache.values import RemoteFile

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end` (not included) of a file; `end` None: until the answer ends."""

    number: int
    start: int
    end: int | None


class Incoming:
    """A staged file. Parts are written by several threads, hashed by one at a time (`_hashing`)."""

    def __init__(
        self, file: RemoteFile, folder: Path, part_bytes: int, kept: frozenset[int]
    ) -> None:
        """`kept`: parts that an earlier try has written."""
        self.file = file
        self.version = version_of(file)
        name = hashlib.sha256((self.version or file.path).encode()).hexdigest()[:32]
        self.path = folder / name
        self._part_bytes = part_bytes
        self.one_piece = file.size < 0 or not file.ranged
        if self.one_piece or not self.path.exists():
            kept = frozenset()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if kept else os.O_TRUNC)
        self.fd = os.open(self.path, flags, 0o600)
        self._done = {part for part in kept if part < self._count}
        self._stated = dict(file.checksums)
        self._hashing = threading.Lock()
        self._front = 0  # parts hashed
        self._sha256: Digest = hashlib.sha256()
        self._digests: dict[str, Digest] = {}

    @property
    def _count(self) -> int:
        return 1 if self.one_piece else -(-self.file.size // self._part_bytes)

    @property
    def done_bytes(self) -> int:
        """Of the parts that are written."""
        return sum(
            (part.end or 0) - part.start for part in self._parts() if part.number in self._done
        )

    def missing(self) -> list[Part]:
        """Parts still to be read, in order."""
        return [part for part in self._parts() if part.number not in self._done]

    def _parts(self) -> Iterator[Part]:
        if self.one_piece:
            yield Part(0, 0, None)
            return
        for number in range(self._count):
            start = number * self._part_bytes
            yield Part(number, start, min(self.file.size, start + self._part_bytes))

    def state(self, checksums: tuple[tuple[str, str], ...]) -> None:
        """The store stated more checksums along with the bytes."""
        self._stated.update(checksums)

    def part_done(self, part: Part) -> None:
        """Its bytes are written."""
        self._done.add(part.number)

    def hash_on(self) -> bool:
        """Hash what is whole from the front; True once, when the file is complete and hashed."""
        with self._hashing:
            if self._count == 0:
                return True
            if self._front == 0 and 0 in self._done:
                self._begin()
            while self._front < self._count and self._front in self._done:
                self._hash_part(self._front)
                self._front += 1
                if self._front == self._count:
                    return True
            return False

    def _begin(self) -> None:
        size = self.file.size if self.file.size >= 0 else os.fstat(self.fd).st_size
        for name in self._stated:
            digest = digest_for(name, size)
            if digest is not None:
                self._digests[name] = digest

    def _hash_part(self, number: int) -> None:
        position = number * self._part_bytes
        size = self.file.size if not self.one_piece else os.fstat(self.fd).st_size
        end = size if self.one_piece else min(size, position + self._part_bytes)
        chunk = memoryview(bytearray(min(_CHUNK, max(1, end - position))))
        while position < end:
            count = os.preadv(self.fd, [chunk[: min(len(chunk), end - position)]], position)
            if count == 0:
                raise Corrupt(
                    f"{self.path}: the staged file is shorter than what was written to it"
                )
            self._sha256.update(chunk[:count])
            for digest in self._digests.values():
                digest.update(chunk[:count])
            position += count

    def check(self, what: str) -> str:
        """The sha256 of the whole file. Raises `Corrupt` when a stated checksum disagrees."""
        found = {name: digest.hexdigest() for name, digest in self._digests.items()}
        found["sha256"] = self._sha256.hexdigest()
        for name, value in self._stated.items():
            if name in found and found[name] != value.lower():
                by_uri = name == "sha256" and f"#sha256={value}" in what
                raise Corrupt(
                    f"{what}: {name.removeprefix('etag-')} is {found[name]}, "
                    + (
                        "not what the URI says: mend the URI, or what lies there"
                        if by_uri
                        else f"the store states {value}: upload it again if it stays so"
                    )
                )
        return found["sha256"]

    def start_over(self) -> int:
        """Nothing of it counts any more (it came without ranges and broke off); bytes dropped."""
        dropped = os.fstat(self.fd).st_size
        os.ftruncate(self.fd, 0)
        return dropped

    def discard(self) -> None:
        """Close and delete it: its bytes were wrong."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
