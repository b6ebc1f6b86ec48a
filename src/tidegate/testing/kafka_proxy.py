"""A proxy before the test broker, for what that doesn't do. It keeps the metadata of committed offsets as Kafka
does (the offsets too are told from here, so that a test can take some out), asks for TLS and for SASL (PLAIN and SCRAM),
answers fetches beyond the end with the error that Kafka gives, and can be away, hang, and come back.

Reads only what it needs of the protocol, in the versions that aiokafka speaks.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aiokafka.protocol import admin
from aiokafka.protocol import commit as protocol
from aiokafka.protocol import fetch as fetching

from tidegate.testing.broker import RunningBroker, free_port
from tidegate.testing.sasl import MECHANISMS, Conversation, Refused

_FETCH, _COMMIT, _OFFSETS, _HANDSHAKE, _VERSIONS, _AUTHENTICATE = 1, 8, 9, 17, 18, 36
_UNKNOWN_MECHANISM, _REFUSED = 33, 58
Place = tuple[str, str, int]  # group, topic, partition


@dataclass
class KafkaProxy:
    """What came through. Owned by the test's loop."""

    broker: RunningBroker
    kept: dict[Place, tuple[int, str]] = field(default_factory=dict)
    """Offset and metadata as last committed. What is taken out counts as never committed."""
    commits: int = 0
    strict: bool = False
    """Fetches beyond a partition's end get the error that Kafka gives; the broker gives an empty answer."""
    users: Mapping[str, str] | None = None
    """Names and passwords, without which nothing is passed on; None: nobody is asked."""
    mechanisms: tuple[str, ...] = MECHANISMS
    tls: ssl.SSLContext | None = None
    let_in: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often whom by which mechanism."""
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _all_gone: asyncio.Event = field(default_factory=asyncio.Event)
    _speaks: asyncio.Event = field(default_factory=asyncio.Event)  # not set: the broker hangs

    def __post_init__(self) -> None:
        self._all_gone.set()
        self._speaks.set()

    @property
    def address(self) -> str:
        return self.broker.address

    async def up(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.broker.advertised, limit=2**26, ssl=self.tls
        )

    async def down(self) -> None:
        """The broker is away: connections end, new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._connections):
            writer.transport.abort()
        await self._all_gone.wait()

    def hang(self) -> None:
        """Connections stay and new ones are taken, but nothing is said any more."""
        self._speaks.clear()

    def go_on(self) -> None:
        """What was held back goes through."""
        self._speaks.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        self._all_gone.clear()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.broker.port, limit=2**26)
            asked: dict[int, tuple[int, int, Any]] = {}
            try:
                await self._let_in(reader, writer, there, back)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pass(reader, back, asked, requests=True))
                    tasks.create_task(self._pass(there, writer, asked, requests=False))
            except* (OSError, EOFError):
                pass
            finally:
                back.transport.abort()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._connections.discard(writer)
            if not self._connections:
                self._all_gone.set()

    async def _let_in(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        """SASL, if users are asked for. Raises EOFError for those who don't know the password."""
        if self.users is None:
            return
        talk: Conversation | None = None
        while talk is None or not talk.done:
            frame = await _frame(reader)
            key, version, correlation, name = struct.unpack(">hhih", frame[:10])
            said = BytesIO(frame[10 + max(0, name) :])
            answer: Any
            if key == _HANDSHAKE:
                asked = getattr(admin, f"SaslHandShakeRequest_v{version}").decode(said).mechanism
                known = asked in self.mechanisms
                talk = Conversation(asked, self.users) if known else None
                answer = getattr(admin, f"SaslHandShakeResponse_v{version}")(
                    0 if known else _UNKNOWN_MECHANISM, list(self.mechanisms)
                )
            elif key == _AUTHENTICATE and talk is not None:
                request = getattr(admin, f"SaslAuthenticateRequest_v{version}").decode(said)
                reply = getattr(admin, f"SaslAuthenticateResponse_v{version}")
                more = (0,) * version
                try:
                    answer = reply(0, None, talk.answer(request.sasl_auth_bytes), *more)
                except Refused:
                    answer = reply(_REFUSED, "wrong user or password", b"", *more)
            elif key == _VERSIONS:
                back.write(struct.pack(">i", len(frame)) + frame)
                frame = await _frame(there)
                writer.write(struct.pack(">i", len(frame)) + frame)
                continue
            else:
                raise EOFError
            out = struct.pack(">i", correlation) + bytes(answer.encode())
            writer.write(struct.pack(">i", len(out)) + out)
        self.let_in[talk.mechanism, talk.user or ""] += 1

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: dict[int, tuple[int, int, Any]],
        *,
        requests: bool,
    ) -> None:
        while True:
            frame = await _frame(reader)
            await self._speaks.wait()
            if requests:
                self._request(frame, asked)
            else:
                frame = self._response(frame, asked)
            writer.write(struct.pack(">i", len(frame)) + frame)
            await writer.drain()

    def _request(self, frame: bytes, asked: dict[int, tuple[int, int, Any]]) -> None:
        key, version, correlation, name = struct.unpack(">hhih", frame[:10])
        name_of = {_COMMIT: "OffsetCommit", _OFFSETS: "OffsetFetch", _FETCH: "Fetch"}.get(key)
        if name_of is None or (key == _FETCH and not self.strict):
            return
        kind = getattr(fetching if key == _FETCH else protocol, f"{name_of}Request_v{version}")
        asked[correlation] = (key, version, kind.decode(BytesIO(frame[10 + max(0, name) :])))

    def _response(self, frame: bytes, asked: dict[int, tuple[int, int, Any]]) -> bytes:
        (correlation,) = struct.unpack(">i", frame[:4])
        key, version, request = asked.pop(correlation, (0, 0, None))
        if key == _COMMIT:
            kind = getattr(protocol, f"OffsetCommitResponse_v{version}")
            self._keep(request, kind.decode(BytesIO(frame[4:])))
        elif key == _FETCH:
            kind = getattr(fetching, f"FetchResponse_v{version}")
            answer = kind.decode(BytesIO(frame[4:]))
            asked_for = {
                (topic, partition): offset
                for topic, partitions in request.topics
                for partition, *more in partitions
                for offset in [more[1] if version >= 9 else more[0]]
            }
            answer.topics = [
                (topic, [self._strictly(asked_for[topic, each[0]], each) for each in partitions])
                for topic, partitions in answer.topics
            ]
            return frame[:4] + bytes(answer.encode())
        elif key == _OFFSETS:
            kind = getattr(protocol, f"OffsetFetchResponse_v{version}")
            answer = kind.decode(BytesIO(frame[4:]))
            answer.topics = [
                (topic, [self._told(request.consumer_group, topic, *each) for each in partitions])
                for topic, partitions in answer.topics
            ]
            return frame[:4] + bytes(answer.encode())
        return frame

    def _strictly(self, offset: int, partition: Any) -> Any:
        number, error, end, *rest = partition
        return (number, error or (1 if offset > end else 0), end, *rest)

    def _keep(self, request: Any, answer: Any) -> None:
        fine = {
            (topic, partition)
            for topic, partitions in answer.topics
            for partition, error in partitions
            if error == 0
        }
        for topic, partitions in request.topics:
            for partition, offset, *_, metadata in partitions:
                if (topic, partition) in fine:
                    self.commits += 1
                    self.kept[request.consumer_group, topic, partition] = (offset, metadata)

    def _told(
        self, group: str, topic: str, partition: int, _offset: int, _metadata: str, error: int
    ) -> tuple[int, int, str, int]:
        at, kept = self.kept.get((group, topic, partition), (-1, ""))
        return partition, at, kept, error


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


@asynccontextmanager
async def remembering_broker(
    *,
    users: Mapping[str, str] | None = None,
    mechanisms: tuple[str, ...] = MECHANISMS,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[KafkaProxy]:
    """The broker behind the proxy, for the length of the block."""
    broker = RunningBroker(free_port(), free_port())
    broker.start()
    proxy = KafkaProxy(broker, users=users, mechanisms=mechanisms, tls=tls)
    try:
        await proxy.up()
        yield proxy
    finally:
        proxy.go_on()
        with suppress(OSError):
            await proxy.down()
        broker.stop()
