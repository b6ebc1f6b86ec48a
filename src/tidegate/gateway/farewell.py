"""What an ending gateway leaves word of: the replicas it still has requests at.

The next gateway takes over the link while the one before finishes its requests; a replica is drained only
when both have none there. The one that ends keeps a small file up to date, the next one looks into it
before it says `drained`. A file whose process is gone counts for nothing.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final

log = logging.getLogger(__name__)

_NAME: Final = "gateway-leaving-"


class Farewell:
    """The file of this process, there while the block runs."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{_NAME}{os.getpid()}.json"
        self._said: list[str] | None = None

    def __enter__(self) -> Farewell:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._path.unlink(missing_ok=True)

    def say(self, endpoints: Iterable[str]) -> None:
        """These replicas still work for us."""
        now = sorted(set(endpoints))
        if now != self._said:
            beside = self._path.with_suffix(".new")
            try:
                beside.write_text(json.dumps(now))
                beside.replace(self._path)
            except OSError as why:  # a full disk must not cost the requests that this is about
                log.warning("%s can't be written: %s", self._path, why)
            self._said = now


def busy_elsewhere(folder: Path) -> set[str]:
    """The replicas that gateways which are ending still use."""
    busy: set[str] = set()
    for path in folder.glob(f"{_NAME}*.json"):
        pid = int(path.stem.removeprefix(_NAME))
        try:
            os.kill(pid, 0)
            busy.update(json.loads(path.read_text()))
        except (ProcessLookupError, PermissionError):  # gone, or the number is another user's now
            path.unlink(missing_ok=True)
        except (FileNotFoundError, ValueError):  # it ended just now, or the power was cut
            pass
    return busy
