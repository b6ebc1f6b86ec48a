"""A partition that was given up lets nobody wait, and commits nothing more."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.sources.kafka.delivery import Interrupted
from tidegate.sources.kafka.ledger import Ledger
from tidegate.sources.kafka.partition import Partition


class Commits:
    """Counts commits, each done at once."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> asyncio.Future[None]:
        self.made += 1
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def test_what_was_noted_is_committed_while_the_partition_is_ours():
    commits = Commits()
    await Partition("t", 0, Ledger(0), commits).write_down()
    assert commits.made == 1


async def test_a_partition_that_was_given_up_commits_and_waits_for_nothing():
    commits = Commits()
    gone = Partition("t", 0, Ledger(0), commits, owned=False)
    with pytest.raises(Interrupted):
        await gone.write_down()
    with pytest.raises(Interrupted):
        await gone.pause(3600.0)
    assert commits.made == 0


async def test_a_pause_ends_when_the_partition_is_given_up():
    ours = Partition("t", 0, Ledger(0), Commits())
    ours.stopping.set()
    with pytest.raises(Interrupted):
        await ours.pause(3600.0)
