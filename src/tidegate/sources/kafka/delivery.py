"""One event from its first try to its end: handled, dead-lettered, or dropped.

    try -> failed -> wait -> try ... -> dead letter sink (until it takes the event) -> finished

Before each try after the first it is written down (in the commit's metadata) that it is made, so that
no crash gives an event more tries than it has. The first is not: that would be a round trip to the
broker for every event. It is written down when it has failed, and with the next commit if it is
still under way then; only a crash before either gives the event one more try.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

from tidegate.kit.clock import Clock
from tidegate.sources.cloudevents import CloudEvent, NotAnEvent, from_http
from tidegate.sources.kafka.counts import Counts
from tidegate.sources.kafka.notes import Tries
from tidegate.sources.kafka.retries import Delivery, Failure, used_up, wait_before_next
from tidegate.sources.kafka.sender import Accepted, Takes
from tidegate.sources.kafka.status import LastError

_DEAD_LETTER_WAITS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_MOST_ERROR_DATA = 1024  # bytes, as Knative cuts it

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The partition is being given up, or the process ends: the event stays unfinished."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is the same for all events of a source."""

    rules: Delivery
    sink: Takes
    dead_letter: Takes | None
    reply: Takes | None
    clock: Clock
    counts: Counts
    stuck: dict[str, str] = field(default_factory=dict)
    """Events that the dead letter sink doesn't take, and why: they wait until it does."""


class Place(Protocol):
    """Where an event came from: its book-keeping, and waits that end when the partition goes."""

    def note(self, offset: int, tries: Tries) -> None: ...

    def tried(self, offset: int) -> int | None:
        """As noted, or more if another consumer had the event meanwhile. None: that one finished it."""
        ...

    def finish(self, offset: int) -> None: ...

    async def write_down(self) -> None:
        """Return when what was noted is committed. Raises `Interrupted`."""
        ...

    async def pause(self, wait_s: float) -> None:
        """Return after so many seconds. Raises `Interrupted`."""
        ...


async def deliver(
    course: Course,
    event: CloudEvent,
    place: Place,
    offset: int,
    before: Tries,
    *,
    key: str | None = None,
) -> None:
    """Bring an event to its end. `before`: the tries it comes with; `key`: of its record. Raises
    `Interrupted`."""
    rules, counts = course.rules, course.counts
    failure = Failure(None, "its tries were used up before this process took it over")
    made = before.made
    if not used_up(rules, before):
        made = min(made, rules.tries - 1)  # the only try may be made again: see `used_up`
        counts.repeated += before.under_way
        while True:
            made += 1
            place.note(offset, Tries(made, under_way=True))
            if made > 1:
                try:
                    await place.write_down()
                except Interrupted:
                    place.note(offset, Tries(made - 1))  # it was not made
                    raise
            counts.tries += 1
            outcome = await _try(course, event, key)
            if outcome is None:
                counts.handled += 1
                place.finish(offset)
                return
            failure = outcome
            counts.failed += 1
            known = place.tried(offset)
            if known is None:
                raise Interrupted
            made = max(made, known)
            place.note(offset, Tries(made))
            if made == 1:  # it was not written down before; the others were
                await place.write_down()
            wait_s = wait_before_next(rules, made, failure)
            if wait_s is None:
                break
            log.warning(
                "event %s: try %d of %d failed: %s; again in %.1f s (the next 30 s this isn't said)",
                named(event),
                made,
                rules.tries,
                failure.why,
                wait_s,
            )
            await place.pause(wait_s)
    place.note(offset, Tries(max(made, rules.tries)))  # no more of them after a crash either
    await _bury(course, event, failure, made, place)
    place.finish(offset)


async def _try(course: Course, event: CloudEvent, key: str | None) -> Failure | None:
    """One try, with its reply. None: handled."""
    outcome = await course.sink.send(event, timeout_s=course.rules.timeout_s)
    if isinstance(outcome, Failure):
        return outcome
    if course.reply is None:
        return None
    try:
        reply = reply_of(outcome, event, key)
    except NotAnEvent as why:
        return Failure(None, f"the reply is a damaged CloudEvent: {why}")
    if reply is None:
        return None
    outcome = await course.reply.send(reply, timeout_s=course.rules.timeout_s)
    if isinstance(outcome, Failure):
        return Failure(
            None, f"the reply couldn't be delivered to {course.reply.name}: {outcome.why}"
        )
    course.counts.replied += 1
    return None


def reply_of(accepted: Accepted, event: CloudEvent, key: str | None) -> CloudEvent | None:
    """The event in an answer, with the key of the one it answers, or of its record. None: the answer
    is no event."""
    answer = accepted.answer
    reply = from_http(answer.headers.items(), answer.body)
    key = event.attributes.get("partitionkey", key)
    if reply is None or key is None or "partitionkey" in reply.attributes:
        return reply
    return reply.with_extensions({"partitionkey": key})


async def _bury(
    course: Course, event: CloudEvent, failure: Failure, made: int, place: Place
) -> None:
    """To the dead letter sink, for as long as it takes; or dropped with a word in the log."""
    identity = named(event)
    if course.dead_letter is None:
        course.counts.dropped += 1
        log.error("event %s dropped after %s: %s", identity, tries(made), failure.why)
        return
    dead = event.with_extensions(errors_of(course.sink.name, failure))
    try:
        for turn in range(2**31):
            outcome = await course.dead_letter.send(dead, timeout_s=course.rules.timeout_s)
            if isinstance(outcome, Accepted):
                break
            course.stuck[identity] = f"{course.dead_letter.name} {outcome.why}"
            wait_s = _DEAD_LETTER_WAITS_S[min(turn, len(_DEAD_LETTER_WAITS_S) - 1)]
            log.error(
                "event %s: the dead letter sink %s didn't take it: %s; again in %g s",
                identity,
                course.dead_letter.name,
                outcome.why,
                wait_s,
            )
            await place.pause(wait_s)
    finally:
        course.stuck.pop(identity, None)
    course.counts.dead_lettered += 1
    log.error(
        "event %s went to the dead letter sink after %s: %s", identity, tries(made), failure.why
    )


def stuck_at(course: Course) -> LastError | None:
    """What to say while events wait for the dead letter sink. None: none does."""
    for why in course.stuck.values():
        n = len(course.stuck)
        events = "1 event waits" if n == 1 else f"{n} events wait"
        said = f"{events} for the dead letter sink: {why}"
        return LastError("DeadLetterSinkFailed", said)
    return None


def tries(made: int) -> str:
    """As a person says it."""
    return "1 try" if made == 1 else f"{made} tries"


def named(event: CloudEvent) -> str:
    """An event in the log: topic, partition and offset, unless it has names of its own."""
    return f"{event.attributes['source']} {event.attributes['id']}"


def errors_of(sink: str, failure: Failure) -> dict[str, str]:
    """The extensions that tell a dead letter's reader what went wrong.

    Source: Knative eventing, knativeerrordest, knativeerrorcode and knativeerrordata (at most 1,024
    bytes of the answer, without control characters; none if it was empty).
    """
    out = {"knativeerrordest": sink}
    if failure.status is not None:
        out["knativeerrorcode"] = str(failure.status)
    said = failure.body[:_MOST_ERROR_DATA].decode("utf-8", "replace")
    said = "".join(char for char in said if char.isprintable())
    if said:
        out["knativeerrordata"] = said
    return out
