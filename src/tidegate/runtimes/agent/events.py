"""Requests and answers as CloudEvents (binary mode), posted to a URL beside the traffic.

Nothing waits for them: events queue up to a bound, and what doesn't fit is counted and said.
Source: kserve pkg/logger/{handler,worker}.go.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tidegate.kit.clock import Clock
from tidegate.runtimes.agent.flags import Logging
from tidegate.runtimes.agent.upstream import UpstreamFailed, exchange

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
_MOST = 1000
_WORKERS = 4
_PATIENCE_S = 30.0  # with a URL that takes an event and does not answer
_LAST_S = 10.0  # for what is queued at the end: the node's own grace is 30 s


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """`id` is the same for a request and its answer. `metadata`: headers of a request, as JSON."""

    type: str
    id: str
    content_type: bytes
    body: bytes
    metadata: bytes = b""


class EventLog:
    """Owner of the queue. `said` gets a line for each event that could not be delivered."""

    def __init__(self, plan: Logging, clock: Clock, said: Callable[[str], None]) -> None:
        self._plan, self._clock, self._said = plan, clock, said
        self._queue: asyncio.Queue[LoggedEvent] = asyncio.Queue(_MOST)
        url = urlsplit(plan.url)
        self._host, self._port = url.hostname or "127.0.0.1", url.port or 80
        self._netloc = url.netloc.encode()
        self._target = (url.path or "/") + (f"?{url.query}" if url.query else "")

    def metadata_of(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """What an event tells of its request's headers; empty: nothing is asked for."""
        if not self._plan.headers:
            return b""
        found: dict[str, list[str]] = {}
        wanted = {name.lower(): name for name in self._plan.headers}
        for key, value in headers:
            name = wanted.get(key.decode("latin-1").lower())
            if name is not None:
                found.setdefault(name, []).append(value.decode("latin-1"))
        return json.dumps(found, separators=(",", ":")).encode()

    def put(self, event: LoggedEvent) -> None:
        """Queue one, if this kind is asked for."""
        if self._plan.mode != "all" and not event.type.endswith(self._plan.mode):
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._said(f"event {event.id} lost: {_MOST} wait for {self._plan.url} already")

    async def run(self) -> None:
        """Deliver until cancelled; what is queued then is delivered first, as far as there is time."""
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._deliver()) for _ in range(_WORKERS)]
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_S):
                        await self._queue.join()
                if left := self._queue.qsize():
                    self._said(f"{left} events lost: {self._plan.url} did not take them in time")
                for worker in workers:
                    worker.cancel()

    async def _deliver(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._post(event)
            except UpstreamFailed as why:
                self._said(f"event {event.id} lost: {why}")
            except TimeoutError:
                what = f"{self._plan.url} did not answer within {_PATIENCE_S:g} s"
                self._said(f"event {event.id} lost: {what}")
            finally:
                self._queue.task_done()

    async def _post(self, event: LoggedEvent) -> None:
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        headers = [
            (b"host", self._netloc),
            (b"content-type", event.content_type),
            (b"ce-specversion", b"1.0"),
            (b"ce-id", event.id.encode()),
            (b"ce-type", event.type.encode()),
            (b"ce-source", self._plan.source.encode()),
            (b"ce-time", now.isoformat().replace("+00:00", "Z").encode()),
            *(
                (f"ce-{name}".encode(), value.encode())
                for name, value in self._plan.extensions.items()
            ),
        ]
        if event.metadata:
            headers.append((b"ce-metadata", event.metadata))
        where = (self._host, self._port, b"POST", self._target.encode())
        async with exchange(*where, headers, event.body) as answer:
            await answer.body()
            if answer.status >= 400:
                self._said(f"event {event.id} lost: {self._plan.url} answered {answer.status}")
