"""Which failures a kill explains, and that a seed is a plan."""

from __future__ import annotations

from itertools import islice

import pytest

from tidegate.testing.chaos_clients import Failure, Kill, unexplained
from tidegate.testing.chaos_plan import (
    ADAPTER,
    AT_REST,
    BASIC,
    BATCH,
    BIRTH,
    FETCH,
    FULL,
    ZYGOTE,
    plan,
)


def failure(*, connected: float = 10, sent: float = 12, ended: float = 14) -> Failure:
    return Failure("steady", connected, sent, ended, "ConnectionResetError")


@pytest.mark.parametrize(
    ("kill", "explains"),
    [
        pytest.param(Kill(13, "gateway", 1), True, id="the gateway that had the request"),
        pytest.param(Kill(11, "gateway", 1), True, id="the gateway that had the connection"),
        pytest.param(Kill(9, "gateway", 1), False, id="a gateway before this connection"),
        pytest.param(Kill(15, "gateway", 1), False, id="a gateway after the failure"),
        pytest.param(Kill(13, "pod", 1, "steady"), True, id="a pod while the request ran"),
        pytest.param(Kill(11, "pod", 1, "steady"), False, id="a pod before the request came"),
        pytest.param(Kill(13, "pod", 1, "swing"), False, id="another service's pod"),
        pytest.param(Kill(13, "control_plane", 1), False, id="never the control plane"),
        pytest.param(Kill(13, "keeper", 1), False, id="never the keeper"),
    ],
)
def test_only_the_death_of_who_had_the_request_explains_its_failure(kill, explains):
    assert (unexplained([failure()], [kill]) == []) == explains


def test_a_seed_is_a_plan():
    assert list(islice(plan(7), 50)) == list(islice(plan(7), 50)) != list(islice(plan(8), 50))


def test_while_the_disk_is_full_somebody_is_hit_too():
    steps = [step for step in islice(plan(7, (*BASIC, FULL)), 200) if FULL in step.what]
    assert steps
    assert all(step.what[0] == FULL and len(step.what) > 1 for step in steps)


def test_all_that_is_played_is_hit_sooner_or_later():
    cast = (*BASIC, ZYGOTE, BIRTH, AT_REST, FETCH, BATCH, ADAPTER, FULL)
    assert {one for step in islice(plan(7, cast), 200) for one in step.what} == set(cast)
