"""One request and its answer: what is held, where it runs, whether it may be sent again, how it ends.

Between a client's connection and a replica's. It ends exactly once: answered, refused by us, broken
off, or left by its client; `Lane.release` then frees what it took.

When it may be sent again (`lost`): a request whose connection was refused has not been seen by
anyone, so always. One that was written may have been worked on although no byte came back; it is
repeated only if no byte of the answer was seen, its body is still held, and its method is idempotent
(RFC 9110 9.2.2) or the service says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from tidegate.gateway import answers
from tidegate.gateway.answers import Refusal
from tidegate.gateway.ends import Asker, Worker
from tidegate.gateway.fields import Priority
from tidegate.gateway.heads import AnswerHead, RequestHead
from tidegate.gateway.tokens import Tokens, tokens_of

if TYPE_CHECKING:
    from tidegate.gateway.lane import Lane
    from tidegate.gateway.tunnel import Tunnel
    from tidegate.gateway.waits import Wait
    from tidegate.routing import Seat, Target

_MAY_HAVE_TOKENS: Final = b"/v1/"  # paths of the OpenAI API have it; a cheap look at all others
_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))
_PRIORITY_LINES: Final = {  # for the next gateway
    Priority.BATCH: b"Tidegate-Priority: batch",
    Priority.BATCH_DEMAND: b"Tidegate-Priority: batch-demand",
}


class BodyWatch(Protocol):
    """Whoever wants a request's body beside the replica."""

    def add(self, piece: bytes) -> None:
        """A piece of the body came."""

    def complete(self) -> None:
        """It was the last one."""


class Extras:
    """What few requests have, kept apart so that the others don't carry it. Header lines have their ends."""

    __slots__ = ("added", "failed", "head", "holds_all", "tokens", "wait", "watch")

    def __init__(self) -> None:
        self.wait: Wait | None = None  # its client wants to know why it waits
        self.added = b""  # for the client, from us
        self.watch: BodyWatch | None = None  # somebody else takes the body too
        self.holds_all = (
            False  # all of the body is held, however much: who watches it sees to limits
        )
        self.failed = False  # is counted as an error already
        self.head = b""  # for the replica, because of the way that the request goes
        self.tokens: Tokens | None = None  # what its answer brings is counted

    def notes(self, now_s: float) -> bytes:
        """The header lines that its answer, which begins now, gets from us."""
        return self.added if self.wait is None else self.added + self.wait.line(now_s)


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
        "route",
        "seat",
        "started",
        "target",
        "trailers",
        "tunnel",
        "wrote_s",
    )

    def __init__(self, client: Asker, head: RequestHead) -> None:
        self.client = client
        self.head = head
        self.target = head.target  # as the replica sees it
        self.extras: Extras | None = None  # None: nothing out of the ordinary
        self.route: Target | None = None  # None: not found yet, or nobody's
        self.lane: Lane | None = None  # None: waits for the first table
        self.seat: Seat | None = None  # None: waits
        self.conn: Worker | None = None  # None: waits or connects
        self.held: list[bytes] = []  # the body so far
        self.held_bytes = 0
        self.dropped = False  # some of the body is not held any more
        self.body_done = False
        self.answered = False  # a byte of the answer was seen
        self.started = False  # a byte of the answer was passed on
        self.trailers: Sequence[bytes] = ()  # lines behind the request's body
        self.tunnel: Tunnel | None = None  # None: requests and answers as usual
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
        extras = self.extras
        if self.conn is None:
            self._hold(piece)
            if extras is not None and extras.watch is not None:
                extras.watch.add(piece)
            held_all = extras is not None and extras.holds_all
            if (
                not (self.ended or held_all)
                and self.held_bytes >= self.client.hub.settings.hold_bytes
            ):
                self.client.hold_reading()
            return
        if extras is not None and extras.watch is not None:
            extras.watch.add(piece)
        self.conn.send_body(piece)
        if not self.dropped:
            if (
                self.idempotent
                and self.held_bytes + len(piece) <= self.client.hub.settings.hold_bytes
            ):
                self.held.append(piece)
                self.held_bytes += len(piece)
            else:
                self._let_go()

    def end_body(self) -> None:
        """The body is complete."""
        self.body_done = True
        if self.conn is not None and not self.ended:
            self.conn.end_body()
        if self.extras is not None and self.extras.watch is not None:
            self.extras.watch.complete()

    def client_gone(self) -> None:
        """Nobody waits for the answer any more."""
        if not self.ended:
            self._end(failed=False, seen=False)

    def _hold(self, piece: bytes) -> None:
        self.held.append(piece)
        self.held_bytes += len(piece)
        if self.lane is not None and self.seat is None and not self.handed_over:
            self.lane.grown(self, len(piece))

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

    def send_on(self, conn: Worker) -> None:
        """Send the request by a connection, all of it that is here."""
        self.conn = conn
        self.attempts += 1
        conn.begin(self)
        if not self.body_done:
            if self.held_bytes >= self.client.hub.settings.hold_bytes:
                self._let_go()
            if not conn.full:
                self.client.go_on_reading()

    def answer_head(
        self, answer: AnswerHead, *, bodiless: bool, body: bytes, ends: bool = False
    ) -> None:
        """The answer begins; `body` is what came of it in the same breath, whole if the length says so.
        `ends`: nothing follows; `answer_done` comes next."""
        self.started = True
        if self.lane is not None and self.lane.first_byte_due:
            self.lane.first_byte()
        if answer.status >= 500:
            self.failed_call()
        self.client.answer_head(self, answer, bodiless=bodiless, body=body, ends=ends)
        if _MAY_HAVE_TOKENS in self.head.target and not self.head.priority:
            tokens = tokens_of(self.head.target, answer.status, answer.start)
            if tokens is not None:
                self.extra().tokens = tokens
                self._count_tokens(tokens.add(body))
        if self.wrote_s:
            self.note_write()

    def _count_tokens(self, count: int) -> None:
        if count and self.lane is not None:
            self.lane.made_tokens(count)

    def answer_body(self, piece: bytes) -> None:
        """A piece of the answer's body; sent on at once, so that streams stay streams."""
        self.client.answer_body(piece)
        if self.extras is not None and self.extras.tokens is not None:
            self._count_tokens(self.extras.tokens.add(piece))
        if self.wrote_s:
            self.note_write()

    def answer_done(self, now_s: float, trailers: Sequence[bytes] = ()) -> None:
        """The answer is complete. The connection is already back with its pool, or closed."""
        self.client.answer_end(trailers)
        if self.extras is not None and self.extras.tokens is not None:
            self._count_tokens(self.extras.tokens.end())
        self.conn = None
        self.ended = True
        if self.tunnel is not None:
            self.tunnel.close()
        assert self.lane is not None
        self.lane.release(self, now_s, failed=False, seen=self.tunnel is None)
        self.client.done(self)

    def switch(self, tunnel: Tunnel, answer: AnswerHead, data: bytes) -> None:
        """The replica changed the protocol, as the client had asked for: bytes go both ways from now on."""
        self.started = True
        if self.lane is not None and self.lane.first_byte_due:
            self.lane.first_byte()
        self.tunnel = tunnel
        self.client.switch(self, answer, data)
        if self.wrote_s:
            self.note_write()

    def not_taken(self, conn: Worker) -> None:
        """The replica said that it has not looked at the request: it may be sent again, whatever it is."""
        self.conn = None
        lane, seat = self.lane, self.seat
        assert lane is not None
        may = not self.dropped and self.attempts < self.client.hub.settings.attempts
        if seat is not None and may:
            lane.connect(self, seat)
        else:
            self.refuse(answers.replica_reset(lane.revision.key, conn.endpoint, "REFUSED_STREAM"))

    def lost(self, conn: Worker, why: Refusal | None = None) -> None:
        """The connection, or the stream, ended before the answer did. `why`: None says that it was closed."""
        self.conn = None
        lane, seat = self.lane, self.seat
        assert lane is not None
        again = self.repeatable and self.attempts < self.client.hub.settings.attempts
        if self.started:
            self.break_off(why or answers.replica_cut(lane.revision.key, conn.endpoint))
        elif seat is None:
            self.refuse(why or answers.replica_closed(lane.revision.key, conn.endpoint))
        elif again and conn.served:
            lane.connect(
                self, seat
            )  # it had stood idle and was closed as we wrote: a fresh one tells
        elif again:
            lane.could_not_serve(self, seat)
        else:
            self.refuse(why or answers.replica_closed(lane.revision.key, seat.id))

    # --- endings

    def reply(self, body: bytes) -> None:
        """Answer it ourselves with JSON that was asked for."""
        self._end(failed=False)
        start = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n" % len(body)
        )
        answer = AnswerHead(200, start, len(body), keep_alive=True)
        bodiless = self.head.method == b"HEAD"
        self.client.answer_head(
            self, answer, bodiless=bodiless, body=b"" if bodiless else body, ends=True
        )
        self.client.answer_end(())
        self.client.done(self)

    def refuse(self, refusal: Refusal) -> None:
        """Answer it ourselves; if an answer had begun, break that off, for it can't be made whole."""
        if self.ended:
            return
        if self.started:
            self.break_off(refusal)
            return
        self._end(failed=refusal.status >= 500)
        self.client.answer(self, refusal)

    def give_way(self, refusal: Refusal) -> None:
        """A batch request leaves its place to others: no failure of anybody."""
        if self.ended:
            return
        started = self.started
        self._end(failed=False, seen=False)
        if started:
            self.client.break_off(refusal)
        else:
            self.client.answer(self, refusal)

    def break_off(self, refusal: Refusal | None = None) -> None:
        """End an answer that had begun so that the client can't take it for a whole one."""
        if not self.ended:
            self._end(failed=True)
            self.client.break_off(refusal)

    def _end(self, *, failed: bool, seen: bool = True) -> None:
        """`seen`: by its client."""
        self.ended = True
        if self.tunnel is not None:
            self.tunnel.close()
        conn, self.conn = self.conn, None
        if conn is not None and self.tunnel is not None and not failed:
            conn.finish()  # what the client said last is to arrive
        elif conn is not None:
            conn.abandon()
        failed = failed and not (
            self.head.priority is Priority.BATCH or (self.extras is not None and self.extras.failed)
        )
        if failed and self.route is not None:
            self.route.count.errors += 1
        if self.lane is not None:
            self.lane.release(
                self, self.lane.monotonic(), failed=failed, seen=seen and self.tunnel is None
            )
        else:
            self.client.hub.leave_lobby(self)

    def extra(self) -> Extras:
        """What is out of the ordinary about it; from now on there is something."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    def failed_call(self) -> None:
        """A replica answers with a 5xx, or a gRPC call ends with a status that is the server's failure.
        Should the answer break off as well, it is one error all the same."""
        extra = self.extra()
        if extra.failed or self.head.priority is Priority.BATCH:
            return
        extra.failed = True
        if self.lane is not None:
            self.lane.failed_answer()
        if self.route is not None:
            self.route.count.errors += 1

    def note_write(self) -> None:
        """Something was written: the idle time begins anew."""
        assert self.lane is not None
        self.wrote_s = self.lane.monotonic()

    def lines(self) -> list[bytes]:
        """The fields that the replica gets, as lines without their ends; those about framing come on top."""
        head, lane = self.head, self.lane
        assert lane is not None
        lines = [b"Host: " + head.host, *head.fields, *self.client.origin.lines(head)]
        if self.extras is not None and self.extras.head:
            lines += self.extras.head[:-2].split(b"\r\n")
        if not self.handed_over:
            lines += lane.extra_lines
        elif head.priority:
            lines.append(_PRIORITY_LINES[head.priority])
        return lines
