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
            {A + "class": "hpa.autoscaling.knative.dev", A + "metric": "cpu", A + "maxScale": "3"},
            [],
            id="the HPA's own",
        ),
        pytest.param(
            {A + "class": "hpa.autoscaling.knative.dev", A + "panicWindowPercentage": "10"},
            [
                f"{A}panicWindowPercentage: only kpa.autoscaling.knative.dev goes by it, "
                "it has no effect"
            ],
            id="the KPA's for the HPA",
        ),
        pytest.param(
            {A + "class": "keda.example.com", A + "metric": "lag"},
            [
                f"{A}class: no autoscaler of class keda.example.com runs here, "
                "kpa.autoscaling.knative.dev decides instead",
                f"{A}metric: lag is not known to it, concurrency counts instead",
            ],
            id="another class",
        ),
    ],
)
def test_what_has_no_effect_is_said(annotations, notes):
    assert autoscaling_notes(annotations) == notes
