"""The load itself: a closed loop of keep-alive connections, each with one request in flight.

Requests are written from the callback that saw the last answer's end; no task and no future per
request, so that the load takes little of the machine that it shares with what it measures.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import httptools

from tidegate.cli.errors import Usage
from tidegate.cli.load_summary import Tally
from tidegate.cli.options import header_of

_RECONNECT_S = 0.05  # after a refused connection; without it a dead server makes a busy loop
_LINGER_S = 1.0  # past the deadline, for answers under way; what comes later is not counted


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go and what each of them is."""

    host: str
    port: int
    tls: bool
    request: bytes
    head_only: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How much. `requests` None: until `duration_s` is over; `per_s` None: as fast as answers come,
    else at most so many requests a second on each connection."""

    connections: int
    requests: int | None
    duration_s: float | None
    timeout_s: float
    per_s: float | None = None
    keep_alive: bool = True


def target_of(
    url: str,
    *,
    method: str,
    host: str | None,
    headers: Sequence[str],
    body: bytes,
    content_type: str,
) -> Target:
    """The target of a URL. `headers` are `Name: value`; `host` replaces the URL's host in the Host
    header. Raises `Usage`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Usage(f"{url!r} is no URL to load: write http://host[:port]/path or a service's name")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method.upper()} {path} HTTP/1.1", f"Host: {host or parts.netloc}"]
    named = set()
    for header in headers:
        name, value = header_of("-H", header)
        named.add(name.lower())
        lines.append(f"{name}: {value}")
    if "user-agent" not in named:
        lines.append("User-Agent: tidegate-load")
    if "content-type" not in named and body:
        lines.append(f"Content-Type: {content_type}")
    if body or method.upper() in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    try:
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    except UnicodeEncodeError as why:
        raise Usage(f"a header or the URL of {url!r} has characters that HTTP can't carry") from why
    port = parts.port or (443 if tls else 80)
    return Target(parts.hostname, port, tls, head + body, method.upper() == "HEAD")


async def run_load(target: Target, plan: Plan, tally: Tally) -> float:
    """Load until the plan is done; fills `tally` as it goes (readable when cancelled).

    Gives the wall time in seconds. Latencies run from the moment a request is written, so connecting
    is not in them (it is in the wall time).
    """
    run = _Run(target, plan, tally)
    async with asyncio.TaskGroup() as group:
        for _ in range(plan.connections):
            group.create_task(run.keep_connected())
    return perf_counter() - run.started


class _Run:
    """What the connections of one run share. Single event loop, no locks."""

    def __init__(self, target: Target, plan: Plan, tally: Tally) -> None:
        self.target, self.plan, self.tally = target, plan, tally
        self.left = plan.requests
        self.started = perf_counter()
        self.deadline = None if plan.duration_s is None else self.started + plan.duration_s
        self._tls = ssl.create_default_context() if target.tls else None

    def take(self) -> bool:
        """Whether one more request may be sent; counts it."""
        if self.deadline is not None and perf_counter() >= self.deadline:
            return False
        if self.left is None:
            return True
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    def over(self) -> bool:
        late = self.deadline is not None and perf_counter() >= self.deadline
        return late or (self.left is not None and self.left <= 0)

    async def keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.over():
            connection = _Connection(self, loop)
            try:
                async with asyncio.timeout(self.plan.timeout_s):
                    await loop.create_connection(
                        lambda c=connection: c,
                        self.target.host,
                        self.target.port,
                        ssl=self._tls,
                    )
            except (OSError, TimeoutError) as why:
                if self.take():
                    self.tally.errors[_refusal(why, self.target)] += 1
                await asyncio.sleep(_RECONNECT_S)  # noqa: TID251 - the real clock is the point here
                continue
            await connection.ended


def _refusal(why: OSError | TimeoutError, target: Target) -> str:
    place = f"{target.host}:{target.port}"
    if isinstance(why, ConnectionRefusedError) or "Connect call failed" in str(why):
        return f"connect {place}: connection refused"
    return f"connect {place}: {str(why) or 'timed out'}"


class _Connection(asyncio.Protocol):
    """One connection: at most one request in flight, the next one sent as the last is answered."""

    def __init__(self, run: _Run, loop: asyncio.AbstractEventLoop) -> None:
        self._run, self._loop = run, loop
        self.ended: asyncio.Future[None] = loop.create_future()
        self._transport: Any = None
        self._parser: Any = None
        self._sent_at: float | None = None  # None: nothing in flight
        self._sent = 0
        self._began = perf_counter()
        self._timer: asyncio.TimerHandle | None = None
        self._next: asyncio.TimerHandle | None = None
        self._framed = False  # the answer says where its body ends
        self._until_close = False
        self._interim = False  # a 1xx: the answer itself is still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sent_at is not None:
            self._failed(
                f"connection lost: {exc}" if exc else "connection closed before the answer"
            )
        for timer in (self._timer, self._next):
            if timer is not None:
                timer.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._sent_at is None:
            self._transport.abort()  # an answer nobody asked for
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as why:
            self._failed(f"not an HTTP answer: {why}")
            self._transport.abort()

    def eof_received(self) -> None:
        if self._sent_at is not None and self._parser is not None and self._until_close:
            self.on_message_complete()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._framed = False

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._interim = status < 200
        self._until_close = not self._framed and status not in (204, 304)
        if self._run.target.head_only and not self._interim:
            self.on_message_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_body(self, body: bytes) -> None:
        self._run.tally.body_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._sent_at is None or self._interim:
            return
        latency, self._sent_at = perf_counter() - self._sent_at, None
        if self._timer is not None:
            self._timer.cancel()
        tally = self._run.tally
        tally.latencies_s.append(latency)
        tally.statuses[self._parser.get_status_code()] += 1
        keep = self._run.plan.keep_alive and self._parser.should_keep_alive()
        if not keep or self._until_close or self._run.target.head_only:
            self._transport.close()
        elif self._run.plan.per_s is None:
            self._loop.call_soon(self._send_next)  # not from inside the parser that we replace
        else:
            due = self._began + self._sent / self._run.plan.per_s
            self._next = self._loop.call_later(max(0.0, due - perf_counter()), self._send_next)

    def _send_next(self) -> None:
        if self._transport.is_closing():
            return
        if not self._run.take():
            self._transport.close()
            return
        self._parser = httptools.HttpResponseParser(self)
        self._framed = self._until_close = self._interim = False
        self._sent += 1
        self._sent_at = perf_counter()
        self._transport.write(self._run.target.request)
        self._timer = self._loop.call_later(self._patience_s(), self._too_late)

    def _patience_s(self) -> float:
        if self._run.deadline is None:
            return self._run.plan.timeout_s
        rest = self._run.deadline + _LINGER_S - perf_counter()
        return max(0.0, min(self._run.plan.timeout_s, rest))

    def _too_late(self) -> None:
        if self._sent_at is not None:
            waited = perf_counter() - self._sent_at
            if waited >= self._run.plan.timeout_s:
                self._failed(f"no answer within {self._run.plan.timeout_s:g} s")
            else:
                self._sent_at = None  # the run is over; this request has no verdict
        self._transport.abort()

    def _failed(self, text: str) -> None:
        self._sent_at = None
        self._run.tally.errors[text] += 1
