"""From a pod's stdout and stderr to its log file.

Each stream is a named FIFO under `<pods>/.output/<name>/`, which the pod has open for reading and
writing itself: when the keeper dies, the pod is neither told nor killed, it waits once the pipe is
full, and the next keeper opens the same FIFOs and goes on. Lost with a killed keeper: the start of a
line whose end had not come (at most 16 KiB per stream); and of a pod that ends before the next keeper
is there, what it wrote in between (a FIFO that nobody has open keeps nothing).
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tidegate.keeper.lines import Joiner, render, timestamp
from tidegate.keeper.loop import Loop

TURN_BYTES = 64 * 1024  # read per stream and turn, so that a flood starves nobody
_DRAIN_BYTES = 2**20  # most that a pipe holds
STREAMS = ("stdout", "stderr")


class LogFile:
    """Appends, rotated to `<path>.1` before it would grow past `most_bytes`."""

    def __init__(self, path: str, most_bytes: int) -> None:
        self._path, self._most = path, most_bytes
        self._torn = False  # the last line is not whole: the disk was full
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._open()

    def write(self, lines: list[bytes]) -> None:
        """Raises OSError when the disk is full or the folder gone."""
        start, size = 0, self._size
        for index, line in enumerate(lines):
            if size and size + len(line) > self._most:
                self._put(b"".join(lines[start:index]))
                self._rotate()
                start, size = index, self._size
            size += len(line)
        self._put(b"".join(lines[start:]))

    def close(self) -> None:
        os.close(self._fd)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _put(self, data: bytes) -> None:
        if self._torn:  # or the next line would be lost with it
            data = b"\n" + data
        while data:
            wrote = os.write(self._fd, data)
            self._size += wrote
            data = data[wrote:]
            self._torn = bool(data)

    def _rotate(self) -> None:
        with suppress(FileNotFoundError):  # someone removed it: start anew all the same
            os.replace(self._path, f"{self._path}.1")
        old = self._fd
        self._open()  # first: should it fail, the old number must not be left to who gets it next
        self._torn = False
        os.close(old)


class Output:
    """The two FIFOs of one pod and its log. Owned by the loop."""

    def __init__(self, folder: Path, log: LogFile, loop: Loop, now_ns: Callable[[], int]) -> None:
        self._folder, self._log, self._loop, self._now_ns = folder, log, loop, now_ns
        self._joiners = {name: Joiner() for name in STREAMS}
        # For writing too: without that a pod that closes its stdout would make ours ready for ever.
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
        self._fds: dict[str, int] = {}
        self._log_failed = False
        try:
            for name in STREAMS:
                self._fds[name] = os.open(folder / name, flags)
        except OSError:
            self._close_fds()
            raise

    def path(self, stream: str) -> str:
        return str(self._folder / stream)

    def start(self) -> None:
        """Pump whenever something comes."""
        for name, fd in self._fds.items():
            self._loop.watch(fd, partial(self._ready, name))

    def finish(self) -> None:
        """Write what is left, also the last partial lines; close; remove the FIFOs."""
        for name, fd in self._fds.items():
            self._loop.unwatch(fd)
            left = _DRAIN_BYTES
            while left > 0 and (got := self._pump(name)):
                left -= got
            self._write(name, self._joiners[name].flush())
        self.discard()

    def discard(self) -> None:
        """Close and remove without reading."""
        self._close_fds()
        self._log.close()
        remove_fifos(self._folder)

    def _ready(self, name: str, _: int) -> None:
        self._pump(name)

    def _pump(self, name: str) -> int:
        try:
            data = os.read(self._fds[name], TURN_BYTES)
        except BlockingIOError:
            return 0
        self._write(name, self._joiners[name].feed(data))
        return len(data)

    def _write(self, name: str, records: list[bytes]) -> None:
        if not records:
            return
        try:
            self._log.write(render(records, name, timestamp(self._now_ns())))
            self._log_failed = False
        except OSError as why:  # a full disk costs lines, never the pod
            if not self._log_failed:
                self._loop.report(f"lines of {self._folder.name} are lost: {why}")
            self._log_failed = True

    def _close_fds(self) -> None:
        for fd in self._fds.values():
            self._loop.unwatch(fd)
            os.close(fd)
        self._fds = {}


def fifo_folder(pods: Path, name: str) -> Path:
    """Where the FIFOs of a process lie; different for different names, one level deep."""
    quoted = "".join(
        c if (c.isalnum() and c.isascii()) or c in "-." else f"_{ord(c):x}_" for c in name
    )
    return pods / ".output" / f"p-{quoted}"


def make_fifos(folder: Path) -> None:
    """New and empty ones. Raises OSError (a name longer than a file's may be: ENAMETOOLONG)."""
    remove_fifos(folder)
    folder.mkdir(mode=0o700, parents=True)
    for name in STREAMS:
        os.mkfifo(folder / name, 0o600)


def remove_other_fifos(pods: Path, names: Iterable[str]) -> None:
    """Those of processes that no table has: a keeper killed before it had recorded one leaves them."""
    known = {fifo_folder(pods, name) for name in names}
    with suppress(FileNotFoundError):
        for folder in list((pods / ".output").iterdir()):
            if folder not in known:
                remove_fifos(folder)


def remove_fifos(folder: Path) -> None:
    """Nothing there: nothing happens."""
    for name in STREAMS:
        with suppress(OSError):
            (folder / name).unlink()
    with suppress(OSError):
        folder.rmdir()
