"""An event's way from its first try to its end."""

import pytest

from tidegate.kit.http_client import HttpAnswer
from tidegate.kit.realtime import RealClock
from tidegate.sources.cloudevents import CloudEvent
from tidegate.sources.kafka.counts import Counts
from tidegate.sources.kafka.delivery import Course, Interrupted, deliver, stuck_at
from tidegate.sources.kafka.ledger import Ledger
from tidegate.sources.kafka.notes import Tries
from tidegate.sources.kafka.retries import Delivery, Failure
from tidegate.sources.kafka.sender import Accepted

NONE = Tries(0)
EVENT = CloudEvent({"id": "1", "source": "/s", "type": "t", "partitionkey": "k"}, b"x")
OK = Accepted(HttpAnswer(200, {}, b""))
DOWN = Failure(503, "answered 503", b"over\x00load")


class Sink:
    """Answers in turn as told; the last answer for ever."""

    def __init__(self, *answers, name="http://sink/"):
        self.answers, self.name, self.got = list(answers), name, []

    async def send(self, event, *, timeout_s):
        self.got.append(event)
        return self.answers[min(len(self.got), len(self.answers)) - 1]


class Place:
    """A partition with one event; waits pass at once, until `leave_after` of them."""

    def __init__(self, leave_after=10**6):
        self.ledger, self.waits, self.written, self.leave = Ledger(0), [], [], leave_after
        self.ledger.take(0)
        self.note, self.finish = self.ledger.note, self.ledger.finish
        self.tried = self.ledger.tried

    async def write_down(self):
        self.written.append(self.ledger.notes().tries[0][1])
        self._leaves()

    async def pause(self, wait_s):
        self.waits.append(wait_s)
        self._leaves()

    def _leaves(self):
        self.leave -= 1
        if self.leave < 0:
            raise Interrupted


async def run(place, sink, *, dead=None, reply=None, before=NONE, event=EVENT, key=None, **rules):
    rules = Delivery(**{"retry": 2, "delay_s": 0.5, **rules})
    course = Course(rules, sink, dead, reply, RealClock(), Counts())
    await deliver(
        course,
        event,
        place,
        0,
        before,
        key=key,
    )
    return course.counts


async def test_an_event_that_is_taken_at_once_is_finished_and_nothing_is_written_first():
    place = Place()
    counts = await run(place, Sink(OK))
    assert (place.ledger.base, place.written, counts.handled) == (1, [], 1)


async def test_a_failed_first_try_and_each_one_after_it_are_written_down_in_time():
    place, sink = Place(), Sink(DOWN, DOWN, OK)
    await run(place, sink)
    assert place.written == [Tries(1), Tries(2, under_way=True), Tries(3, under_way=True)]
    assert place.waits == [1.0, 2.0]
    assert len(sink.got) == 3


async def test_an_event_that_always_fails_has_its_tries_and_then_goes_to_the_dead_letter_sink():
    place, sink, dead = Place(), Sink(DOWN), Sink(OK)
    counts = await run(place, sink, dead=dead)
    assert (len(sink.got), len(dead.got), place.ledger.base) == (3, 1, 1)
    assert dead.got[0].attributes.items() >= {
        ("knativeerrordest", "http://sink/"),
        ("knativeerrorcode", "503"),
        ("knativeerrordata", "overload"),
    }
    assert (counts.failed, counts.dead_lettered, counts.dropped) == (3, 1, 0)


async def test_an_event_that_will_never_be_taken_is_not_tried_again():
    sink, dead = Sink(Failure(400, "answered 400")), Sink(OK)
    await run(Place(), sink, dead=dead)
    assert (len(sink.got), len(dead.got)) == (1, 1)


async def test_without_a_dead_letter_sink_it_is_dropped_and_counted():
    place = Place()
    counts = await run(place, Sink(DOWN))
    assert (place.ledger.base, counts.dropped) == (1, 1)


async def test_events_that_wait_for_their_dead_letter_sink_are_told_until_it_takes_them():
    said, place = [], Place()
    dead = Sink(Failure(404, "answered 404"), OK, name="http://dead/")
    course = Course(Delivery(retry=0), Sink(DOWN), dead, None, RealClock(), Counts())

    async def pause(wait_s):
        said.append(stuck_at(course).message)

    place.pause = pause
    await deliver(course, EVENT, place, 0, NONE)
    assert said == ["1 event waits for the dead letter sink: http://dead/ answered 404"]
    assert stuck_at(course) is None


async def test_a_dead_letter_sink_that_is_away_is_waited_for():
    place, dead = Place(), Sink(Failure(None, "refused"), Failure(404, "gone"), OK)
    counts = await run(place, Sink(DOWN), dead=dead)
    assert (len(dead.got), counts.dead_lettered, place.ledger.base) == (3, 1, 1)


async def test_an_interrupted_event_goes_on_where_it_was_with_the_next_owner():
    place, sink = Place(leave_after=2), Sink(DOWN)
    with pytest.raises(Interrupted):
        await run(place, sink)  # after one try, in the middle of writing down the second
    assert place.ledger.notes().tries == ((0, Tries(1)),)
    counts = await run(Place(), sink, before=Tries(1))
    assert (len(sink.got), counts.dropped) == (3, 1)


async def test_while_the_dead_letter_sink_is_waited_for_no_tries_are_left_for_the_next_owner():
    place = Place(leave_after=5)
    with pytest.raises(Interrupted):
        await run(place, Sink(DOWN), dead=Sink(Failure(None, "refused")))
    assert place.ledger.notes().tries == ((0, Tries(3)),)


@pytest.mark.parametrize("before", [Tries(3), Tries(3, under_way=True)])
async def test_an_event_that_comes_with_all_its_tries_is_only_buried(before):
    sink, dead = Sink(OK), Sink(OK)
    await run(Place(), sink, dead=dead, before=before)
    assert (len(sink.got), len(dead.got)) == (0, 1)


async def test_an_only_try_that_a_crash_cut_is_made_again_but_for_the_next_crash_it_is_the_same():
    place, sink = Place(), Sink(DOWN)
    counts = await run(place, sink, before=Tries(1, under_way=True), retry=0)
    assert (len(sink.got), counts.dropped, counts.repeated) == (1, 1, 1)


async def test_a_reply_is_delivered_before_the_event_is_finished_and_keeps_the_key():
    answer = HttpAnswer(
        200, {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "m", "ce-type": "r"}, b"y"
    )
    reply = Sink(DOWN, OK)
    place, sink = Place(), Sink(Accepted(answer))
    counts = await run(place, sink, reply=reply)
    assert len(sink.got) == 2  # a reply that isn't delivered is a failed try
    assert reply.got[1].attributes["partitionkey"] == "k"
    assert (reply.got[1].data, counts.replied, place.ledger.base) == (b"y", 1, 1)


async def test_an_answer_that_is_no_event_has_no_reply():
    reply = Sink(OK)
    await run(Place(), Sink(OK), reply=reply)
    assert reply.got == []


async def test_a_reply_to_an_event_without_a_partition_key_has_the_key_of_its_record():
    answer = HttpAnswer(
        200, {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "m", "ce-type": "r"}, b"y"
    )
    reply, event = Sink(OK), CloudEvent({"id": "1", "source": "/s", "type": "t"}, b"x")
    await run(Place(), Sink(Accepted(answer)), reply=reply, event=event, key="of the record")
    assert reply.got[0].attributes["partitionkey"] == "of the record"


async def test_an_event_that_another_consumer_finished_while_a_try_was_in_the_air_is_let_go():
    place, sink, dead = Place(), Sink(DOWN), Sink(OK)
    place.tried = lambda offset: None
    with pytest.raises(Interrupted):
        await run(place, sink, dead=dead)
    assert (len(sink.got), len(dead.got)) == (1, 0)


async def test_tries_that_another_consumer_made_are_not_made_again():
    place, sink = Place(), Sink(DOWN)
    place.tried = lambda offset: 2
    await run(place, sink)
    assert len(sink.got) == 2  # of three: the first here, one elsewhere, the last here
