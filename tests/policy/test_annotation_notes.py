"""What an author is told of autoscaling annotations that do nothing here."""

from __future__ import annotations

import pytest

from tidegate.policy.annotation_notes import autoscaling_notes

A = "autoscaling.knative.dev/"


@pytest.mark.parametrize(
    ("annotations", "notes"),
    [
        pytest.param({A + "target": "5", A + "minScale": "1", "x": "y"}, [], id="known ones"),
        pytest.param(
            {A + "targett": "5"},
            [
                f"{A}targett: no such autoscaling annotation, it has no effect (did you mean {A}target?)"
            ],
            id="a misspelt one",
        ),
        pytest.param(
            {A + "class": "hpa.autoscaling.knative.dev", A + "metric": "cpu"},
            [
                f"{A}class: hpa.autoscaling.knative.dev is not here yet, "
                "kpa.autoscaling.knative.dev decides instead",
                f"{A}metric: cpu is not here yet, concurrency counts instead",
            ],
            id="another class",
        ),
    ],
)
def test_what_has_no_effect_is_said(annotations, notes):
    assert autoscaling_notes(annotations) == notes
