"""What the containers of a pod wrote, for `kubectl logs`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tidegate.client.api import Reader
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.model.conditions import seconds_of
from tidegate.model.errors import BadRequest, NotFound
from tidegate.model.pods import ContainerStatus, Pod
from tidegate.node.log_files import log_path
from tidegate.node.log_lines import LogLine, parse_line, tail_offset

_LOOK_S = 0.1  # how often a followed file is looked at


@dataclass(frozen=True, slots=True)
class _Wanted:
    follow: bool
    tail: int | None
    since_s: float | None  # wall time; lines before it are left out
    timestamps: bool


class PodLogs:
    """Reads the files that the keeper writes. Holds nothing between calls."""

    def __init__(self, reader: Reader, home: Home, clock: Clock) -> None:
        self._reader, self._home, self._clock = reader, home, clock

    async def read(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        follow: bool = False,
        tail: int | None = None,
        since_s: float | None = None,
        previous: bool = False,
        timestamps: bool = False,
    ) -> AsyncIterator[bytes]:
        """The lines as plain text. `since_s`: only the last so many seconds; `tail`: only the last lines.

        Raises NotFound for the pod, and BadRequest in the kubelet's words for a container that is not
        named, not there, has not started, or has no previous run; all before the first line.
        """
        found = self._reader.get(Pod, namespace, pod)
        if found is None:
            raise NotFound("pods", pod)
        name = _container_name(found, container)
        attempt = _attempt(found, name, previous=previous)
        since = self._clock.now() - since_s if since_s is not None else None
        wanted = _Wanted(follow and not previous, tail, since, timestamps)
        return self._lines(found, name, attempt, wanted)

    async def _lines(
        self, pod: Pod, container: str, attempt: int, wanted: _Wanted
    ) -> AsyncIterator[bytes]:
        path = log_path(self._home.logs, pod, container, attempt)
        for line in _already_there(path, wanted):
            yield line
        if not wanted.follow:
            return
        offset = _whole_lines(path)
        while True:
            running = self._is_running(pod, container, attempt)  # asked before the last look
            offset, lines = _more(path, offset)
            for raw in lines:
                text = _text(raw, wanted)
                if text is not None:
                    yield text
            if not lines:
                if not running:
                    return
                await self._clock.sleep(_LOOK_S)

    def _is_running(self, pod: Pod, container: str, attempt: int) -> bool:
        now = self._reader.get(Pod, pod.metadata.namespace or "", pod.metadata.name)
        if now is None or now.metadata.uid != pod.metadata.uid:
            return False
        status = _status(now, container)
        running = status is not None and status.state is not None and status.state.running
        return bool(running) and status is not None and _attempt_of(status.container_id) == attempt


def _container_name(pod: Pod, name: str | None) -> str:
    names = [c.name for c in pod.spec.containers]
    inits = [c.name for c in pod.spec.init_containers]
    if name is None:
        if len(names) == 1:
            return names[0]
        raise BadRequest(
            f"a container name must be specified for pod {pod.metadata.name}, "
            f"choose one of: [{' '.join([*inits, *names])}]"
        )
    if name not in (*names, *inits):
        raise BadRequest(f"container {name} is not valid for pod {pod.metadata.name}")
    return name


def _attempt(pod: Pod, container: str, *, previous: bool) -> int:
    status = _status(pod, container)
    last = status.last_state.terminated if status and status.last_state else None
    if previous:
        if last is None:
            raise BadRequest(
                f'previous terminated container "{container}" in pod "{pod.metadata.name}" not found'
            )
        return _attempt_of(last.container_id)
    if status is None or status.container_id is None:
        waiting = status.state.waiting if status and status.state else None
        reason = waiting.reason if waiting else "ContainerCreating"
        raise BadRequest(
            f'container "{container}" in pod "{pod.metadata.name}" is waiting to start: {reason}'
        )
    return _attempt_of(status.container_id)


def _attempt_of(container_id: str | None) -> int:
    last = (container_id or "").rpartition("/")[2]
    return int(last) if last.isdecimal() else 0


def _status(pod: Pod, container: str) -> ContainerStatus | None:
    if pod.status is None:
        return None
    every = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    return next((status for status in every if status.name == container), None)


def _already_there(path: Path, wanted: _Wanted) -> list[bytes]:
    """Small enough to hold: the keeper rotates at 10 MiB."""
    raws: list[bytes] = []
    for part in (Path(f"{path}.1"), path):
        try:
            with open(part, "rb") as file:
                if wanted.tail is not None:
                    file.seek(tail_offset(part, wanted.tail))
                raws += file.readlines()
        except FileNotFoundError:
            continue
    whole = [raw for raw in raws if raw.endswith(b"\n")]
    if wanted.tail is not None:
        whole = whole[len(whole) - min(wanted.tail, len(whole)) :]
    texts = (_text(raw, wanted) for raw in whole)
    return [text for text in texts if text is not None]


def _whole_lines(path: Path) -> int:
    """How many bytes of the file are whole lines."""
    try:
        with open(path, "rb") as file:
            return _end_of_lines(file)
    except FileNotFoundError:
        return 0


def _end_of_lines(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    back = min(size, 64 * 1024)
    file.seek(size - back)
    return size - back + file.read(back).rfind(b"\n") + 1


def _more(path: Path, offset: int) -> tuple[int, list[bytes]]:
    """Whole lines after `offset`. A file that shrank was rotated: its new start follows."""
    try:
        with open(path, "rb") as file:
            if file.seek(0, 2) < offset:
                offset = 0
            file.seek(offset)
            lines = [raw for raw in file.readlines() if raw.endswith(b"\n")]
    except FileNotFoundError:
        return 0, []
    return offset + sum(map(len, lines)), lines


def _text(raw: bytes, wanted: _Wanted) -> bytes | None:
    line: LogLine | None = parse_line(raw)
    if line is None or (wanted.since_s is not None and seconds_of(line.time) < wanted.since_s):
        return None
    return (f"{line.time} {line.text}" if wanted.timestamps else line.text).encode()
