"""The time limits of one revision's requests, and what is said to those that break one.

No timer per request: the requests of a revision share their limits, so one timer, armed for the
oldest, watches them all.
"""

from __future__ import annotations

from asyncio import TimerHandle
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from tidegate.gateway import answers
from tidegate.gateway.exchange import Exchange
from tidegate.link.gateway import Revision
from tidegate.routing import Gate

if TYPE_CHECKING:
    from tidegate.gateway.hub import Hub

_LEAST_WATCH_S: Final = (
    0.02  # between two looks for late requests, when many are late one after the other
)


class _Limit(Enum):
    """The time limit that a request broke."""

    WHOLE = auto()
    WAIT = auto()
    START = auto()
    IDLE = auto()


class Deadlines:
    """Ends the requests of one revision that are late. Owned by its lane."""

    __slots__ = ("_gate", "_hub", "_look_at_s", "_revision", "_timer", "alive")

    def __init__(self, hub: Hub, gate: Gate[Exchange], revision: Revision) -> None:
        self.alive: dict[Exchange, None] = {}  # in order of arrival; the lane takes out who ends
        self._hub, self._gate, self._revision = hub, gate, revision
        self._timer: TimerHandle | None = None
        self._look_at_s = 0.0  # when the timer is due

    def revise(self, revision: Revision) -> None:
        """The limits may have changed."""
        self._revision = revision
        if self._timer is not None:
            self._arm(0.0)

    def watch(self, exchange: Exchange, now_s: float) -> None:
        """A request has arrived."""
        revision = self._revision
        if revision.idle_timeout_s is not None:
            exchange.wrote_s = now_s
        self.alive[exchange] = None
        if self._timer is None:  # it is the only one: look when it could be late by the shortest
            starts_s, idle_s = revision.response_start_timeout_s, revision.idle_timeout_s
            limits = (revision.timeout_s, starts_s, idle_s)
            self._arm(min((limit for limit in limits if limit), default=0.0))

    def begin(self, exchange: Exchange, now_s: float) -> None:
        """A batch request that let others go first has got a place: its time begins now."""
        exchange.arrived_s = now_s
        if self._revision.idle_timeout_s is not None:
            exchange.wrote_s = now_s
        self.alive.pop(exchange, None)
        self.alive[exchange] = None  # it is the youngest now

    def watch_wait(self, exchange: Exchange) -> None:
        """Look when it has waited long enough for a replica that isn't there, or takes no connection."""
        wait_s = self._revision.wait_s
        if wait_s is not None:
            self._arm(max(0.0, exchange.arrived_s + wait_s - self._hub.monotonic()))

    def _arm(self, after_s: float) -> None:
        """Look then, or sooner if that is agreed already: who comes later puts nobody off."""
        look_at_s = self._hub.monotonic() + after_s
        if self._timer is not None:
            if self._look_at_s <= look_at_s:
                return
            self._timer.cancel()
        self._look_at_s = look_at_s
        self._timer = self._hub.later(after_s, self._look)

    def _look(self) -> None:
        """End the requests that are late, and arm the timer for the one that is late next."""
        self._timer = None
        late, next_s = self._late(now_s := self._hub.monotonic())
        # Those in line first: else each place that comes free goes to one that is as late, connections are
        # opened for nothing, and the answer blames a replica that never saw the request.
        for exchange, limit in sorted(late, key=lambda each: each[0].seat is not None):
            if exchange.ended:
                continue
            if exchange.head.priority and exchange.seat is None and self._gate.has_replica:
                exchange.give_way(answers.yielded(self._revision.key))
            else:
                exchange.refuse(self._refusal(exchange, limit))
        if self.alive and self._timer is None:
            self._arm(max(next_s - now_s, _LEAST_WATCH_S))

    def _late(self, now_s: float) -> tuple[list[tuple[Exchange, _Limit]], float]:
        """Who is late, by which limit; and when the next one is."""
        revision = self._revision
        in_vain = revision.wait_s is not None and self._gate.is_refused
        only_whole = not (revision.response_start_timeout_s or revision.idle_timeout_s or in_vain)
        late: list[tuple[Exchange, _Limit]] = []
        next_s = float("inf")
        for exchange in self.alive:
            due_s, limit = self._due(exchange, in_vain=in_vain)
            if due_s <= now_s:
                late.append((exchange, limit))
                continue
            next_s = min(next_s, due_s)
            if only_whole:
                break  # the others came later
        return late, next_s

    def _due(self, exchange: Exchange, *, in_vain: bool) -> tuple[float, _Limit]:
        """When the request is late, and by which limit. `in_vain`: no replica would take one in line.

        Source: Knative's queue-proxy (timeout handler); all start when the request arrives here, a batch
        request's when it gets a place (`begin`).
        """
        revision = self._revision
        due_s, limit = exchange.arrived_s + revision.timeout_s, _Limit.WHOLE
        start_s, idle_s = revision.response_start_timeout_s, revision.idle_timeout_s
        if in_vain and exchange.seat is None:
            due_s = exchange.arrived_s + min(revision.wait_s or 0.0, revision.timeout_s)
            limit = _Limit.WAIT
        if start_s and not exchange.started and exchange.arrived_s + start_s < due_s:
            due_s, limit = exchange.arrived_s + start_s, _Limit.START
        if idle_s and exchange.wrote_s and exchange.wrote_s + idle_s < due_s:
            due_s, limit = exchange.wrote_s + idle_s, _Limit.IDLE
        return due_s, limit

    def _refusal(self, exchange: Exchange, limit: _Limit) -> answers.Refusal:
        revision = self._revision
        if limit is _Limit.WAIT:
            refused = "none of its replicas takes a connection" if self._gate.has_replica else None
            trouble = revision.trouble or refused
            return answers.no_replica(revision.key, revision.wait_s or 0, trouble)
        if exchange.head.priority and exchange.seat is None:  # it isn't the request's fault
            return answers.no_replica(revision.key, revision.timeout_s, revision.trouble)
        if limit is _Limit.START:
            return answers.slow_start(revision.key, revision.response_start_timeout_s or 0)
        if limit is _Limit.IDLE:
            return answers.idle(revision.key, revision.idle_timeout_s or 0)
        return answers.too_late(
            revision.key,
            revision.timeout_s,
            waited=exchange.seat is None,
            trouble=revision.trouble,
        )
