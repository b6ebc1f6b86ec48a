"""The gate under any order of events: nothing lost, first come first served, never above the limit, and
batch requests only where nobody else wants to be."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tidegate.routing import Gate, Seat, Verdict

IDS = [f"pod-{i}" for i in range(4)]


class GateMachine(RuleBasedStateMachine):
    """Mirrors the gate with plain lists and compares after each event."""

    def __init__(self) -> None:
        super().__init__()
        self.limit, self.places, self.places_bytes = 1, 5, 100
        self.gate: Gate[int] = Gate(limit=1, places=5, places_bytes=100)
        self.queue: list[
            tuple[int, int]
        ] = []  # (request, bytes), in the order in which they must start
        self.on: dict[int, Seat] = {}
        self.seats: dict[str, Seat] = {}  # every seat that was ever there
        self.listed: dict[str, bool] = {}
        self.drained: list[str] = []
        self.next = 0
        self.share = 0
        self.batch_queue: list[tuple[int, int]] = []
        self.batch: list[int] = []  # the batch requests that run, who started last comes last
        self.allowed: dict[
            str, int
        ] = {}  # most a seat may run: its limit, or what it had when that shrank

    @initialize(limit=st.sampled_from([0, 1, 2]))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.configured()

    def configured(self) -> list[tuple[int, Seat]]:
        return self.gate.configure(
            self.listed,
            limit=self.limit,
            places=self.places,
            places_bytes=self.places_bytes,
            batch_share=self.share,
        )

    def started(self, starts: list[tuple[int, Seat]]) -> None:
        for request, seat in starts:
            if self.batch_queue and request == self.batch_queue[0][0]:
                assert not self.queue, "a batch request started while another waits"
                self.batch_queue.pop(0)
                self.batch_on_seat(request, seat)
                continue
            assert self.queue, "something started that did not wait"
            assert request == self.queue.pop(0)[0], "who came first starts first"
            self.on_seat(request, seat)

    def on_seat(self, request: int, seat: Seat) -> None:
        assert self.listed.get(seat.id) is False, "a draining or removed replica got a request"
        assert not seat.resting
        assert seat.running <= (1 if seat.trial else self.limit or 1_000), "above the limit"
        self.on[request] = seat

    def batch_on_seat(self, request: int, seat: Seat) -> None:
        self.on_seat(request, seat)
        assert seat.running <= (self.share or 1_000), "above the share"
        self.batch.append(request)

    @rule(size=st.integers(0, 60))
    def arrive_batch(self, size: int) -> None:
        self.next += 1
        answer = self.gate.arrive_batch(self.next, size)
        if isinstance(answer, Seat):
            assert not self.queue
            assert not self.batch_queue, "overtook the queue"
            self.batch_on_seat(self.next, answer)
        elif answer is Verdict.WAITS:
            assert len(self.batch_queue) < self.places
            self.batch_queue.append((self.next, size))
        elif answer is Verdict.QUEUE_FULL:
            assert len(self.batch_queue) >= self.places
        else:
            assert sum(held for _, held in self.batch_queue) + size > self.places_bytes

    @rule()
    def give_way(self) -> None:
        """All that are asked to go, go: then nobody waits for a seat that batch requests have."""
        while going := self.gate.yields():
            assert going == [r for r in reversed(self.batch) if r in going], (
                "not the youngest first"
            )
            assert len(set(going)) == len(going)
            for request in going:
                self.end(request)
        for request in self.batch:
            seat = self.on[request]
            if self.listed.get(seat.id) is False and not seat.resting:
                assert not self.queue or seat.running < seat.cap
                assert seat.running <= (self.share or 1_000)

    @rule(size=st.integers(0, 60))
    def arrive(self, size: int) -> None:
        self.next += 1
        answer = self.gate.arrive(self.next, size)
        if isinstance(answer, Seat):
            assert not self.queue, "overtook the queue"
            self.on_seat(self.next, answer)
        elif answer is Verdict.WAITS:
            assert len(self.queue) < self.places
            self.queue.append((self.next, size))
        elif answer is Verdict.QUEUE_FULL:
            assert len(self.queue) >= self.places
        else:
            assert sum(held for _, held in self.queue) + size > self.places_bytes

    @precondition(lambda self: self.on)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.on))))

    def end(self, request: int) -> None:
        seat = self.on.pop(request)
        if request in self.batch:
            self.batch.remove(request)
            following = self.gate.leave_batch(request, seat)
        else:
            following = self.gate.leave(seat)
        if following is not None:
            self.started([(following, seat)])

    @precondition(lambda self: self.on)
    @rule(data=st.data(), size=st.integers(0, 60))
    def could_not_connect(self, data: st.DataObject, size: int) -> None:
        request = data.draw(st.sampled_from(sorted(self.on)))
        seat = self.on.pop(request)
        self.gate.rest(seat)
        if request in self.batch:
            self.batch.remove(request)
            self.batch_queue = sorted([*self.batch_queue, (request, size)])
        else:
            self.queue = sorted([*self.queue, (request, size)])
        self.started(self.gate.give_back(request, seat, held_bytes=size, order=request))

    def line_of(self, waits: tuple[int, int]) -> list[tuple[int, int]]:
        return self.queue if waits in self.queue else self.batch_queue

    @precondition(lambda self: self.queue or self.batch_queue)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from([*self.queue, *self.batch_queue]))
        line = self.line_of(gone)
        self.gate.abandon(gone[0])
        line.remove(gone)

    @precondition(lambda self: self.queue or self.batch_queue)
    @rule(data=st.data(), more=st.integers(0, 60))
    def grow(self, data: st.DataObject, more: int) -> None:
        request, held = data.draw(st.sampled_from([*self.queue, *self.batch_queue]))
        line = self.line_of((request, held))
        at = line.index((request, held))
        if self.gate.grow(request, more):
            line[at] = (request, held + more)
        else:
            assert sum(held for _, held in line) + more > self.places_bytes
            del line[at]

    @rule(wanted=st.dictionaries(st.sampled_from(IDS), st.booleans()))
    def set_seats(self, wanted: dict[str, bool]) -> None:
        busy = {seat.id for seat in self.on.values()}
        ending = {
            id_ for id_, was in self.listed.items() if not was and wanted.get(id_) is not False
        }
        ending |= {
            id_ for id_, now in wanted.items() if now and id_ not in self.listed and id_ not in busy
        }
        self.listed = dict(wanted)
        starts = self.configured()
        self.seats.update(self.gate.seats)
        for id_ in ending:
            if id_ not in busy:
                assert id_ in self.gate.drained, (
                    "an empty replica was told to drain and nobody said so"
                )
        self.started(starts)

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def rested(self, data: st.DataObject) -> None:
        seat = self.seats[data.draw(st.sampled_from(sorted(self.seats)))]
        self.started(self.gate.rested(seat))

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def proved(self, data: st.DataObject) -> None:
        seat = self.seats[data.draw(st.sampled_from(sorted(self.seats)))]
        self.started(self.gate.proved(seat))

    @rule(
        limit=st.sampled_from([0, 1, 2, 3]),
        places=st.integers(1, 6),
        share=st.sampled_from([0, 1, 2]),
    )
    def configure(self, limit: int, places: int, share: int) -> None:
        self.limit, self.places, self.share = limit, places, share
        self.started(self.configured())

    @invariant()
    def the_gate_and_the_mirror_agree(self) -> None:
        assert list(self.gate.line) == [request for request, _ in self.queue]
        assert self.gate.line.held_bytes == sum(held for _, held in self.queue)
        assert self.gate.waiting == len(self.queue)
        assert self.gate.batch_waiting == len(self.batch_queue)
        assert self.gate.batch_line.held_bytes == sum(held for _, held in self.batch_queue)
        assert list(self.gate.batch_running) == self.batch
        assert self.gate.running == len(self.on)
        for seat in self.gate.seats.values():
            assert seat.running == sum(1 for other in self.on.values() if other is seat)

    @invariant()
    def nobody_waits_while_a_replica_has_room(self) -> None:
        if self.queue:
            for seat in self.gate.seats.values():
                assert seat.draining or seat.resting or seat.running >= seat.cap

    @invariant()
    def no_batch_request_waits_while_a_replica_has_room_for_it(self) -> None:
        if self.batch_queue and not self.queue:
            for seat in self.gate.seats.values():
                full = seat.running >= min(seat.cap, self.share or 1_000)
                assert seat.draining or seat.resting or full

    @invariant()
    def each_empty_leaving_replica_is_named_exactly_once(self) -> None:
        for id_ in self.gate.drained:
            assert self.listed.get(id_) is not False, "named while in use"
            assert all(seat.id != id_ for seat in self.on.values()), "named while it runs something"
        assert len(set(self.gate.drained)) == len(self.gate.drained), "named twice"
        for id_, draining in self.listed.items():
            seat = self.gate.seats[id_]
            assert seat.said == (draining and seat.running == 0)
        self.gate.drained.clear()


GateMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestGate = GateMachine.TestCase
