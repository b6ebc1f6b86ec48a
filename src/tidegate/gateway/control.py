"""The gateway's side of the link to the control plane (`link.gateway`).

One control plane at a time; a new connection replaces the old. Between control planes the table stays
in force, samples gather in their lanes, and what drained is remembered for the next one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final, cast

import msgspec

from tidegate.gateway.hub import Hub
from tidegate.gateway.journal import Journal
from tidegate.link.gateway import (
    Ack,
    CertificateChanged,
    Drained,
    FromGateway,
    Hello,
    RevisionChanged,
    RouteChanged,
    Snapshot,
    ToGateway,
    decode_to_gateway,
    encode,
)

log = logging.getLogger(__name__)

_MAX_LINE: Final = 256 * 2**20  # a snapshot; more is not from us
_MAX_UNREAD: Final = (
    16 * 2**20
)  # messages that a control plane hasn't read: it hangs, let it come again
_REMEMBER_DRAINED: Final = 10_000


class Control:
    """Owns the journal and the current connection; the hub talks through `tell`."""

    def __init__(self, hub: Hub, journal: Journal) -> None:
        self.boot = os.urandom(8).hex()
        self._hub = hub
        self._journal = journal
        self._current: ControlConnection | None = None
        self._alone_since_s: float | None = None
        self._unheard: list[Drained] = []  # said while nobody listened
        hub.listener = self.tell

    @property
    def connected(self) -> bool:
        """Whether a control plane is there."""
        return self._current is not None

    def restore(self) -> None:
        """Put the table from disk in force. Its replicas may be gone; connecting to them will tell."""
        table = self._journal.load()
        if table is not None:
            self._hub.apply_snapshot(table)
            self._unheard.clear()
            log.info("serving from the saved table: %d revisions", len(table.revisions))

    def connection(self) -> ControlConnection:
        """A protocol for the next connection."""
        return ControlConnection(self)

    def tell(self, message: FromGateway) -> None:
        """Pass on to the control plane. Samples and wakes that nobody hears come again by themselves."""
        if self._current is not None and self._current.heard_snapshot:
            self._current.send(message)
        elif isinstance(message, Drained) and len(self._unheard) < _REMEMBER_DRAINED:
            self._unheard.append(message)

    def close(self) -> None:
        """The gateway ends: the control plane is to look for the next one."""
        if self._current is not None:
            self._current.close()
        self._journal.close()

    def opened(self, connection: ControlConnection) -> None:
        if self._current is not None:
            log.info("a new control plane replaces the one before")
            self._current.close()
            self._alone_since_s = self._hub.monotonic()
        self._current = connection
        hello = Hello(
            pid=os.getpid(),
            boot=self.boot,
            seq=self._journal.seq,
            alone_since_s=self._alone_since_s,
        )
        connection.send(hello)

    def closed(self, connection: ControlConnection) -> None:
        if self._current is connection:
            self._current = None
            self._alone_since_s = self._hub.monotonic()

    def take(self, connection: ControlConnection, message: ToGateway) -> None:
        """Put in force, keep on disk, acknowledge: in this order, so `Ack` means both."""
        if connection is not self._current:
            return
        match message:
            case Snapshot():
                self._hub.apply_snapshot(message)
            case RevisionChanged():
                self._hub.apply_revision(message.key, message.revision)
            case RouteChanged():
                self._hub.apply_route(message.key, message.route)
            case CertificateChanged():
                self._hub.apply_certificate(message.key, message.certificate)
        self._journal.keep(message)
        if isinstance(message, Snapshot):
            self._catch_up(connection, message)
        connection.send(Ack(seq=message.seq))
        if isinstance(message, Snapshot):
            self._repeat_drained()

    def _catch_up(self, connection: ControlConnection, snapshot: Snapshot) -> None:
        """Samples first, then the acknowledgement: from that on the autoscaler decides."""
        connection.heard_snapshot = True
        kept = self._hub.kept_samples(snapshot.samples_since_s)
        connection.send_history(
            [encode(msgspec.structs.replace(sample, replay=True)) for sample in kept]
        )

    def _repeat_drained(self) -> None:
        unheard, self._unheard = self._unheard, []
        for drained in dict.fromkeys([*unheard, *self._hub.drained_endpoints()]):
            self._hub.say_drained(drained)


class ControlConnection(asyncio.Protocol):
    """One connection from a control plane: lines in, lines out."""

    def __init__(self, control: Control) -> None:
        self.heard_snapshot = False
        self._control = control
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []  # of a line that isn't complete
        self._size = 0
        self._may_be_unread = _MAX_UNREAD

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, not a subclass
        self._control.opened(self)

    def data_received(self, data: bytes) -> None:
        if b"\n" not in data:
            self._pieces.append(data)
            self._size += len(data)
            if self._size > _MAX_LINE:
                self._fail(f"a line of more than {_MAX_LINE} bytes")
            return
        *lines, rest = b"".join((*self._pieces, data)).split(b"\n")
        self._pieces, self._size = [rest], len(rest)
        for line in lines:
            if self._transport is None:
                return
            self._line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._control.closed(self)

    def send(self, message: FromGateway) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(encode(message))
        if transport.get_write_buffer_size() > self._may_be_unread:
            self._fail("it does not read what it is told")

    def send_history(self, lines: list[bytes]) -> None:
        """However much it is: an hour of many revisions is more than may be unread otherwise, and a
        control plane that was dropped for it would ask for it again, for ever."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            data = b"".join(lines)
            self._may_be_unread += len(data)
            transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _line(self, line: bytes) -> None:
        try:
            self._control.take(self, decode_to_gateway(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as why:
            self._fail(f"a message that can't be read: {why}")
        except OSError as why:
            # In force, but not on disk: not acknowledged, so the control plane comes again and says it again.
            self._fail(f"the table can't be saved: {why}")

    def _fail(self, why: str) -> None:
        log.error("control plane connection dropped: %s", why)
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._control.closed(self)
