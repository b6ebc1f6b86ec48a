"""A real gateway process with the world around it: a control plane's link, replicas, raw clients.

For live tests. Everything listens on 127.0.0.1 with free ports and is gone when the block ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tidegate.gateway.sockets import connect_unix
from tidegate.kit.home import Home
from tidegate.kit.realtime import RealClock
from tidegate.link.gateway import (
    Ack,
    Certificate,
    CertificateChanged,
    Endpoint,
    FromGateway,
    Hello,
    Revision,
    RevisionChanged,
    Route,
    RouteChanged,
    Snapshot,
    Split,
    ToGateway,
    decode_from_gateway,
    encode,
)

M = TypeVar("M", bound=FromGateway)

HOST = "hello.default.localhost"
WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a replica got it."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The one value of a header, None if it isn't there."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) < 2, f"{name} came {len(found)} times"
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a client got it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def reason(self) -> str:
        """Why the gateway itself gave this answer."""
        return str(json.loads(self.body)["error"]["reason"])


class Wire:
    """One HTTP/1 connection seen from either end, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """First line and headers. Raises IncompleteReadError at the end."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text[:-4].split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return first, tuple((name, value.strip()) for name, _, value in pairs)

    async def body(self, headers: Sequence[tuple[str, str]], *, until_close: bool = False) -> bytes:
        """What the headers announce. Raises IncompleteReadError when it is cut short."""
        named = {name.lower(): value for name, value in headers}
        if "content-length" in named:
            return await self.reader.readexactly(int(named["content-length"]))
        if "transfer-encoding" not in named:
            return await self.reader.read() if until_close else b""
        out = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            out += await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"
        return out

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer, whole."""
        async with asyncio.timeout(WITHIN_S):
            first, headers = await self.head()
            status = int(first.split(" ")[1])
            if bodiless or status < 200 or status in (204, 304):
                return Answer(status, headers, b"")
            return Answer(status, headers, await self.body(headers, until_close=True))

    async def ask(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        body: bytes = b"",
        host: str = HOST,
        extra: str = "",
    ) -> Answer:
        """Send a request and wait for its answer."""
        await self.send(request(method, path, body=body, host=host, extra=extra))
        return await self.answer(bodiless=method == "HEAD")

    async def ended(self) -> bytes:
        """What still comes until the other side closes."""
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


def request(
    method: str = "GET", path: str = "/", *, host: str = HOST, body: bytes = b"", extra: str = ""
) -> bytes:
    """A request's bytes; `extra` is further header lines, each with its line end."""
    length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{length}{extra}\r\n".encode() + body


Behaviour = Callable[[Request, Wire], Awaitable[None]]


async def say_ok(request: Request, wire: Wire) -> None:
    """200 with the request's body, or `ok`."""
    body = request.body or b"ok"
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@dataclass
class Replica:
    """A small HTTP server that behaves as told and remembers what it got."""

    name: str
    port: int
    behave: Behaviour = say_ok
    got: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    running: int = 0
    most_running: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(id=self.name, host="127.0.0.1", port=self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        wire = Wire(reader, writer)
        self.connections += 1
        self.open += 1
        self.writers.add(writer)
        try:
            while True:
                line, headers = await wire.head()
                got = Request(line, headers, await wire.body(headers))
                self.got.append(got)
                self.running += 1
                self.most_running = max(self.most_running, self.running)
                try:
                    await self.behave(got, wire)
                finally:
                    self.running -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self.writers.discard(writer)
            writer.close()

    def die(self) -> None:
        """Drop every connection, as a killed process does."""
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def replica(name: str = "pod-a", behave: Behaviour = say_ok) -> AsyncIterator[Replica]:
    """A replica that listens while the block runs."""
    made = Replica(name, 0, behave)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.die()


def revision(
    *replicas: Replica | Endpoint, key: str = "default/hello-00001", **fields: object
) -> Revision:
    """A revision with these replicas."""
    endpoints = tuple(one.endpoint if isinstance(one, Replica) else one for one in replicas)
    return Revision(key=key, endpoints=endpoints, **fields)  # type: ignore[arg-type]


def route(*splits: tuple[str, int] | Split, host: str = HOST, **fields: object) -> Route:
    """The route of `HOST`; all to the first revision unless told otherwise."""
    shares = splits or (("default/hello-00001", 100),)
    ways = (
        one if isinstance(one, Split) else Split(revision=one[0], percent=one[1]) for one in shares
    )
    said = {"key": "default/hello", "path_prefix": "/default/hello", **fields}
    return Route(hosts=(host,), splits=tuple(ways), **said)  # type: ignore[arg-type]


class ControlEnd:
    """The control plane's end of the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.heard: list[FromGateway] = []
        self._seq = 0

    async def tell(
        self, *revisions: Revision, routes: Sequence[Route] | None = None, since_s: float = 0.0
    ) -> None:
        """A snapshot of these, until it is acknowledged."""
        self._seq += 1
        whole = tuple([route()] if routes is None else routes)
        await self._say(
            Snapshot(seq=self._seq, revisions=revisions, routes=whole, samples_since_s=since_s)
        )

    async def change(self, revision: Revision) -> None:
        self._seq += 1
        await self._say(RevisionChanged(seq=self._seq, key=revision.key, revision=revision))

    async def remove(self, key: str) -> None:
        self._seq += 1
        await self._say(RevisionChanged(seq=self._seq, key=key, revision=None))

    async def show(self, key: str, certificate: Certificate | None) -> None:
        self._seq += 1
        await self._say(CertificateChanged(seq=self._seq, key=key, certificate=certificate))

    async def change_route(self, changed: Route) -> None:
        self._seq += 1
        await self._say(RouteChanged(seq=self._seq, key=changed.key, route=changed))

    async def _say(self, message: ToGateway) -> None:
        self._writer.write(encode(message))
        await self.hear(Ack, lambda ack: ack.seq == self._seq)

    async def hear(self, kind: type[M], claim: Callable[[M], bool] = lambda message: True) -> M:
        """The next message of this kind of which the claim is true; all are remembered in `heard`."""
        async with asyncio.timeout(WITHIN_S):
            while line := await self._reader.readline():
                message = decode_from_gateway(line)
                self.heard.append(message)
                if isinstance(message, kind) and claim(message):
                    return message
        raise AssertionError(f"the link ended before {kind.__name__} came; heard {self.heard}")

    async def ended(self) -> None:
        """Until the gateway closes the link."""
        async with asyncio.timeout(WITHIN_S):
            while line := await self._reader.readline():
                self.heard.append(decode_from_gateway(line))

    def close(self) -> None:
        self._writer.close()


class GatewayProcess:
    """Real gateway processes, one after the other, on sockets that we hold as the keeper does."""

    def __init__(self, home: Home, settings: dict[str, object]) -> None:
        self.home = home
        self._settings = settings
        self._sockets = {
            name: socket.create_server(("127.0.0.1", 0), backlog=1024)
            for name in ("gateway", "gateway-tls")
        }
        self.port: int = self._sockets["gateway"].getsockname()[1]
        self.https_port: int = self._sockets["gateway-tls"].getsockname()[1]
        self.process: asyncio.subprocess.Process | None = None
        self._started: list[asyncio.subprocess.Process] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        """Start a process and wait until its link answers."""
        args = [f"--{name.replace('_', '-')}={value}" for name, value in self._settings.items()]
        fds = {name: sock.fileno() for name, sock in self._sockets.items()}
        env = {**os.environ, "TIDEGATE_HOME": str(self.home.root)}
        env["TIDEGATE_FDS"] = json.dumps(fds)
        was = self._inode()
        with (self.home.logs / "gateway.log").open("ab") as out:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tidegate.gateway",
                *args,
                env=env,
                pass_fds=list(fds.values()),
                stderr=out,
            )
        self._started.append(self.process)
        async with asyncio.timeout(WITHIN_S):
            while self._inode() == was:
                await RealClock().sleep(0.01)

    def _inode(self) -> int | None:
        try:
            return os.stat(self.home.gateway_socket).st_ino
        except FileNotFoundError:
            return None

    async def control(self) -> ControlEnd:
        """A new control plane's connection, after its Hello."""
        reader, writer = await asyncio.open_unix_connection(
            sock=connect_unix(self.home.gateway_socket), limit=2**24
        )
        self._writers.append(writer)
        end = ControlEnd(reader, writer)
        await end.hear(Hello)
        return end

    async def client(self) -> Wire:
        """A new client's connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return Wire(reader, writer)

    async def https_client(self, context: ssl.SSLContext, host: str) -> Wire:
        """A new client's connection by TLS, to this host."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.https_port, ssl=context, server_hostname=host
        )
        self._writers.append(writer)
        return Wire(reader, writer)

    async def ask(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        body: bytes = b"",
        host: str = HOST,
        extra: str = "",
    ) -> Answer:
        """One request on a connection of its own."""
        wire = await self.client()
        try:
            return await wire.ask(method, path, body=body, host=host, extra=extra)
        finally:
            wire.close()

    def release_socket(self) -> None:
        """Let go of the listening socket, as a keeper that ends does."""
        for sock in self._sockets.values():
            sock.close()

    async def kill(self) -> None:
        """SIGKILL, until it is gone."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    def terminate(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    async def close(self) -> None:
        """End every process that was started here."""
        for writer in self._writers:
            writer.close()
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self.release_socket()


@asynccontextmanager
async def gateway(folder: Path, **settings: object) -> AsyncIterator[GatewayProcess]:
    """A running gateway process, ended with the block. `settings` are those of `gateway.settings`."""
    home = Home(folder / "home")
    home.make()
    made = GatewayProcess(home, settings)
    try:
        await made.start()
        yield made
    finally:
        await made.close()
