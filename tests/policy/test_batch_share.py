"""How far batch requests may fill a replica."""

import pytest

from tidegate.policy.batch_share import KEY, UNSAID, batch_share, share_notes
from tidegate.policy.serving_notes import template_notes
from tidegate.scaling import KpaSpec, Metric

TARGET = {"autoscaling.knative.dev/target": "10"}


@pytest.mark.parametrize(
    ("annotations", "spec", "limit", "share"),
    [
        ({}, KpaSpec(), 0, UNSAID),
        ({}, KpaSpec(), 4, 4),
        (TARGET, KpaSpec(target=7.0, total=10.0), 0, 7),
        (TARGET, KpaSpec(target=0.7, total=1.0), 0, 1),
        (TARGET, KpaSpec(target=7.0, metric=Metric.RPS), 0, UNSAID),
        (TARGET | {KEY: "3"}, KpaSpec(target=7.0), 5, 3),
        ({KEY: "0"}, KpaSpec(), 0, UNSAID),
        ({KEY: "many"}, KpaSpec(), 2, 2),
    ],
)
def test_the_owners_word_goes_first_then_limits_then_targets(annotations, spec, limit, share):
    assert batch_share(annotations, spec, limit) == share


def test_a_share_that_means_nothing_is_told():
    assert share_notes({KEY: "3"}) == share_notes({}) == []
    [note] = template_notes({KEY: "-1"})
    assert note == f"{KEY}: '-1' is no number of 1 or more, it has no effect"
