import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.node.lifecycle import (
    MOVES,
    BackOff,
    Happened,
    IllegalMove,
    Phase,
    back_off_after,
    moved,
    starts_again,
)


def test_every_phase_has_its_line_and_an_ended_container_never_moves_again():
    assert set(MOVES) == set(Phase)
    assert set(MOVES[Phase.ENDED].values()) == {Phase.ENDED}


def test_a_stop_leads_to_the_end_from_everywhere():
    for phase in Phase:
        stopping = moved(phase, Happened.STOP_ASKED)
        assert stopping in (Phase.DRAINING, Phase.ENDED)
    assert moved(Phase.DRAINING, Happened.EXITED_FOR_GOOD) is Phase.ENDED


def test_a_draining_container_is_never_ready_again():
    with pytest.raises(IllegalMove, match="Draining can't have probe ok"):
        moved(Phase.DRAINING, Happened.PROBE_OK)


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("OnFailure", -1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_says_whether_it_starts_again(policy, code, again):
    assert starts_again(policy, code) is again


def crash_loop(times: int) -> list[float]:
    """Waits of a container that ends as soon as it is started."""
    now_s, back_off, waits = 0.0, BackOff(), []
    for _ in range(times):
        waits.append(back_off.wait_s(ended_at_s=now_s, now_s=now_s))
        now_s += waits[-1]
        back_off = back_off.started(now_s)
    return waits


def test_a_crash_loop_waits_as_the_kubelet_does():
    assert crash_loop(8) == [0, 10, 20, 40, 80, 160, 300, 300]


def test_ten_minutes_of_life_make_it_forget():
    looping = BackOff(delay_s=160, started_at_s=0)
    assert looping.wait_s(ended_at_s=599, now_s=599) == 160
    assert looping.wait_s(ended_at_s=601, now_s=601) == 0
    assert looping.started(601).delay_s == 10


def test_the_wait_counts_from_the_end_of_the_last_run():
    assert BackOff(10, 0).wait_s(ended_at_s=100, now_s=107) == 3


def test_a_restarted_agent_goes_on_where_the_last_one_was():
    assert [back_off_after(n, 0).delay_s for n in (0, 1, 2, 3, 50)] == [0, 10, 20, 40, 300]


@given(st.integers(0, 60), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_wait_is_never_negative_nor_over_five_minutes(restarts, ended_s, later_s):
    back_off = back_off_after(restarts, 0)
    assert 0 <= back_off.wait_s(ended_at_s=ended_s, now_s=ended_s + later_s) <= 300
