"""A schedule beside an autoscaler: it raises, and never pulls below what load needs."""

from __future__ import annotations

import pytest

from tidegate.scaling.cron_hpa import Bounds, alone, beside_hpa


@pytest.mark.parametrize(
    ("low", "high", "current", "want", "expected"),
    [
        # want is above the bounds: they grow, and the target with them
        (1, 3, 1, 5, (5, 5, 5)),
        # within: the floor rises, the target too
        (1, 10, 2, 5, (5, None, 5)),
        # below the floor: it is lowered, the target is left to the autoscaler
        (3, 10, 5, 2, (2, None, None)),
        # at the floor: the autoscaler may go down
        (4, 10, 4, 2, (2, None, None)),
        # busier than wanted: nothing is pulled down
        (1, 10, 8, 5, (None, None, None)),
        # just as wanted
        (5, 10, 5, 5, (None, None, None)),
    ],
)
def test_bounds_move_so_that_the_autoscaler_keeps_what_is_wanted(
    low, high, current, want, expected
):
    change = beside_hpa("job", want, Bounds("web", low, high, current))
    assert (change.low, change.high, change.replicas) == expected


def test_a_busy_target_is_skipped_in_words():
    change = beside_hpa("job", 5, Bounds("web", 1, 10, 8))
    assert change.message == (
        "Skip scale replicas because HPA web current replicas:8 >= desired replicas:5."
    )


def test_alone_the_target_is_set_and_told_as_upstream_tells_it():
    change = alone("scale-down", 1, 3)
    assert change.replicas == 1
    assert change.message == (
        "cron hpa job scale-down executed successfully. current replicas:3, desired replicas:1."
    )
    assert alone("scale-down", 1, 1).replicas is None
