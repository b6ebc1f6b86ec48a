"""One request and its answer: what is held, where it runs, whether it may be sent again, how it ends.

Between a client's connection and a replica's. It ends exactly once: answered, refused by us, broken
off, or left by its client; `Lane.release` then frees what it took.

When it may be sent again (`lost`): a request whose connection was refused has not been seen by
anyone, so always. One that was written may have been worked on although no byte came back; it is
repeated only if no byte of the answer was seen, its body is still held, and its method is idempotent
(RFC 9110 9.2.2) or the service says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tidegate.gateway import answers
from tidegate.gateway.answers import Refusal
from tidegate.gateway.chunks import LAST_CHUNK, chunk
from tidegate.gateway.heads import CHUNKED, AnswerHead, RequestHead

if TYPE_CHECKING:
    from tidegate.gateway.client import ClientConnection
    from tidegate.gateway.lane import Lane
    from tidegate.gateway.upstream import UpstreamConnection
    from tidegate.routing import Seat, Target

_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))
_SAYS_LENGTH_ZERO: Final = frozenset((b"POST", b"PUT", b"PATCH"))


class Extras:
    """What few requests have, kept apart so that the others don't carry it. Header lines have their ends."""

    __slots__ = ("head", "notes")

    def __init__(self) -> None:
        self.head = b""  # for the replica, because of the way that the request goes
        self.notes = b""  # for the client, from us


class Exchange:
    """A request in our hands. Owned by its client's connection; the lane moves it, replicas answer it."""

    __slots__ = (
        "answered",
        "arrived_s",
        "attempts",
        "body_done",
        "client",
        "conn",
        "dropped",
        "ended",
        "extras",
        "handed_over",
        "head",
        "held",
        "held_bytes",
        "lane",
        "order",
        "rechunk",
        "route",
        "seat",
        "started",
        "target",
        "wrote_s",
    )

    def __init__(self, client: ClientConnection, head: RequestHead) -> None:
        self.client = client
        self.head = head
        self.target = head.target  # as the replica sees it
        self.extras: Extras | None = None  # None: nothing out of the ordinary
        self.route: Target | None = None  # None: not found yet, or nobody's
        self.lane: Lane | None = None  # None: waits for the first table
        self.seat: Seat | None = None  # None: waits
        self.conn: UpstreamConnection | None = None  # None: waits or connects
        self.held: list[bytes] = []  # the body so far, framed as it is sent
        self.held_bytes = 0
        self.dropped = False  # some of the body is not held any more
        self.body_done = False
        self.answered = False  # a byte of the answer was seen
        self.started = False  # a byte of the answer was passed on
        self.rechunk = False  # the answer's body goes on in chunks
        self.ended = False
        self.handed_over = False  # it goes on to the next gateway, not to a replica
        self.attempts = 0
        self.order = 0
        self.arrived_s = 0.0
        self.wrote_s = (
            0.0  # last byte to the client; 0: none yet (kept only where an idle timeout is set)
        )

    @property
    def repeatable(self) -> bool:
        """Whether the request may be sent although it may have been worked on already."""
        return not self.answered and not self.dropped and self.idempotent

    @property
    def idempotent(self) -> bool:
        lane = self.lane
        return self.head.method in _IDEMPOTENT or (lane is not None and lane.revision.idempotent)

    # --- the request, from the client

    def take_body(self, piece: bytes) -> None:
        """A piece of the body came: passed on, or held while there is nowhere to pass it."""
        framed = chunk(piece) if self.head.length == CHUNKED else piece
        if self.conn is None:
            self._hold(framed)
            if not self.ended and self.held_bytes >= self.client.hub.settings.hold_bytes:
                self.client.hold_reading()
            return
        self.conn.write(framed)
        if not self.dropped:
            if (
                self.idempotent
                and self.held_bytes + len(framed) <= self.client.hub.settings.hold_bytes
            ):
                self.held.append(framed)
                self.held_bytes += len(framed)
            else:
                self._let_go()

    def end_body(self) -> None:
        """The body is complete."""
        self.body_done = True
        if self.head.length == CHUNKED and not self.ended:
            if self.conn is None:
                self._hold(LAST_CHUNK)
            else:
                self.conn.write(LAST_CHUNK)
                if not self.dropped:
                    self.held.append(LAST_CHUNK)

    def client_gone(self) -> None:
        """Nobody waits for the answer any more."""
        if not self.ended:
            self._end(failed=False, seen=False)

    def _hold(self, framed: bytes) -> None:
        self.held.append(framed)
        self.held_bytes += len(framed)
        if self.lane is not None and self.seat is None and not self.handed_over:
            self.lane.grown(self, len(framed))

    def _let_go(self) -> None:
        self.dropped = True
        self.held.clear()
        self.held_bytes = 0

    def hand_over(self) -> None:
        """From now on it is for the next gateway, which is to see the request as the client sent it."""
        self.handed_over = True
        self.target = self.head.target
        self.extras = self.route = None  # the next gateway decides by itself, and counts

    # --- to a replica and back

    def send_on(self, conn: UpstreamConnection) -> None:
        """Write the request on a connection, all of it that is here."""
        self.conn = conn
        self.attempts += 1
        head = self._head_bytes()
        if self.held:
            head = b"".join((head, *self.held))
            if self.held_bytes >= self.client.hub.settings.hold_bytes and not self.body_done:
                self._let_go()
        conn.begin(self, head)
        if not self.body_done:
            self.client.go_on_reading()

    def answer_head(self, answer: AnswerHead, *, bodiless: bool, body: bytes) -> None:
        """The answer begins; `body` is what came of it in the same breath, whole if the length says so."""
        client, head = self.client, self.head
        close = client.closes_after(self)
        tail = b""
        if answer.length < 0 and not bodiless:
            if head.modern:
                self.rechunk = True
                tail = b"transfer-encoding: chunked\r\n"
            else:
                close = True
        elif answer.length == CHUNKED and head.modern:
            tail = b"transfer-encoding: chunked\r\n"  # to HEAD: what GET would have got
        if close:
            client.keep = False
            tail += b"connection: close\r\n"
        elif not head.modern:
            tail += b"connection: keep-alive\r\n"
        self.started = True
        if answer.status >= 500 and self.lane is not None:
            self.lane.failed_answer()
            self.count_failure()
        if self.extras is not None:
            tail += self.extras.notes
        client.write(answer.start + tail + b"\r\n" + body)
        if self.wrote_s:
            self._note_write()

    def answer_body(self, piece: bytes) -> None:
        """A piece of the answer's body; sent on at once, so that streams stay streams."""
        self.client.write(chunk(piece) if self.rechunk else piece)
        if self.wrote_s:
            self._note_write()

    def answer_done(self, now_s: float) -> None:
        """The answer is complete. The connection is already back with its pool, or closed."""
        if self.rechunk:
            self.client.write(LAST_CHUNK)
        self.conn = None
        self.ended = True
        assert self.lane is not None
        self.lane.release(self, now_s, failed=False)
        self.client.done(self)

    def lost(self, conn: UpstreamConnection) -> None:
        """The connection ended before the answer did."""
        self.conn = None
        lane, seat = self.lane, self.seat
        assert lane is not None
        if self.started:
            self.break_off()
        elif seat is None:
            self.refuse(answers.replica_closed(lane.revision.key, conn.endpoint))
        elif self.repeatable and conn.served:
            lane.connect(
                self, seat
            )  # it had stood idle and was closed as we wrote: a fresh one tells
        elif self.repeatable and self.attempts < self.client.hub.settings.attempts:
            lane.could_not_serve(self, seat)
        else:
            self.refuse(answers.replica_closed(lane.revision.key, seat.id))

    # --- endings

    def refuse(self, refusal: Refusal) -> None:
        """Answer it ourselves; if an answer had begun, break that off, for it can't be made whole."""
        if self.ended:
            return
        if self.started:
            self.break_off()
            return
        self._end(failed=refusal.status >= 500)
        self.client.answer(self, refusal)

    def break_off(self) -> None:
        """End an answer that had begun so that the client can't take it for a whole one."""
        if not self.ended:
            self._end(failed=True)
            self.client.break_off()

    def _end(self, *, failed: bool, seen: bool = True) -> None:
        """`seen`: by its client."""
        self.ended = True
        conn, self.conn = self.conn, None
        if conn is not None:
            conn.abandon()
        if failed:
            self.count_failure()
        if self.lane is not None:
            self.lane.release(self, self.lane.monotonic(), failed=failed, seen=seen)
        else:
            self.client.hub.leave_lobby(self)

    def extra(self) -> Extras:
        """What is out of the ordinary about it; from now on there is something."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    def count_failure(self) -> None:
        """It is answered with a 5xx, by us or by a replica."""
        if self.route is not None:
            self.route.count.errors += 1

    def _note_write(self) -> None:
        assert self.lane is not None
        self.wrote_s = self.lane.monotonic()

    def _head_bytes(self) -> bytes:
        head, lane = self.head, self.lane
        assert lane is not None
        lines = [
            head.method + b" " + self.target + b" HTTP/1.1",
            b"Host: " + head.host,
            *head.fields,
        ]
        if head.length > 0:
            lines.append(b"Content-Length: %d" % head.length)
        elif head.length == CHUNKED:
            lines.append(b"Transfer-Encoding: chunked")
        elif head.method in _SAYS_LENGTH_ZERO:
            lines.append(b"Content-Length: 0")
        lines.append(self.client.forwarded(head))
        last = b"\r\n" if self.handed_over else lane.extra_head
        lines.append(last if self.extras is None else self.extras.head + last)
        return b"\r\n".join(lines)
