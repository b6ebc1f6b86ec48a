"""A gateway without sockets: takes the table, acknowledges, and reports the load a test describes.

It speaks the link's own messages, so the control plane can't tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from tidegate.kit.clock import Clock
from tidegate.link.gateway import (
    Ack,
    Certificate,
    CertificateChanged,
    Drained,
    FirstByte,
    FromGateway,
    Hello,
    Revision,
    RevisionChanged,
    Route,
    RouteChanged,
    Sample,
    Snapshot,
    ToGateway,
    Wake,
)


class FakeGateway:
    """`app.plane.Link`. `load` maps a revision's key to (requests in flight, arrivals a second);
    `failing` to the share of arrivals that fail; `slowness` to the latency bucket of all of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: list[Callable[[FromGateway], None]] = []
        self.revisions: dict[str, Revision] = {}
        self.routes: dict[str, Route] = {}
        self.certificates: dict[str, Certificate] = {}
        self.load: dict[str, tuple[float, int]] = {}
        self.woken: set[str] = set()  # revisions that a request found without a replica
        self.failing: dict[str, float] = {}
        self.slowness: dict[str, int] = {}
        self.seq = 0
        self.kept: list[Sample] = []  # what a reconnecting control plane is told again
        self.connected = False
        self.alone_since_s: float | None = None
        self.busy: set[str] = set()  # endpoints that still have a request: no `Drained` for them
        self.mute = False  # takes no samples, as a gateway that stands still
        self._acks: asyncio.Queue[FromGateway] = asyncio.Queue()

    def listen(self, listener: Callable[[FromGateway], None]) -> None:
        self._listeners.append(listener)

    def forget_listeners(self) -> None:
        """The control plane died."""
        self.alone_since_s = self._clock.monotonic()
        self._listeners.clear()
        self.connected = False

    def send(self, message: ToGateway) -> None:
        if not self.connected and not isinstance(message, Snapshot):
            return
        match message:
            case Snapshot():
                self.revisions = {r.key: r for r in message.revisions}
                self.routes = {r.key: r for r in message.routes}
                self.certificates = {c.key: c for c in message.certificates}
            case RevisionChanged(key=key, revision=None):
                self.revisions.pop(key, None)
            case RevisionChanged(key=key, revision=Revision() as revision):
                self.revisions[key] = revision
            case RouteChanged(key=key, route=None):
                self.routes.pop(key, None)
            case RouteChanged(key=key, route=Route() as route):
                self.routes[key] = route
            case CertificateChanged(key=key, certificate=None):
                self.certificates.pop(key, None)
            case CertificateChanged(key=key, certificate=Certificate() as certificate):
                self.certificates[key] = certificate
            case _:
                raise AssertionError(message)
        self.seq = message.seq
        for revision in self.revisions.values():
            for endpoint in revision.endpoints:
                if endpoint.draining and endpoint.id not in self.busy:
                    self._acks.put_nowait(Drained(revision=revision.key, endpoint=endpoint.id))
        self._acks.put_nowait(Ack(seq=message.seq))

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        hello = Hello(pid=1, boot="fake", seq=self.seq, alone_since_s=self.alone_since_s)
        self.tell(hello)
        wanted = snapshot()
        for sample in self.kept:
            if sample.at_s > wanted.samples_since_s:
                self.tell(msgspec.structs.replace(sample, replay=True))
        self.connected = True
        self.send(wanted)
        while True:
            self.tell(await self._acks.get())

    def serving(self, host: str) -> dict[str, int]:
        """Where a host's requests go: revision name -> percent."""
        for route in self.routes.values():
            if host in route.hosts:
                return {s.revision.partition("/")[2]: s.percent for s in route.splits}
        return {}

    async def live(self) -> None:
        """The gateway process: samples once a second, with or without a control plane."""
        while True:
            for key in [k for k in self.woken if self._ready(k)]:
                self.woken.discard(key)
                self.tell(FirstByte(revision=key, at_s=self._clock.monotonic()))
            woken = [k for k, (c, _) in self.load.items() if c and not self._ready(k)]
            for key in woken if self.connected else ():
                self.woken.add(key)
                self.tell(Wake(revision=key, at_s=self._clock.monotonic(), waiting=1))
            now_s = self._clock.monotonic()
            await self._clock.sleep(now_s // 1 + 1 - now_s)  # at whole seconds, as the real one
            for key in self.revisions if not self.mute else ():
                concurrency, arrivals = self.load.get(key, (0.0, 0))
                if not concurrency and not self._ready(key):
                    continue
                sample = Sample(
                    revision=key,
                    at_s=self._clock.monotonic(),
                    concurrency=concurrency,
                    requests=arrivals,
                    waiting=0,
                    running=int(concurrency),
                    errors=int(arrivals * self.failing.get(key, 0.0)),
                    latency_buckets={self.slowness.get(key, 100): arrivals} if arrivals else {},
                )
                self.kept.append(sample)
                if self.connected:  # else nobody has said yet from when on samples are wanted
                    self.tell(sample)

    def _ready(self, key: str) -> int:
        known = self.revisions.get(key)
        return sum(not e.draining for e in known.endpoints) if known else 0

    def tell(self, message: FromGateway) -> None:
        """Say this to the control plane now."""
        for listener in self._listeners:
            listener(message)
