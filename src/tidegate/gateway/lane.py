"""One revision at the gateway: its gate, its replicas' connections, its demand.

The gate decides (`routing.Gate`); the lane does what follows. Time limits are `deadlines`'.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from tidegate.gateway import answers
from tidegate.gateway.deadlines import Deadlines
from tidegate.gateway.exchange import Exchange
from tidegate.gateway.fields import Priority
from tidegate.gateway.samples import samples_of
from tidegate.gateway.targets import field_lines
from tidegate.gateway.upstream import Pool
from tidegate.gateway.waits import Wait, wants_explanation
from tidegate.gateway.yielding import Yielding
from tidegate.link.gateway import Drained, FirstByte, Revision, Sample, Wake
from tidegate.routing import Gate, Meter, Seat, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.gateway.hub import Hub

log = logging.getLogger(__name__)

_NOT_AT_GATE: Final = -1  # an exchange's order once the gate has given it up
_WAKE_EVERY_S: Final = 1.0
_BATCH: Final = Priority.BATCH


class Lane:
    """All that the gateway knows and does about one revision."""

    __slots__ = (
        "_deadlines",
        "_gate",
        "_hub",
        "_last_s",
        "_meter",
        "_order",
        "_pools",
        "_woke_s",
        "_yielding",
        "active",
        "extra_lines",
        "first_byte_due",
        "gone",
        "kept",
        "monotonic",
        "revision",
    )

    def __init__(self, hub: Hub, revision: Revision) -> None:
        self._hub = hub
        self.monotonic = hub.monotonic
        self.revision = revision
        self.extra_lines: list[bytes] = []  # fields that each request gets on its way
        self.first_byte_due = False  # a request found no replica, and none has answered since
        self.gone = False  # removed: finishes what runs
        self.active = False  # sampled each second
        self.kept: deque[Sample] = deque()
        self._gate: Gate[Exchange] = Gate()
        self._pools: dict[str, Pool] = {}
        self._meter = Meter(hub.begin_s)
        self._deadlines = Deadlines(hub, self._gate, revision)
        self._yielding = Yielding(hub, self._gate, revision.key)
        self._order = 0  # of the last arrival
        self._woke_s = 0.0  # when `Wake` was last said
        self._last_s = 0.0  # when there was last a request or a replica
        self.update(revision)

    @property
    def waiting(self) -> int:
        return self._gate.waiting

    @property
    def running(self) -> int:
        return self._gate.running

    # --- what the control plane says

    def update(self, revision: Revision) -> None:
        """The revision as it is now."""
        self.revision = revision
        self.extra_lines = field_lines(revision.headers).split(b"\r\n")[:-1]
        for endpoint in revision.endpoints:
            pool = self._pools.get(endpoint.id)
            h2c = revision.protocol == "h2c"
            if pool is None or not pool.leads_to(endpoint.host, endpoint.port, h2c=h2c):
                if pool is not None:
                    pool.close()
                pool = Pool(endpoint.id, endpoint.host, endpoint.port, self.monotonic, h2c=h2c)
                self._pools[endpoint.id] = pool
            if endpoint.draining and not pool.closed:
                pool.close()
            elif not endpoint.draining:
                pool.closed = False
        starts = self._gate.configure(
            {endpoint.id: endpoint.draining for endpoint in revision.endpoints},
            limit=revision.container_concurrency,
            places=revision.queue_requests,
            places_bytes=revision.queue_bytes,
            batch_share=revision.batch_concurrency,
        )
        listed = self._gate.seats
        for id_ in [id_ for id_ in self._pools if id_ not in listed]:
            self._pools.pop(id_).close()
        if listed and not self.active:
            self._activate()
        self._deadlines.revise(revision)
        self._start_all(starts)
        self._say_drained()

    def retire(self) -> None:
        """The revision is gone: who waits is refused, who runs finishes."""
        self.gone = True
        self._refuse_waiting()
        self._gate.configure({}, limit=0, places=0, places_bytes=0)
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
        self._say_drained()

    def hand_over(self) -> None:
        """The gateway ends: who waits goes on to wait at the next one, which is told of new replicas."""
        for exchange in self._gate.close():
            exchange.order = _NOT_AT_GATE
            exchange.hand_over()
            self._hub.spawn(self._pass_on(exchange))

    def busy_endpoints(self) -> list[str]:
        """Replicas that work on a request of ours."""
        return self._gate.busy()

    def drained_endpoints(self) -> list[str]:
        """Replicas that are draining and have nothing left to do."""
        return [seat.id for seat in self._gate.seats.values() if seat.said]

    # --- requests

    def submit(self, exchange: Exchange) -> None:
        """A new request for this revision."""
        if exchange.head.grpc and self.revision.protocol != "h2c":
            exchange.refuse(answers.no_h2c(self.revision.key))
            return
        now = self.monotonic()
        if not self.active:
            self._activate()
        exchange.lane = self
        self._order = exchange.order = self._order + 1
        if not exchange.arrived_s:
            exchange.arrived_s = now
        self._deadlines.watch(exchange, now)
        if exchange.head.priority:
            self._submit_batch(exchange, now)
            return
        self._meter.arrived(now)
        answer = self._gate.arrive(exchange, exchange.held_bytes)
        if isinstance(answer, Seat):
            self._start(exchange, answer, now)
        elif answer is Verdict.WAITS:
            cold = not self._gate.has_replica
            if cold:
                self._meter.found_nothing()
            if wants_explanation(exchange.head.fields):
                before = None if cold else self._gate.waiting - 1
                exchange.extra().wait = Wait(exchange.arrived_s, before=before)
            self._wait(exchange, now, cold=cold)
            if self._gate.batch_running:
                self._yielding.soon()
        else:
            self._refuse_full(exchange, answer)

    def _submit_batch(self, exchange: Exchange, now_s: float) -> None:
        """A new request that takes only what others leave."""
        if exchange.head.priority is _BATCH:
            self._meter.batch_arrived(now_s)
            if exchange.route is not None:
                exchange.route.count.requests -= 1
        else:
            self._meter.arrived(now_s)
        answer = self._gate.arrive_batch(exchange, exchange.held_bytes)
        if isinstance(answer, Seat):
            self._start(exchange, answer, now_s)
            self._yielding.watch()
        elif answer is Verdict.WAITS:
            self._wait(exchange, now_s, cold=not self._gate.has_replica)
        else:
            self._refuse_full(exchange, answer)

    def _wait(self, exchange: Exchange, now_s: float, *, cold: bool) -> None:
        """Somebody has come to wait. `cold`: there is no replica."""
        if cold:
            self.first_byte_due = True
        if self.revision.wait_s is not None and self._gate.is_refused:
            self._deadlines.watch_wait(exchange)
        self._ask_for_replicas(now_s)

    def grown(self, exchange: Exchange, more_bytes: int) -> None:
        """More of a waiting request's body is held now."""
        if not self._gate.grow(exchange, more_bytes):
            self._refuse_full(exchange, Verdict.BYTES_FULL)

    def release(self, exchange: Exchange, now_s: float, *, failed: bool, seen: bool = True) -> None:
        """A request has ended: free what it took and start who is next. `seen`: by its client, so that
        it counts how long it took."""
        self._deadlines.alive.pop(exchange, None)
        priority = exchange.head.priority
        if priority and priority is _BATCH:
            self._meter.batch_left(now_s)
        else:
            took_s = now_s - exchange.arrived_s if seen else None
            self._meter.left(now_s, failed=failed, took_s=took_s)
        seat, exchange.seat = exchange.seat, None
        if seat is None:
            if exchange.order != _NOT_AT_GATE:
                self._gate.abandon(exchange)
            return
        gate = self._gate
        following = gate.leave_batch(exchange, seat) if priority else gate.leave(seat)
        if following is not None:
            self._start_waiting(following, seat, now_s)
            if following.head.priority:
                self._yielding.watch()
        if seat.trial and exchange.answered:
            self._start_all(self._gate.proved(seat))
        if self._gate.drained:
            self._say_drained()

    def first_byte(self) -> None:
        """The first answer since a request found no replica begins."""
        self.first_byte_due = False
        self._hub.tell(FirstByte(revision=self.revision.key, at_s=self.monotonic()))

    def failed_answer(self) -> None:
        """A replica answered with a 5xx."""
        self._meter.failed()

    def made_tokens(self, count: int) -> None:
        """Tokens of an answer went to a client."""
        self._meter.made_tokens(count)

    # --- replicas

    def connect(self, exchange: Exchange, seat: Seat) -> None:
        """Open a connection for a request that has this seat."""
        pool = self._pools.get(seat.id)
        if pool is None:  # removed in the meantime
            self._give_back(exchange, seat)
        else:
            self._hub.spawn(self._connect(exchange, seat, pool))

    def could_not_serve(self, exchange: Exchange, seat: Seat) -> None:
        """The replica refused or dropped a request that may go elsewhere: let it rest, and the request
        wait first in line."""
        pool = self._pools.get(seat.id)
        if pool is not None and not seat.resting:
            settings = self._hub.settings
            pool.rest_s = min(max(settings.rest_s, pool.rest_s * 2), settings.rest_max_s)
            self._gate.rest(seat)
            self._hub.later(pool.rest_s, self._rested, seat)
        self._give_back(exchange, seat)
        if exchange.seat is None and self._gate.is_refused:
            self._deadlines.watch_wait(exchange)

    # --- once a second

    def tick(self, now_s: float) -> list[Sample]:
        """The samples of the seconds that ended; each is kept for as long as the revision's window."""
        gate = self._gate
        seconds = self._meter.take(now_s)
        yielded = self._yielding.take() if seconds else 0
        samples = samples_of(self.revision.key, seconds, gate, yielded=yielded)
        keep_s = min(self.revision.keep_samples_s, 3600)
        self.kept.extend(samples)
        while self.kept and self.kept[0].at_s <= now_s - keep_s:
            self.kept.popleft()
        for pool in self._pools.values():
            pool.close_idle(now_s - self._hub.settings.upstream_idle_s)
        self._ask_for_replicas(now_s)
        if self._deadlines.alive or gate.seats or gate.running:
            self._last_s = now_s
        elif self.gone or now_s - self._last_s > keep_s:
            self._deactivate()
        return samples

    # --- inside

    def _start(self, exchange: Exchange, seat: Seat, now_s: float) -> None:
        exchange.seat = seat
        pool = self._pools.get(seat.id)
        conn = pool.take(now_s, exchange) if pool is not None else None
        if conn is not None:
            exchange.send_on(conn)
        else:
            self.connect(exchange, seat)

    def _start_all(self, starts: Iterable[tuple[Exchange, Seat]]) -> None:
        for exchange, seat in starts:
            self._start_waiting(exchange, seat, self.monotonic())
        self._yielding.watch()

    def _start_waiting(self, exchange: Exchange, seat: Seat, now_s: float) -> None:
        if exchange.extras is not None and exchange.extras.wait is not None:
            exchange.extras.wait.started(now_s, seat.id, self._stages(seat.id))
        if exchange.head.priority is _BATCH:
            self._deadlines.begin(exchange, now_s)
        self._start(exchange, seat, now_s)

    def _stages(self, endpoint: str) -> Mapping[str, float]:
        return next((e.stages for e in self.revision.endpoints if e.id == endpoint), {})

    def _give_back(self, exchange: Exchange, seat: Seat) -> None:
        exchange.seat = None
        starts = self._gate.give_back(
            exchange, seat, held_bytes=exchange.held_bytes, order=exchange.order
        )
        self._start_all(starts)
        if self.gone:
            self._refuse_waiting()
        elif self._hub.leaving:
            self.hand_over()
        self._ask_for_replicas(self.monotonic())
        self._say_drained()

    async def _connect(self, exchange: Exchange, seat: Seat, pool: Pool) -> None:
        conn = await self._hub.dial(pool, exchange)
        wanted = not exchange.ended and exchange.seat is seat and exchange.conn is None
        if conn is None:
            if wanted:
                self.could_not_serve(exchange, seat)
            return
        pool.rest_s = 0.0
        if wanted:
            if exchange.extras is not None and exchange.extras.wait is not None:
                exchange.extras.wait.connected(self.monotonic())
            exchange.send_on(conn)
        else:  # its client left, or its time was over
            conn.unused()
        if seat.trial:
            self._start_all(self._gate.proved(seat))

    async def _pass_on(self, exchange: Exchange) -> None:
        successor = self._hub.successors.get(exchange.head.http2)
        conn = await self._hub.dial(successor, exchange) if successor is not None else None
        if exchange.ended:
            if conn is not None:
                conn.unused()
        elif conn is None:
            exchange.refuse(answers.SHUTTING_DOWN)
        else:
            exchange.send_on(conn)

    def _rested(self, seat: Seat) -> None:
        self._start_all(self._gate.rested(seat))

    def _refuse_waiting(self) -> None:
        for exchange in self._gate.close():
            exchange.order = _NOT_AT_GATE
            exchange.refuse(answers.revision_gone(self.revision.key))

    def _refuse_full(self, exchange: Exchange, why: Verdict) -> None:
        revision = self.revision
        exchange.order = _NOT_AT_GATE
        if why is Verdict.QUEUE_FULL:
            exchange.refuse(answers.queue_full(revision.key, revision.queue_requests))
        else:
            exchange.refuse(answers.queue_bytes_full(revision.key, revision.queue_bytes))

    def _ask_for_replicas(self, now_s: float) -> None:
        """`Wake` when the first request finds no replica, and again each second while one waits."""
        gate = self._gate
        if gate.has_ready_seat:
            return
        waiting = gate.waiting + gate.batch_waiting
        if not waiting:
            return
        if waiting == 1 or now_s - self._woke_s >= _WAKE_EVERY_S * 0.9:
            self._woke_s = now_s
            self._hub.tell(Wake(revision=self.revision.key, at_s=now_s, waiting=waiting))

    def _say_drained(self) -> None:
        drained = self._gate.drained
        while drained:
            self._hub.say_drained(Drained(revision=self.revision.key, endpoint=drained.pop(0)))

    def _activate(self) -> None:
        now = self.monotonic()
        self.active, self._last_s = True, now
        self._meter = Meter(max(now, self._hub.begin_s))
        self._hub.active.add(self)

    def _deactivate(self) -> None:
        self.active = False
        self.kept.clear()
        self._hub.active.discard(self)
