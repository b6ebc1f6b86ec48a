"""When an event is sent again, and when not."""

import pytest

from tidegate.sources.kafka.notes import Tries
from tidegate.sources.kafka.retries import (
    Backoff,
    Delivery,
    Failure,
    is_success,
    retry_after_s,
    used_up,
    wait_before_next,
)


def failed(status=None, **more):
    return Failure(status, "no", **more)


@pytest.mark.parametrize("status", [None, 404, 408, 409, 429, 500, 502, 503, 599])
def test_what_may_be_better_next_time_is_tried_again(status):
    assert wait_before_next(Delivery(), 1, failed(status)) is not None


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 405, 410, 413, 422])
def test_what_will_be_the_same_next_time_is_not_tried_again(status):
    assert wait_before_next(Delivery(), 1, failed(status)) is None


def test_only_2xx_is_success():
    assert [is_success(s) for s in (199, 200, 202, 299, 300)] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (Backoff.LINEAR, [0.5, 1.0, 1.5]),
        (Backoff.EXPONENTIAL, [1.0, 2.0, 4.0]),
        (Backoff.CONSTANT, [0.5, 0.5, 0.5]),
    ],
)
def test_waits_grow_as_the_policy_says(backoff, waits):
    rules = Delivery(backoff=backoff, delay_s=0.5)
    assert [wait_before_next(rules, made, failed(500)) for made in (1, 2, 3)] == waits


def test_after_the_first_and_all_retries_it_is_given_up():
    rules = Delivery(retry=2)
    assert [wait_before_next(rules, made, failed(500)) is None for made in (1, 2, 3)] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("most", "status", "wait"),
    [(100.0, 429, 60.0), (10.0, 503, 10.0), (0.0, 429, 0.6), (None, 429, 0.6), (9.0, 500, 0.6)],
)
def test_retry_after_is_heeded_up_to_its_limit_for_429_and_503(most, status, wait):
    rules = Delivery(retry_after_most_s=most)
    assert wait_before_next(rules, 1, failed(status, retry_after_s=60.0)) == wait


def test_retry_after_never_shortens_the_wait():
    rules = Delivery(delay_s=5.0, retry_after_most_s=60.0)
    assert wait_before_next(rules, 1, failed(503, retry_after_s=1.0)) == 10.0


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        (None, None),
        ("-3", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, wait_s):
    assert retry_after_s(header, now_s=60.0) == wait_s


def test_a_try_that_was_under_way_in_a_crash_counts():
    assert used_up(Delivery(retry=2), Tries(3, under_way=True))
    assert not used_up(Delivery(retry=2), Tries(2, under_way=True))


def test_an_only_try_that_may_never_have_left_is_made_again():
    assert not used_up(Delivery(retry=0), Tries(1, under_way=True))
    assert used_up(Delivery(retry=0), Tries(1))


def test_a_very_long_backoff_stays_a_number_of_seconds():
    assert wait_before_next(Delivery(retry=5000), 4000, failed(500)) == 86_400.0
