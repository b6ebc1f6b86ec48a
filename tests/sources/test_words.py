"""What an adapter says in its log."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaConnectionError

from tidegate.sources.kafka.delivery import tries
from tidegate.sources.kafka.library import explain
from tidegate.sources.kafka.settings import Credentials, Net, lacking
from tidegate.sources.kafka.status import LastError, Trouble


@pytest.mark.parametrize(("made", "said"), [(1, "1 try"), (3, "3 tries")])
def test_tries_are_counted_as_people_do(made, said):
    assert tries(made) == said


def test_that_a_trouble_is_over_is_news_once():
    trouble = Trouble()
    trouble.say("BrokerUnreachable", "no one at b:9092")
    assert trouble.over() == LastError("BrokerUnreachable", "no one at b:9092")
    assert trouble.over() is None


@pytest.mark.parametrize(
    ("error", "said", "told"),
    [
        (TimeoutError(), "", "b:9092 cannot be reached: it does not answer"),
        (OSError(), "connection lost: <AIOKafkaConnection host=b port=9092>",
         "b:9092 cannot be reached: connection lost"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_broker_is_said_without_the_librarys_inside(error, said, told):
    assert explain(error, said, "b:9092", None) == LastError("BrokerUnreachable", told)


def test_a_broker_that_hangs_up_at_once_may_want_what_it_was_not_given():
    said = 'Unable connect to "b:9092": Connection at b:9092 closed'
    told = explain(
        KafkaConnectionError(), said, "b:9092", None, lacks=lacking(Net(), Credentials())
    )
    assert told.message.endswith(
        "perhaps it asks for TLS or user and password, which is not configured"
    )
