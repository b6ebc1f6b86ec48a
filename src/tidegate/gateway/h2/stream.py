"""One stream of an HTTP/2 connection, either end: its windows, and what waits for room in them.

Whoever gives it data is told (`on_full`) when some had to stay, and again (`on_room`) when all has gone:
that is how back-pressure goes from one connection to the other. The other way round, a stream that is
held (`hold_reading`) grants no more window to the sender, while the connection's window stays open for the
other streams.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final

from tidegate.gateway.h2.frames import DATA, END_STREAM, frame, reset_frame, window_frame

if TYPE_CHECKING:
    from tidegate.gateway.h2.connection import Connection

WINDOW: Final = 256 * 1024  # bytes that may be on their way to us on one stream


class Stream(ABC):
    """What both ends have in common. Gone from its connection's `streams` once both directions ended."""

    __slots__ = (
        "_after",
        "_pending",
        "closed",
        "conn",
        "held",
        "id",
        "in_window",
        "local_ended",
        "out_window",
        "remote_ended",
    )

    def __init__(self, conn: Connection, id_: int) -> None:
        self.conn = conn
        self.id = id_
        self.in_window = WINDOW
        self.out_window = conn.first_window
        self.local_ended = False  # we have sent our last, or it waits in `_pending`
        self.remote_ended = False
        self.held = False  # take no more from the other side for now
        self.closed = False
        self._pending: deque[bytes | memoryview] = deque()  # for lack of room
        self._after: bytes | None = None  # the last thing to send: trailers; empty: just the end

    # --- told by the connection

    @abstractmethod
    def on_headers(self, block: bytes, ends: bool) -> None:
        """A header block came. Raises `Fault`, `StreamFault`."""

    @abstractmethod
    def on_data(self, piece: bytes, ends: bool) -> None:
        """Bytes came. Raises `StreamFault`."""

    @abstractmethod
    def on_reset(self, code: int) -> None:
        """The other side ended the stream, or broke its rules."""

    @abstractmethod
    def on_lost(self) -> None:
        """The connection is gone."""

    @abstractmethod
    def on_full(self) -> None:
        """Send no more for now."""

    @abstractmethod
    def on_room(self) -> None:
        """All has gone."""

    def on_sent(self) -> None:  # noqa: B027 - not every end cares
        """Our last has gone, and the other side has not ended yet."""

    # --- sending

    def send_headers(self, block: bytes, *, ends: bool) -> None:
        """A header block, before any data."""
        if not self.closed:
            self.conn.write_headers(self.id, block, ends=ends)
            if ends:
                self._sent_last()

    def send(self, piece: bytes, *, ends: bool = False) -> None:
        """Data, as far as there is room; the rest follows by itself."""
        if self.closed or self.local_ended:
            return
        conn, size = self.conn, len(piece)
        if not self._pending and (
            not size  # an end needs no room
            or (
                size <= self.out_window
                and size <= conn.out_window
                and size <= conn.most_frame
                and not conn.write_paused
            )
        ):
            self.out_window -= size
            conn.out_window -= size
            conn.write(frame(DATA, END_STREAM if ends else 0, self.id, piece))
            if ends:
                self._sent_last()
            return
        self._pending.append(piece)
        if ends:
            self._after, self.local_ended = b"", True
        if not self._push_all():
            conn.blocked[self.id] = self
            self.on_full()

    def end(self, trailers: bytes = b"") -> None:
        """The end, after whatever still waits; with a block of trailers or none."""
        if self.closed or self.local_ended:
            return
        if self._pending:
            self._after, self.local_ended = trailers, True
        elif trailers:
            self.send_headers(trailers, ends=True)
        else:
            self.send(b"", ends=True)

    def forget_waiting(self) -> None:
        """What could not be sent yet is not sent any more."""
        self._pending.clear()
        self.conn.blocked.pop(self.id, None)

    def reset(self, code: int) -> None:
        """End both directions now."""
        if not self.closed:
            self.conn.write(reset_frame(self.id, code))
            self.conn.drop(self)

    def push(self) -> bool:
        """Send one frame of what waits. False: there is no room."""
        conn = self.conn
        room = min(self.out_window, conn.out_window, conn.most_frame)
        piece = self._pending[0]
        if conn.write_paused or (room <= 0 and piece):
            return False
        if len(piece) <= room:
            self._pending.popleft()
        else:
            whole = memoryview(piece)
            self._pending[0], piece = whole[room:], whole[:room]
        self.out_window -= len(piece)
        conn.out_window -= len(piece)
        last = not self._pending and self._after == b""
        conn.write(frame(DATA, END_STREAM if last else 0, self.id, bytes(piece)))
        if last:
            self._sent_last()
        elif not self._pending and self._after:
            conn.write_headers(self.id, self._after, ends=True)
            self._sent_last()
        return True

    @property
    def waits(self) -> bool:
        """Whether something could not be sent yet."""
        return bool(self._pending)

    def _push_all(self) -> bool:
        while self._pending:
            if not self.push():
                return False
        return True

    def _sent_last(self) -> None:
        self.local_ended = True
        if self.remote_ended:
            self.conn.drop(self)
        else:
            self.on_sent()

    # --- receiving

    def grant(self) -> None:
        """Let the other side send more, unless it is held or has ended."""
        if self.in_window <= WINDOW // 2 and not (self.held or self.remote_ended or self.closed):
            self.conn.write(window_frame(self.id, WINDOW - self.in_window))
            self.in_window = WINDOW

    def hold_reading(self) -> None:
        """Take no more from the other side for now."""
        self.held = True

    def go_on_reading(self) -> None:
        """There is room for more."""
        if self.held:
            self.held = False
            self.grant()
