"""The gate of one revision: one shared queue, the slots of its replicas, and who runs where.

Pure: it is told what happened and answers what follows; the gateway does it. One queue per revision
and not per replica, because with per-replica queues a fifth of short requests stood behind a long one
while other replicas were free. Fed by exactly one owner, so it needs no lock.

Always true between two calls:
  * a request waits, runs on one seat, or is unknown here;
  * nobody waits while a seat has room;
  * a seat runs more than its cap only after the cap shrank;
  * who came first starts first; a returned request goes before all that came after it;
  * `drained` names each seat that was told to drain, or removed, once, when its last request has left.

Batch requests have a line of their own behind all others: one starts only while nobody else waits, on a
seat that runs less than `batch_share`, and `yields` names those that are to give their place back.
Ordinary requests pay for that with one look at an empty line when they leave.
"""

from collections.abc import Mapping
from sys import maxsize
from typing import Final, Generic

from tidegate.routing.line import Line, R, Verdict

_NO_LIMIT: Final = maxsize


class Seat:
    """One replica as the gate sees it. Read by others, changed by the gate only."""

    __slots__ = ("cap", "draining", "id", "resting", "running", "said", "trial")

    def __init__(self, id_: str, cap: int) -> None:
        self.id = id_
        self.cap = cap
        self.running = 0
        self.draining = False  # gets nothing new, for good (also when removed)
        self.resting = False  # gets nothing new until `rested`
        self.trial = False  # back from a rest: one request at a time until `proved`
        self.said = False  # `drained` has named it

    def __repr__(self) -> str:
        flags = [name for name in ("draining", "resting", "trial") if getattr(self, name)]
        return (
            f"Seat({self.id!r}, {self.running}/{self.cap}{', ' if flags else ''}{' '.join(flags)})"
        )


class Gate(Generic[R]):
    """Holds requests of one revision until a replica has room for them.

    `limit` is requests at once per replica (0: none), `places` and `places_bytes` bound what waits.
    """

    __slots__ = (
        "_leaving",
        "_limit",
        "_open",
        "_places",
        "_places_bytes",
        "_share",
        "batch_line",
        "batch_running",
        "drained",
        "line",
        "running",
        "seats",
    )

    def __init__(self, *, limit: int = 0, places: int = 0, places_bytes: int = 0) -> None:
        self._limit = limit or _NO_LIMIT
        self._places, self._places_bytes = places, places_bytes
        self.line: Line[R] = Line()  # read by others, changed by the gate only; so is `batch_line`
        self._open: list[
            Seat
        ] = []  # neither draining nor resting; who was chosen longest ago comes first
        self._leaving: dict[str, Seat] = {}  # removed, but still running something
        self.seats: dict[str, Seat] = {}
        self.running = 0
        self.drained: list[str] = []  # for the owner to take
        self._share = _NO_LIMIT  # requests of any kind on a seat, up to which batch requests start
        self.batch_line: Line[R] = Line()
        self.batch_running: dict[R, Seat] = {}  # who started last comes last

    @property
    def waiting(self) -> int:
        return self.line.length

    @property
    def batch_waiting(self) -> int:
        return self.batch_line.length

    @property
    def has_ready_seat(self) -> bool:
        """Whether some replica could take a request now or once it has finished another."""
        return bool(self._open)

    @property
    def has_replica(self) -> bool:
        """Whether there is a replica that isn't on its way out, if only one that rests."""
        return bool(self._open) or any(not seat.draining for seat in self.seats.values())

    @property
    def is_refused(self) -> bool:
        """Whether there is no replica, or none that took the last connection that it was offered."""
        return all(seat.trial and not seat.running for seat in self._open)

    def arrive(self, request: R, held_bytes: int = 0) -> Seat | Verdict:
        """A new request: the seat where it starts at once, or what becomes of it instead."""
        if not self.line.length:
            seat = self._pick()
            if seat is not None:
                seat.running += 1
                self.running += 1
                return seat
        return self.line.join(request, held_bytes, self._places, self._places_bytes)

    def arrive_batch(self, request: R, held_bytes: int = 0) -> Seat | Verdict:
        """As `arrive`, for a request that takes only what others leave. It has places of its own, as many
        as there are for the others."""
        seat = None
        if not (self.batch_line.length or self.line.length):
            seat = self._pick_for_batch()
        if seat is not None:
            self._start_batch(request, seat)
            return seat
        return self.batch_line.join(request, held_bytes, self._places, self._places_bytes)

    def yields(self) -> list[R]:
        """The batch requests that are to be broken off now, who started last first: one for each request
        that waits for their seats, and those by which a seat is above the share. They go on running
        until the owner says `leave_batch`."""
        out: list[R] = []
        claims, running = self.waiting, {id_: seat.running for id_, seat in self.seats.items()}
        for request, seat in reversed(self.batch_running.items()):
            if seat.draining or seat.resting or self.seats.get(seat.id) is not seat:
                continue
            over = running[seat.id] > self._share
            wanted = claims > 0 and running[seat.id] >= seat.cap
            if over or wanted:
                out.append(request)
                claims -= wanted
                running[seat.id] -= 1
        return out

    def grow(self, request: R, more_bytes: int) -> bool:
        """More of a waiting request's body came. False: no room for it, the request is out of the queue."""
        line = self._line_of(request)
        if line.held_bytes + more_bytes > self._places_bytes:
            line.leave(request)
            return False
        line.grow(request, more_bytes)
        return True

    def abandon(self, request: R) -> None:
        """A waiting request is gone (its client left, its time is over). Raises KeyError if it didn't wait."""
        self._line_of(request).leave(request)

    def leave(self, seat: Seat) -> R | None:
        """A request on this seat ended. The request that starts there now, if any."""
        self.running -= 1
        seat.running -= 1
        if seat.draining:
            self._say_drained(seat)
            return None
        if seat.running >= seat.cap or seat.resting:
            return None
        if not self.line.length:
            return self._next_batch(seat) if self.batch_line.length else None
        seat.running += 1
        self.running += 1
        return self.line.next()

    def leave_batch(self, request: R, seat: Seat) -> R | None:
        """As `leave`, for a batch request."""
        self.batch_running.pop(request, None)
        return self.leave(seat)

    def give_back(
        self, request: R, seat: Seat, *, held_bytes: int, order: int
    ) -> list[tuple[R, Seat]]:
        """A request that started on this seat could not be served there: it waits again, before all
        that arrived after it (`order` is smaller the older it is). It doesn't count against the limits:
        it was let in once. Who starts where, this request included."""
        was_batch = self.batch_running.pop(request, None) is not None
        line = self.batch_line if was_batch else self.line
        line.rejoin(request, held_bytes, order=order)
        self.running -= 1
        seat.running -= 1
        if seat.draining:
            self._say_drained(seat)
        return self._admit()

    def rest(self, seat: Seat) -> None:
        """Nothing new for this seat until `rested`: it refused a connection."""
        seat.resting = True
        if seat in self._open:
            self._open.remove(seat)

    def rested(self, seat: Seat) -> list[tuple[R, Seat]]:
        """The rest is over; one request at a time until `proved`. Who starts where."""
        if not seat.resting:
            return []
        seat.resting = False
        seat.trial, seat.cap = True, 1
        if seat.draining:
            return []
        self._open.append(seat)
        return self._admit()

    def proved(self, seat: Seat) -> list[tuple[R, Seat]]:
        """The seat accepts connections again. Who starts where."""
        if not seat.trial:
            return []
        seat.trial, seat.cap = False, self._limit
        return self._admit()

    def configure(
        self,
        seats: Mapping[str, bool],
        *,
        limit: int,
        places: int,
        places_bytes: int,
        batch_share: int = 0,
    ) -> list[tuple[R, Seat]]:
        """The replicas there are now (id -> draining) and the limits. Who starts where. Replicas left out
        are drained, and forgotten once empty; what waits already stays, also where there are fewer
        places now. Both at once, so that nothing starts by half of a change. `batch_share` 0: as `limit`."""
        self._limit = limit or _NO_LIMIT
        self._share = batch_share or _NO_LIMIT
        self._places, self._places_bytes = places, places_bytes
        for id_, draining in seats.items():
            self._place(id_, draining=draining)
        for id_ in [id_ for id_ in self.seats if id_ not in seats]:
            seat = self.seats.pop(id_)
            if seat.running:
                self._leaving[id_] = seat
            seat.draining = True
            self._say_drained(seat)
        self._reopen()
        return self._admit()

    def close(self) -> list[R]:
        """The revision is gone: everything that waits, oldest first, waits no more; batch requests last."""
        return [*self.line.empty(), *self.batch_line.empty()]

    def busy(self) -> list[str]:
        """The replicas that run something, removed ones too."""
        return [seat.id for seat in (*self.seats.values(), *self._leaving.values()) if seat.running]

    def _line_of(self, request: R) -> Line[R]:
        return self.batch_line if request in self.batch_line else self.line

    def _place(self, id_: str, *, draining: bool) -> None:
        seat = self.seats.get(id_) or self._leaving.pop(id_, None) or Seat(id_, self._limit)
        self.seats[id_] = seat
        if not seat.trial:
            seat.cap = self._limit
        if draining and not seat.draining:
            seat.draining = True
            self._say_drained(seat)
        elif not draining and seat.draining:
            seat.draining, seat.said = False, False

    def _reopen(self) -> None:
        """Who is open now, in the order of before; new ones first."""
        now = dict.fromkeys(s for s in self.seats.values() if not s.draining and not s.resting)
        was = [seat for seat in self._open if seat in now]
        for seat in was:
            del now[seat]
        self._open = [*now, *was]

    def _pick(self) -> Seat | None:
        """The least busy open seat with room. It goes to the end of the line: equals take turns."""
        seats = self._open
        if len(seats) == 1:
            return seats[0] if seats[0].running < seats[0].cap else None
        best, least = None, _NO_LIMIT
        for seat in seats:
            running = seat.running
            if running < least and running < seat.cap:
                best, least = seat, running
                if not running:
                    break
        if best is not None:
            seats.remove(best)
            seats.append(best)
        return best

    def _admit(self) -> list[tuple[R, Seat]]:
        out: list[tuple[R, Seat]] = []
        while self.line.length:
            seat = self._pick()
            if seat is None:
                break
            seat.running += 1
            self.running += 1
            out.append((self.line.next(), seat))
        if self.batch_line.length:
            out += self._admit_batch()
        return out

    # --- batch requests

    def _pick_for_batch(self) -> Seat | None:
        """The least busy open seat with room below the share."""
        share = self._share
        free = [s for s in self._open if s.running < s.cap and s.running < share]
        return min(free, key=lambda seat: seat.running, default=None)

    def _start_batch(self, request: R, seat: Seat) -> None:
        seat.running += 1
        self.running += 1
        self.batch_running[request] = seat

    def _next_batch(self, seat: Seat) -> R | None:
        if seat.running >= self._share:
            return None
        request = self.batch_line.next()
        self._start_batch(request, seat)
        return request

    def _admit_batch(self) -> list[tuple[R, Seat]]:
        out: list[tuple[R, Seat]] = []
        while self.batch_line.length and not self.line.length:
            seat = self._pick_for_batch()
            if seat is None:
                break
            request = self.batch_line.next()
            self._start_batch(request, seat)
            out.append((request, seat))
        return out

    def _say_drained(self, seat: Seat) -> None:
        if seat.running == 0 and not seat.said:
            seat.said = True
            self._leaving.pop(seat.id, None)
            self.drained.append(seat.id)
