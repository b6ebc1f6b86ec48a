"""Counts what a fetch gets, and tells it a few times a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tidegate.modelcache.layout import read_json, replace_json
from tidegate.modelcache.records import ProgressRecord
from tidegate.modelcache.values import Progress, Stage

_TELL_S = 0.25
_RATE_OVER_S = 3.0


class Tally:
    """Bytes may be counted from any thread; telling is one thread's, as long as the `with` lasts."""

    def __init__(
        self, say: Callable[[Progress], None], shown_at: Path, *, uri: str, endpoint: str
    ) -> None:
        self._say, self._shown_at = say, shown_at
        self._uri, self._endpoint = uri, endpoint
        self._lock = threading.Lock()  # guards the numbers
        self._stage, self._note = Stage.LISTING, ""
        self._done, self._files = 0, 0
        self._total: int | None = None
        self.network_bytes = 0
        self._seen: deque[tuple[float, int]] = deque()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        why: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._shown_at.unlink(missing_ok=True)

    def stage(self, stage: Stage) -> None:
        with self._lock:
            self._stage, self._note = stage, ""
        self._tell()

    def begin(self, total_bytes: int | None, files: int) -> None:
        """The listing is known; counting starts."""
        with self._lock:
            self._stage, self._done = Stage.FETCHING, 0
            self._total, self._files = total_bytes, files
            self._seen.clear()
        self._tell()

    def came(self, count: int, from_network: bool) -> None:
        """More bytes are here (fewer, when negative)."""
        with self._lock:
            self._done += count
            if from_network:
                self.network_bytes += max(0, count)
                self._note = ""

    def note(self, why: str) -> None:
        with self._lock:
            self._note = why

    def _tell_on(self) -> None:
        while not self._ended.wait(_TELL_S):
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._seen.append((now, self.network_bytes))
            while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_OVER_S:
                self._seen.popleft()
            (then, before), (_, after) = self._seen[0], self._seen[-1]
            rate = (after - before) / (now - then) if now > then else 0.0
            progress = Progress(self._stage, self._done, self._total, rate, self._files, self._note)
        self._say(progress)
        record = ProgressRecord(
            progress.stage.value,
            progress.done_bytes,
            progress.total_bytes,
            progress.rate,
            progress.files,
            progress.note,
            self._uri,
            self._endpoint,
        )
        try:
            replace_json(self._shown_at, record)
        except OSError:
            pass  # a full disk: the fetch itself says so


def read_progress(path: Path) -> Progress | None:
    """What a fetching process says of itself."""
    record = read_json(path, ProgressRecord)
    if record is None:
        return None
    return Progress(
        Stage(record.stage),
        record.done_bytes,
        record.total_bytes,
        record.rate,
        record.files,
        record.note,
    )
