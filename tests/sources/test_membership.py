"""Where a consumer begins and goes on, in a group whose brokers say what the test lets them say."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from tidegate.sources.kafka.counts import Counts
from tidegate.sources.kafka.membership import Membership


def at(number, topic="t"):
    return TopicPartition(topic, number)


class Consumer:
    """One topic; every partition holds events 10 to 19."""

    def __init__(self, partitions=2):
        self.partitions, self.committed, self.places = partitions, {}, {}
        self._coordinator = self

    async def fetch_committed_offsets(self, asked):
        return {tp: self.committed[tp] for tp in asked if tp in self.committed}

    async def beginning_offsets(self, asked):
        return dict.fromkeys(asked, 10)

    async def end_offsets(self, asked):
        return dict.fromkeys(asked, 20)

    def partitions_for_topic(self, topic):
        return set(range(self.partitions))

    def seek(self, tp, offset):
        self.places[tp] = offset

    def now(self):
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def member(consumer, *, earliest=False):
    counts = Counts()
    made = Membership(counts, earliest=earliest, drain_s=1, came=lambda: None, fail=pytest.fail)
    made.begin(consumer, consumer)
    return made, counts


@pytest.mark.parametrize(("earliest", "place"), [(False, 20), (True, 10)])
async def test_a_group_that_committed_nothing_begins_as_the_source_says(earliest, place):
    consumer = Consumer()
    made, _ = member(consumer, earliest=earliest)
    await made.on_partitions_assigned([at(0), at(1)])
    assert consumer.places == {at(0): place, at(1): place}


async def test_partitions_that_a_topic_is_given_later_are_read_from_their_first_event_on():
    consumer = Consumer()
    made, _ = member(consumer)
    await made.on_partitions_assigned([at(0)])
    consumer.committed[at(0)] = OffsetAndMetadata(20, "")
    consumer.partitions = 3
    await made.on_partitions_revoked([at(0)])
    await made.on_partitions_assigned([at(0), at(1), at(2)])
    assert consumer.places == {at(0): 20, at(1): 20, at(2): 10}


async def test_events_that_retention_took_before_they_were_read_are_told_and_others_go_on():
    consumer = Consumer()
    made, counts = member(consumer)
    await made.on_partitions_assigned([at(0), at(1)])
    partition = made.assigned[at(0)]
    partition.ledger.take(20)
    made.oldest_is(at(0), wanted=21, oldest=50)
    assert made.assigned[at(0)] is partition
    assert (counts.resets, partition.ledger.base) == (
        1,
        20,
    )  # the event in the air is not forgotten
    partition.finish(20)
    assert partition.ledger.base == 50


async def test_a_topic_that_was_made_anew_is_begun_at_its_oldest_event():
    consumer = Consumer()
    made, counts = member(consumer)
    await made.on_partitions_assigned([at(0)])
    partition = made.assigned[at(0)]
    made.oldest_is(at(0), wanted=20, oldest=0)
    assert made.assigned[at(0)] is not partition
    assert (counts.resets, made.assigned[at(0)].ledger.base) == (1, 0)


@pytest.mark.parametrize("seen_missing", [False, True])
async def test_a_topic_whose_commits_are_gone_is_counted_once_also_when_it_was_seen_missing(
    seen_missing,
):
    consumer = Consumer()
    made, counts = member(consumer)
    await made.on_partitions_assigned([at(0), at(1)])
    for each in made.assigned.values():
        each.committed = (20, "")
    await made.on_partitions_revoked([at(0), at(1)])
    if seen_missing:
        made.missing(["t"])
        made.missing(["t"])
    await made.on_partitions_assigned([at(0), at(1)])
    assert counts.resets == 2
    assert consumer.places == {at(0): 10, at(1): 10}


async def test_a_topic_that_a_broker_did_not_know_for_a_moment_goes_on_at_its_commits():
    consumer = Consumer()
    made, counts = member(consumer)
    await made.on_partitions_assigned([at(0)])
    made.assigned[at(0)].committed = (20, "")
    await made.on_partitions_revoked([at(0)])
    made.missing(["t"])
    consumer.committed[at(0)] = OffsetAndMetadata(20, "")
    await made.on_partitions_assigned([at(0)])
    assert (counts.resets, consumer.places) == (0, {at(0): 20})
