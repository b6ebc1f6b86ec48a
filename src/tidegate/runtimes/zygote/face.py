"""What others see of this process in /proc: its command line and its environment.

A forked child has its parent's, and the pod's mark in the environment is how the keeper finds what a pod
left behind. Both lie in memory that is ours to write: the zygote is started with room for more, and the child
writes its own there, as servers do that set their title. (PR_SET_MM_ENV_START would need CAP_SYS_RESOURCE.)
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST = "TIDEGATE_POD"  # the mark: shown also where there is room for little


@dataclass(frozen=True, slots=True)
class Face:
    """The two areas, as addresses in this process."""

    arguments: tuple[int, int]
    environment: tuple[int, int]

    @classmethod
    def own(cls) -> Face:
        """Fields 48 to 51 of /proc/self/stat."""
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end, env_begin, env_end = (int(number) for number in fields[45:49])
        return cls((begin, end), (env_begin, env_end))

    def show(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Write them. Nothing of libc's environment may point into the old one any more: `put_on`."""
        self._write(self.arguments, title(argv, self._room(self.arguments)))
        self._write(self.environment, block(environ, self._room(self.environment)))

    @staticmethod
    def _room(area: tuple[int, int]) -> int:
        return area[1] - area[0]

    @staticmethod
    def _write(area: tuple[int, int], data: bytes) -> None:
        if area[0] and data:
            ctypes.memmove(area[0], data, len(data))


def put_on(face: Face, argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Make `environ` this process's environment, for Python, for C, and for who looks."""
    os.environ.clear()  # libc's pointers into the area go
    face.show(argv, environ)
    os.environ.update(environ)


def title(argv: Sequence[str], room: int) -> bytes:
    """One string, cut to size. A last byte that isn't NUL tells the kernel that it is a title."""
    if room < 2:
        return b""
    text = os.fsencode(" ".join(argv))[: room - 2]
    return text + b"\0" * (room - 1 - len(text)) + b"."


def block(environ: Mapping[str, str], room: int) -> bytes:
    """`NAME=value` with NULs between, whole variables only, the mark first; NULs fill the rest."""
    names = sorted(environ, key=lambda name: (name != FIRST, name))
    found = bytearray()
    for name in names:
        entry = os.fsencode(f"{name}={environ[name]}") + b"\0"
        if len(found) + len(entry) < room:
            found += entry
    return bytes(found) + b"\0" * max(0, room - len(found))
