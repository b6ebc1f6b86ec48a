"""An upgraded connection (WebSocket and the like) after `101 Switching Protocols`: bytes both ways.

It is one request for its whole life: it holds its slot, counts as concurrency, and is cut when the
revision's timeoutSeconds are over, as Knative's queue-proxy does. Either side may end its direction; the
other then has `half_closed_s` to end as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from tidegate.gateway.exchange import Exchange


class Tunnel:
    """What is known about one of them beside its exchange. Back-pressure is the connections' own."""

    __slots__ = ("_client_ended", "_exchange", "_replica_ended", "_timer")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._client_ended = False
        self._replica_ended = False
        self._timer: TimerHandle | None = None

    def from_client(self, data: bytes) -> None:
        """Bytes for the replica."""
        exchange = self._exchange
        if exchange.conn is not None and not self._client_ended:
            exchange.conn.send_body(data)
            if exchange.wrote_s:
                exchange.note_write()

    def client_ended(self) -> bool:
        """The client says no more. Whether its connection stays for what the replica still says."""
        exchange = self._exchange
        if exchange.ended or exchange.conn is None:
            return False
        if not self._client_ended:
            self._client_ended = True
            exchange.conn.write_eof()
            self._half_closed()
        return not exchange.ended

    def replica_ended(self) -> bool:
        """The replica says no more. Whether its connection stays for what the client still says."""
        exchange = self._exchange
        if exchange.ended:
            return False
        if not self._replica_ended:
            self._replica_ended = True
            exchange.client.write_eof()
            self._half_closed()
        return not exchange.ended

    def close(self) -> None:
        """The exchange has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _half_closed(self) -> None:
        exchange = self._exchange
        if self._client_ended and self._replica_ended:
            conn, lane = exchange.conn, exchange.lane
            assert conn is not None
            assert lane is not None
            conn.finish()
            exchange.answer_done(lane.monotonic())
        elif self._timer is None:
            hub = exchange.client.hub
            self._timer = hub.later(hub.settings.half_closed_s, exchange.break_off)
