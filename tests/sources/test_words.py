"""What an adapter says in its log."""

from __future__ import annotations

import pytest

from tidegate.sources.kafka.delivery import tries
from tidegate.sources.kafka.status import LastError, Trouble


@pytest.mark.parametrize(("made", "said"), [(1, "1 try"), (3, "3 tries")])
def test_tries_are_counted_as_people_do(made, said):
    assert tries(made) == said


def test_that_a_trouble_is_over_is_news_once():
    trouble = Trouble()
    trouble.say("BrokerUnreachable", "no one at b:9092")
    assert trouble.over() == LastError("BrokerUnreachable", "no one at b:9092")
    assert trouble.over() is None
