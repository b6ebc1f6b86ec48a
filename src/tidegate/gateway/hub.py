"""Everything the gateway knows: the table, the lanes, who is connected, and the beat of each second.

Runs in one event loop and is touched by nothing else. The link (`control.py`) tells it what to serve;
clients bring it requests; it tells whoever is `listener` about demand.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Coroutine, Iterable
from math import ceil, floor
from typing import Any, Final, Protocol, TypeVar

from tidegate.gateway import answers
from tidegate.gateway.client import ClientConnection
from tidegate.gateway.ends import Worker
from tidegate.gateway.exchange import Exchange
from tidegate.gateway.h2.client import ClientConnection as Http2Client
from tidegate.gateway.h2.replica_stream import ReplicaStream
from tidegate.gateway.h2.upstream import Carrier, Carriers
from tidegate.gateway.lane import Lane
from tidegate.gateway.models import Models
from tidegate.gateway.settings import Settings
from tidegate.gateway.shadow import Shadows
from tidegate.gateway.targets import NOWHERE, target_of
from tidegate.gateway.tls import Certificates, https_address
from tidegate.gateway.upstream import Pool, UpstreamConnection
from tidegate.kit.clock import Clock
from tidegate.link.gateway import (
    Certificate,
    Drained,
    FromGateway,
    Revision,
    Route,
    RouteSample,
    Sample,
    Snapshot,
)
from tidegate.routing import Asked, Table, Target, host_name

log = logging.getLogger(__name__)

_LOBBY_PLACES: Final = 10_000
_LOOK_AGAIN_S: Final = 0.2  # whether a gateway that is ending still uses a replica
_BEHIND_S: Final = 0.05  # how long after a whole second its samples are taken


C = TypeVar("C", UpstreamConnection, Carrier)


class Dial(Protocol):
    """Opens a connection to a replica. Raises OSError."""

    async def __call__(self, factory: Callable[[], C], host: str, port: int) -> C: ...


class Hub:
    """The state of one gateway process."""

    def __init__(
        self, *, clock: Clock, settings: Settings, tasks: asyncio.TaskGroup, dial: Dial
    ) -> None:
        self.settings = settings
        self.monotonic = clock.monotonic
        self.begin_s = float(ceil(clock.monotonic()))  # what was before is not ours to report
        self.coarse_s = (
            clock.monotonic()
        )  # now, give or take the check interval; costs nothing to read
        self.clients: set[ClientConnection | Http2Client] = set()
        self.active: set[Lane] = set()
        self.leaving = False
        self.has_table = False
        self.listener: Callable[[FromGateway], None] = lambda message: None
        self.successors: dict[bool, Pool] = {}  # the next gateway, once we leave: by HTTP/2 or not
        self.busy_elsewhere: Callable[[], Collection[str]] = frozenset
        self.shadows = Shadows(self)
        self.certificates = Certificates()
        self.https_ports: dict[str, int] = {}  # where we offer it, by the name of the socket
        self._cookie_seed, self._cookies = os.urandom(6).hex(), 0
        self._clock = clock
        self._tasks = tasks
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._table = Table()
        self._lanes: dict[str, Lane] = {}
        self._models = Models(self, self._table)
        self._lobby: dict[Exchange, asyncio.TimerHandle] = {}

    # --- requests

    def submit(self, exchange: Exchange, target: Target | None = None) -> None:
        """Send a request on its way, or refuse it. `target`: its route, where that is known already."""
        if target is None:
            head = exchange.head
            found = self._table.find(head.host, head.target)
            if found is None:
                self._not_found(exchange)
                return
            if found.cut:
                rest = head.target[found.cut :]
                exchange.target = rest if rest[:1] == b"/" else b"/" + rest
            target = found.target
        exchange.route = target
        target.count.requests += 1
        key = target.only or self._choose(exchange, target)
        lane = self._lanes.get(key)
        if lane is None:
            exchange.refuse(_nowhere(target, key))
        else:
            lane.submit(exchange)

    def _not_found(self, exchange: Exchange) -> None:
        head = exchange.head
        if not self.has_table:
            self._enter_lobby(exchange)
        elif not self._models.takes(exchange):
            path = head.target.partition(b"?")[0][:200].decode("latin-1")
            exchange.refuse(answers.unknown_host(head.host[:200].decode("latin-1"), path))

    def _choose(self, exchange: Exchange, target: Target) -> str:
        """The revision for a request of a route that has more to decide than most."""
        if target.plain:
            return target.split.choose()
        head = exchange.head
        if target.redirect_https and self._wants_https(exchange):
            exchange.refuse(answers.to_https(https_address(head, self.https_ports)))
            return NOWHERE
        if target.branches:
            branched = target.branch_for(Asked(head.method, exchange.target, head.lines()))
            if branched is None:
                path = exchange.target.partition(b"?")[0][:200].decode("latin-1")
                exchange.refuse(answers.no_branch(target.key, path))
                return NOWHERE
            chosen = branched
            exchange.target = chosen.target or exchange.target
        else:
            chosen = target.choose(head.lines(), self.new_id)
        if chosen.shadows:
            self.shadows.begin(exchange, chosen.shadows)
        if chosen.way.head:
            exchange.extra().head = chosen.way.head
        if chosen.set_cookie is not None:
            cookie = b"set-cookie: %b; Path=/; HttpOnly\r\n" % chosen.set_cookie
            exchange.extra().added += cookie
        return chosen.way.revision

    def _wants_https(self, exchange: Exchange) -> bool:
        """Whether a request came by plain HTTP to a host that has HTTPS here."""
        head = exchange.head
        return (
            bool(self.https_ports)
            and not exchange.client.origin.is_secure(head)
            and self.certificates.has_own(host_name(head.host))
        )

    def new_id(self) -> str:
        """A word that no other request gets, here or at another gateway."""
        self._cookies += 1
        return f"{self._cookie_seed}-{self._cookies:x}-"

    def leave_lobby(self, exchange: Exchange) -> None:
        """A request that waited for the first table, or to say its model, is gone."""
        self._models.leave(exchange)
        timer = self._lobby.pop(exchange, None)
        if timer is not None:
            timer.cancel()

    def _enter_lobby(self, exchange: Exchange) -> None:
        wait_s = self.settings.first_table_s
        if len(self._lobby) >= _LOBBY_PLACES:
            exchange.refuse(answers.no_table(0))
            return
        exchange.arrived_s = self.monotonic()
        self._lobby[exchange] = self.later(wait_s, exchange.refuse, answers.no_table(wait_s))

    def _open_lobby(self) -> None:
        lobby, self._lobby = self._lobby, {}
        for exchange, timer in lobby.items():
            timer.cancel()
            self.submit(exchange)

    # --- what the control plane says

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """The whole table: what we have and it lacks goes."""
        named = {revision.key for revision in snapshot.revisions}
        for key in [key for key in self._lanes if key not in named]:
            self.apply_revision(key, None)
        for revision in snapshot.revisions:
            self.apply_revision(revision.key, revision)
        routed = {route.key for route in snapshot.routes}
        for key in [target.key for target in self._table if target.key not in routed]:
            self._table.remove(key)
        for route in snapshot.routes:
            self.apply_route(route.key, route)
        shown = {certificate.key for certificate in snapshot.certificates}
        for key in self.certificates.keys() - shown:
            self.certificates.remove(key)
        for certificate in snapshot.certificates:
            self.certificates.put(certificate)
        self.has_table = True
        self._open_lobby()

    def apply_revision(self, key: str, revision: Revision | None) -> None:
        """One revision as it is now; None: it is gone."""
        lane = self._lanes.get(key)
        if revision is None:
            if lane is not None:
                del self._lanes[key]
                lane.retire()
        elif lane is None:
            self._lanes[key] = Lane(self, revision)
        elif lane.revision != revision:
            lane.update(revision)

    def apply_route(self, key: str, route: Route | None) -> None:
        """One route as it is now; None: it is gone."""
        if route is None:
            self._table.remove(key)
        else:
            self._table.put(target_of(route, self._table.get(key)))

    def apply_certificate(self, key: str, certificate: Certificate | None) -> None:
        """One certificate as it is now; None: it is gone."""
        if certificate is None:
            self.certificates.remove(key)
        else:
            self.certificates.put(certificate)

    def kept_samples(self, since_s: float) -> Iterable[Sample]:
        """Samples later than this that are still kept, oldest first for each revision."""
        for lane in self.active:
            yield from (sample for sample in lane.kept if sample.at_s > since_s)

    def drained_endpoints(self) -> Iterable[Drained]:
        """Draining replicas with nothing left to do, for a control plane that may not have heard."""
        for key, lane in self._lanes.items():
            for endpoint in lane.drained_endpoints():
                yield Drained(revision=key, endpoint=endpoint)

    # --- used by lanes and clients

    def lane(self, revision: str) -> Lane | None:
        """The lane of a revision; None: it is not here."""
        return self._lanes.get(revision)

    def tell(self, message: FromGateway) -> None:
        """For the control plane, if one listens."""
        self.listener(message)

    def say_drained(self, drained: Drained) -> None:
        """Tell, once no gateway that is ending has a request at the replica either."""
        if drained.endpoint in self.busy_elsewhere():
            self.later(_LOOK_AGAIN_S, self.say_drained, drained)
        else:
            self.tell(drained)

    def later(
        self, after_s: float, call: Callable[..., None], *args: object
    ) -> asyncio.TimerHandle:
        """Call once after so many seconds."""
        return self._loop.call_later(after_s, call, *args)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task that the gateway waits for. What fails in it is one request's misfortune."""
        self._tasks.create_task(_reported(work))

    async def dial(self, pool: Pool, exchange: Exchange) -> Worker | None:
        """A new connection to a replica, or a stream of one; None: it takes none."""
        carriers = pool.carriers_for(exchange)
        if carriers is not None:
            return await self._stream(carriers, pool)
        return await self._open(lambda: UpstreamConnection(pool), pool)

    async def _stream(self, carriers: Carriers, pool: Pool) -> ReplicaStream | None:
        """Those who need a connection at the same time open one together."""
        for _ in range(self.settings.attempts):
            stream = carriers.stream()
            if stream is not None:
                return stream
            opening = carriers.opening
            if opening is not None:
                carrier = await asyncio.shield(opening)
            else:
                opening = carriers.opening = self._loop.create_future()
                carrier = None
                try:
                    carrier = await self._open(lambda: Carrier(carriers), pool)
                finally:
                    carriers.opening = None
                    opening.set_result(carrier)
            if carrier is None:
                return None
        return carriers.stream()

    async def _open(self, make: Callable[[], C], pool: Pool) -> C | None:
        try:
            async with asyncio.timeout(self.settings.connect_s):
                conn = await self._dial(make, pool.host, pool.port)
                return conn if conn.usable else None  # accepted, and closed in the same breath
        except (OSError, TimeoutError) as why:
            log.info(
                "replica %s at %s:%s takes no connection: %s", pool.id, pool.host, pool.port, why
            )
            return None

    # --- rhythm

    async def beat(self) -> None:
        """Each second: samples, wakes, idle connections. Until cancelled."""
        while True:
            now = self.monotonic()
            await self._clock.sleep(floor(now) + 1 + _BEHIND_S - now)
            now = self.monotonic()
            for lane in list(self.active):
                self._tick(lane, now)
            self._tell_routes(float(floor(now)))

    def _tick(self, lane: Lane, now_s: float) -> None:
        try:
            for sample in lane.tick(now_s):
                self.tell(sample)
        except Exception:
            log.exception("revision %s could not be sampled; the others go on", lane.revision.key)

    def _tell_routes(self, at_s: float) -> None:
        for target in self._table:
            count = target.count
            if count.requests or count.errors:
                self.tell(
                    RouteSample(
                        route=target.key,
                        at_s=at_s,
                        requests=count.requests,
                        errors=count.errors,
                    )
                )
                count.requests = count.errors = 0

    async def watch_clients(self) -> None:
        """Let go of clients that are silent for too long. Until cancelled."""
        settings = self.settings
        every_s = min(1.0, settings.head_timeout_s / 4, settings.linger_s / 4)
        while True:
            await self._clock.sleep(every_s)
            now = self.coarse_s = self.monotonic()
            for client in list(self.clients):
                client.check(now)

    def leave(self, address: tuple[str, int]) -> None:
        """The gateway ends. Idle clients go now, the others after their answer; who waits goes on to wait
        at the next gateway, which listens on the same address."""
        self.leaving = True
        for h2c in (False, True):
            pool = Pool("next-gateway", *address, self.monotonic, h2c=h2c)
            pool.close()  # its connections are used once
            self.successors[h2c] = pool
        self.shadows.close()
        self._models.close()
        for exchange in list(self._lobby):
            exchange.refuse(answers.SHUTTING_DOWN)
        for lane in list(self.active):
            lane.hand_over()
        for client in list(self.clients):
            client.leave_if_idle()

    def busy_endpoints(self) -> list[str]:
        """Replicas that work on a request of ours."""
        return [id_ for lane in self.active for id_ in lane.busy_endpoints()]


def _nowhere(target: Target, revision: str) -> answers.Refusal:
    if target.trouble is not None:
        return answers.not_ready(next(iter(target.hosts), ""), target.trouble)
    return answers.no_revision(target.key, revision)


async def _reported(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("a request could not be served by our own mistake; it ends by its timeout")
