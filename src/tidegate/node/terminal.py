"""The master side of a pseudo terminal, without blocking the loop."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from typing import Any

_CHUNK = 32 * 1024


class Terminal:
    """Owned by one conversation; `close` hangs up."""

    def __init__(self, master: int) -> None:
        self._master: int | None = master

    @classmethod
    def open(cls) -> tuple[Terminal, int]:
        """The terminal and the descriptor for the command, which the caller closes. Raises OSError."""
        master, theirs = os.openpty()
        os.set_blocking(master, False)
        terminal = cls(master)
        terminal.resize(80, 24)
        return terminal, theirs

    async def read(self) -> bytes:
        """What was printed; empty once nobody has the terminal open."""
        while self._master is not None:
            try:
                return os.read(self._master, _CHUNK)
            except BlockingIOError:
                loop = asyncio.get_running_loop()
                await self._when(self._master, loop.add_reader, loop.remove_reader)
            except OSError:  # EIO: the other side is closed
                break
        return b""

    async def write(self, data: bytes) -> None:
        """Waits while nobody reads; dropped when nobody will."""
        rest = memoryview(data)
        while rest and self._master is not None:
            try:
                rest = rest[os.write(self._master, rest) :]
            except BlockingIOError:
                loop = asyncio.get_running_loop()
                await self._when(self._master, loop.add_writer, loop.remove_writer)
            except OSError:
                return

    def resize(self, columns: int, rows: int) -> None:
        """The kernel tells the foreground programs by SIGWINCH."""
        if self._master is not None:
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def close(self) -> None:
        """Not while somebody waits in `read` or `write`."""
        if self._master is not None:
            os.close(self._master)
            self._master = None

    @staticmethod
    async def _when(fd: int, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
        ready = asyncio.Event()
        add(fd, ready.set)
        try:
            await ready.wait()
        finally:
            remove(fd)
