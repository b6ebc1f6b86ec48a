"""A small HTTP/1.1 client for sending many requests to one server: connections are kept and shared,
answers are read whole.

For senders of ours (batch rows, events), not for the gateway, which passes bytes on. A request that was
put on a kept connection and lost without a byte of an answer is sent once more on a new one: use it
for what may be repeated.

NoAnswer   what the server did instead of answering
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httptools

_MOST_IDLE: Final = 512
_TRUST_S: Final = 1.0  # servers keep idle connections for 2 s or more
_MOST_ANSWER_BYTES: Final = 256 * 2**20

Headers = Sequence[tuple[str, str]]


class NoAnswer(Exception):
    """No whole answer came. The sentence names the server. `refused`: nobody took the connection."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        self.refused = refused
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. Names of `headers` are in lower case; of repeated ones the last counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """A server. `host` is also what the Host header says, with the port unless it is the usual one."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def split_url(url: str) -> tuple[Origin, str]:
    """Server and target (path and query) of a URL. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not http://HOST[:PORT]/PATH")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.hostname, parts.port or (443 if tls else 80), tls), target


class HttpClient:
    """Connections to one server. Owned by one event loop; `close` it in the end."""

    def __init__(
        self,
        origin: Origin,
        *,
        connect_s: float = 10.0,
        most_answer_bytes: int = _MOST_ANSWER_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: how to trust a server of https; None: as the system does."""
        self._origin, self._connect_s, self._most = origin, connect_s, most_answer_bytes
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._tls = (tls or ssl.create_default_context()) if origin.tls else None

    async def send(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes,
        *,
        timeout_s: float,
        once: bool = False,
    ) -> HttpAnswer:
        """Send a request and read its answer. Headers say everything but the length; without a Host
        the server's own is said. `once`: never sent a second time (the caller counts), and never on
        a connection that stood idle for long, which the server may be closing at this moment.
        Raises `NoAnswer`, ValueError for what HTTP can't carry."""
        data = _request(self._origin, method, target, headers, body)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(data, head_only=method == "HEAD", once=once)
        except TimeoutError:
            raise NoAnswer(f"{self._origin} gave no answer within {timeout_s:g} s") from None

    def close(self) -> None:
        """Close all connections; requests under way fail."""
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()

    async def _exchange(self, data: bytes, *, head_only: bool, once: bool) -> HttpAnswer:
        rested_since_s = asyncio.get_running_loop().time() - _TRUST_S
        while self._idle:
            connection = self._idle.pop()
            if not connection.usable:
                continue
            if once and connection.idle_since_s < rested_since_s:
                connection.abort()
                continue
            try:
                return await self._on(connection, data, head_only=head_only)
            except NoAnswer:
                if connection.heard or once:
                    raise
                break  # it had stood idle and was closed as we wrote
        return await self._on(await self._connect(), data, head_only=head_only)

    async def _on(self, connection: _Connection, data: bytes, *, head_only: bool) -> HttpAnswer:
        self._busy.add(connection)
        try:
            answer = await connection.ask(data, head_only=head_only)
        except BaseException:
            connection.abort()
            raise
        finally:
            self._busy.discard(connection)
        if connection.usable and len(self._idle) < _MOST_IDLE:
            connection.idle_since_s = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.abort()
        return answer

    async def _connect(self) -> _Connection:
        loop, origin = asyncio.get_running_loop(), self._origin
        try:
            async with asyncio.timeout(self._connect_s):
                _, made = await loop.create_connection(
                    lambda: _Connection(str(origin), self._most),
                    origin.host,
                    origin.port,
                    ssl=self._tls,
                )
        except OSError as why:  # TimeoutError is one
            said = "connection refused" if _is_refused(why) else str(why) or "connecting timed out"
            raise NoAnswer(f"{origin}: {said}", refused=True) from why
        return made


def _is_refused(why: OSError) -> bool:
    return isinstance(why, ConnectionRefusedError) or "Connect call failed" in str(why)


def _request(origin: Origin, method: str, target: str, headers: Headers, body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1"]
    if not any(name.lower() == "host" for name, _ in headers):
        usual = origin.port == (443 if origin.tls else 80)
        lines.append(f"Host: {origin.host if usual else origin}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines) or " " in target:
        raise ValueError(f"{method} {target!r}: a line end or a space that HTTP can't carry")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class _Connection(asyncio.Protocol):
    """One connection: at most one request in flight."""

    def __init__(self, server: str, most_bytes: int) -> None:
        self._server, self._most = server, most_bytes
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._parser: Any = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._head_only = False
        self._headed = False  # the head is through
        self._keep = False
        self.heard = False  # a byte of the current answer came
        self.idle_since_s = 0.0  # the loop's time

    @property
    def usable(self) -> bool:
        return (
            self._keep
            and self._answer is None
            and self._transport is not None
            and not self._transport.is_closing()
        )

    async def ask(self, data: bytes, *, head_only: bool) -> HttpAnswer:
        """Write a request; its answer. Raises `NoAnswer`."""
        if self._transport is None:
            raise NoAnswer(f"{self._server} closed the connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._head_only, self._keep, self._headed, self.heard = head_only, False, False, False
        self._transport.write(data)
        try:
            return await self._answer
        finally:
            self._answer = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.abort()  # an answer that nobody asked for
            return
        self.heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as why:
            self._failed(f"{self._server} sent what is no HTTP answer: {why}")
            self.abort()

    def eof_received(self) -> None:
        if self._parser is not None and self._answer is not None and self._until_close():
            self.on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        how = "in the middle of its answer" if self.heard else "without an answer"
        self._failed(f"{self._server} closed the connection {how}")

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._headers, self._body, self._size, self._headed = {}, [], 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headed = True
        if self._head_only and self._parser.get_status_code() >= 200:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._most:
            self._failed(f"{self._server} answered with more than {self._most} bytes")
            self.abort()
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self._answer is None or self._answer.done():
            return
        self._keep = (
            self._parser.should_keep_alive() and not self._until_close() and not self._head_only
        )
        self._answer.set_result(HttpAnswer(status, self._headers, b"".join(self._body)))

    def _until_close(self) -> bool:
        """Whether only the connection's end ends the answer."""
        framed = not self._headers.keys().isdisjoint(("content-length", "transfer-encoding"))
        return self._headed and not framed and self._parser.get_status_code() not in (204, 304)

    def _failed(self, text: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswer(text))
