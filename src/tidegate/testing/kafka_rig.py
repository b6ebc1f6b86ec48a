"""A topic, a sink that does as told, and adapter processes: for tests and measurements of the Kafka adapter."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tidegate.kit.http_client import HttpAnswer, HttpClient, NoAnswer, Origin
from tidegate.kit.realtime import RealClock
from tidegate.testing.broker import free_port

Answer = tuple[int, Mapping[str, str], bytes]
Rule = Callable[["Request"], Awaitable[int | Answer]]


class RigProblem(AssertionError):
    """What the test waits for did not come."""


@dataclass(frozen=True)
class Request:
    """A request that the sink got. Names of headers are in lower case."""

    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers.get("ce-id", "")


async def fine(_request: Request) -> int:
    """The sink that takes all."""
    return 200


@dataclass
class Sink:
    """An HTTP server that answers as `rule` says and keeps what it got. Owned by the test's loop."""

    rule: Rule = fine
    got: list[Request] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in?query=music"

    @property
    def bodies(self) -> Counter[bytes]:
        """How often each body came."""
        return Counter(request.body for request in self.got)

    async def up(self) -> None:
        """Listen (again, on the same port)."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**26)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Be gone: connections end, new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        for writer in list(self._open):
            with suppress(OSError):
                await writer.wait_closed()
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.partition(": ") for line in head[1:-2])
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                request = Request(head[0].split()[1], headers, body)
                self.got.append(request)
                self.busy += 1
                self.most_busy = max(self.most_busy, self.busy)
                try:
                    said = await self.rule(request)
                finally:
                    self.busy -= 1
                status, more, out = said if isinstance(said, tuple) else (said, {}, b"")
                lines = [f"HTTP/1.1 {status} x", f"content-length: {len(out)}"]
                lines += [f"{name}: {value}" for name, value in more.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + out)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # cancelled: the loop ends, and nobody waits for connections
        finally:
            self._open.discard(writer)
            writer.transport.abort()


@dataclass
class Process:
    """An adapter (or receiver) under its own pid."""

    process: asyncio.subprocess.Process
    port: int

    async def ask(self, path: str) -> tuple[int, bytes]:
        """GET one of its pages; status 0: no answer."""
        client = HttpClient(Origin("127.0.0.1", self.port))
        try:
            answer = await client.send("GET", path, (), b"", timeout_s=5)
        except NoAnswer:
            return 0, b""
        finally:
            client.close()
        return answer.status, answer.body

    async def send(self, method: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """One request to `/`. Raises `NoAnswer`."""
        client = HttpClient(Origin("127.0.0.1", self.port))
        try:
            return await client.send(method, "/", tuple(headers.items()), body, timeout_s=60)
        finally:
            client.close()

    async def status(self) -> dict[str, Any]:
        status, body = await self.ask("/status")
        return json.loads(body) if status == 200 else {}

    async def ready(self) -> bool:
        return (await self.ask("/readyz"))[0] == 200

    async def end(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        return await self.process.wait()


@dataclass
class Rig:
    """One broker's address, one sink, and what was started for it."""

    address: str
    sink: Sink = field(default_factory=Sink)
    processes: list[Process] = field(default_factory=list)
    security: Mapping[str, Any] = field(default_factory=dict)
    """What the rig's own clients need to be let in."""

    async def make_topic(self, name: str = "t", partitions: int = 4) -> None:
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(name, partitions, 1)])

    async def delete_topic(self, name: str = "t") -> None:
        async with self._admin() as admin:
            await admin.delete_topics([name])

    async def produce(
        self,
        values: Iterable[bytes],
        *,
        topic: str = "t",
        key: Callable[[bytes], bytes | None] = lambda value: value,
        headers: Iterable[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        """Write records; by key to partitions, if not told where."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.address, max_request_size=2**24, **self.security
        )
        await producer.start()
        try:
            sent = [
                await producer.send(
                    topic, value, key=key(value), headers=list(headers), partition=partition
                )
                for value in values
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def records(self, topic: str, count: int) -> list[Any]:
        """The first records of a topic."""
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=self.address,
            auto_offset_reset="earliest",
            **self.security,
        )
        await consumer.start()
        try:
            async with asyncio.timeout(30):
                return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    async def source(self, *, environ: Mapping[str, str] | None = None, **more: Any) -> Process:
        """Start an adapter; `more` are fields of K_SOURCE."""
        settings = {
            "bootstrapServers": [self.address],
            "topics": ["t"],
            "consumerGroup": "g",
            "initialOffset": "earliest",
            "source": "/apis/v1/namespaces/default/kafkasources/s",
            "sink": {"url": self.sink.url},
            "sessionS": 3,
            **more,
        }
        return await self._start("kafka", {"K_SOURCE": json.dumps(settings), **(environ or {})})

    async def kafka_sink(
        self, topic: str, *, environ: Mapping[str, str] | None = None, **more: Any
    ) -> Process:
        """Start a receiver; `more` are fields of K_SINK_CONFIG."""
        settings = {"bootstrapServers": [self.address], "topic": topic, **more}
        said = {"K_SINK_CONFIG": json.dumps(settings), **(environ or {})}
        return await self._start("kafka_sink", said)

    async def _start(self, module: str, environ: Mapping[str, str]) -> Process:
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"tidegate.sources.{module}",
            env={**os.environ, "PORT": str(port), "K_DRAIN_S": "8", **environ},
        )
        self.processes.append(Process(process, port))
        return self.processes[-1]

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address, **self.security)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


@asynccontextmanager
async def rig(address: str, **security: Any) -> AsyncIterator[Rig]:
    """All that is started for it ends with the block. `security`: what its own clients need."""
    made = Rig(address, security=security)
    await made.sink.up()
    try:
        yield made
    finally:
        for each in made.processes:
            await each.end(signal.SIGKILL)
        await made.sink.down()


async def until(
    true: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str, *, at_most_s: float = 90.0
) -> None:
    """Wait until it is so. Raises `RigProblem`."""
    clock = RealClock()
    end_s = clock.monotonic() + at_most_s
    while True:
        is_so = true()
        if await is_so if isinstance(is_so, Awaitable) else is_so:
            return
        if clock.monotonic() > end_s:
            raise RigProblem(f"not within {at_most_s:g} s: {what}")
        await clock.sleep(0.05)
