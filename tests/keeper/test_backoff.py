from tidegate.keeper.backoff import Backoff, restart_after


def waits(*lives_s):
    state, waited = Backoff(), []
    for lived_s in lives_s:
        wait_s, state = restart_after(state, lived_s)
        waited.append(wait_s)
    return waited


def test_the_first_restart_is_at_once_and_the_next_ones_wait_ever_longer_up_to_five_seconds():
    assert waits(*[0.0] * 9) == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_part_that_lived_ten_seconds_starts_afresh():
    assert waits(0, 0, 0, 10.0, 0) == [0.0, 0.1, 0.2, 0.0, 0.1]


def test_a_part_that_never_settles_does_not_overflow():
    assert waits(*[0.0] * 3000)[-1] == 5.0
