"""Following the logs of whatever pods a service has: new ones, restarted ones, through zero.

One thread per run of a container; a run is known by its container id, which is new with each restart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tidegate.cli.errors import CliError
from tidegate.model.errors import ApiError
from tidegate.model.serving_names import DEFAULT_CONTAINER

Json = dict[str, Any]
_LOOK_S = 1.0


@dataclass
class Follower:
    """`look` gives the pods there are now; `read` the lines of a pod's present run as they come.

    Each line starts with its pod's name. Runs that come and go between two looks are missed.
    """

    look: Callable[[], Sequence[Json]]
    read: Callable[[str], Iterator[bytes]]
    out: BinaryIO
    container: str | None = None  # None: the pod's first
    _runs: set[str] = field(default_factory=set)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def run(self, ended: threading.Event) -> None:
        """Until `ended` is set. Raises what `look` raises."""
        while not ended.is_set():
            for pod in self.look():
                self._follow(pod)
            ended.wait(_LOOK_S)

    def _follow(self, pod: Json) -> None:
        run = run_of(pod, self.container)
        if run is None or run in self._runs:
            return
        self._runs.add(run)
        # A daemon, because Ctrl-C must not wait for a pod that writes nothing.
        name = pod["metadata"]["name"]
        threading.Thread(target=self._copy, args=(name, run), daemon=True).start()

    def _copy(self, pod: str, run: str) -> None:
        try:
            for line in self.read(pod):
                with self._writing:
                    self.out.write(f"[{pod}] ".encode() + line.rstrip(b"\n") + b"\n")
                    self.out.flush()
        except (ApiError, CliError, OSError):
            # Its pod went, or the API did: `look` tells which. It is read again if it is still there.
            self._runs.discard(run)


def run_of(pod: Json, container: str | None) -> str | None:
    """The container id of the present (or last) run; None while there has been none. No `container`:
    the one that the pod's annotation names, else the first."""
    container = container or ((pod.get("metadata") or {}).get("annotations") or {}).get(
        DEFAULT_CONTAINER
    )
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    for status in found:
        if container in (None, status["name"]):
            return status.get("containerID") or None
    return None
