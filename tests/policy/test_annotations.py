"""Knative's rules for autoscaling annotations, and its words."""

import pytest

from tidegate.model.field_errors import FieldError, knative_text
from tidegate.policy import (
    AutoscalerConfig,
    validate_autoscaling,
    validate_no_autoscaling,
    validate_progress_deadline,
    validate_rollout_duration,
)

KPA, HPA = "kpa.autoscaling.knative.dev", "hpa.autoscaling.knative.dev"


def refused(
    annotations: dict[str, str], config: AutoscalerConfig | None = None
) -> list[FieldError]:
    full = {f"autoscaling.knative.dev/{key}": value for key, value in annotations.items()}
    return validate_autoscaling(full, config or AutoscalerConfig())


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"class": "vpa.autoscaling.knative.dev"}, "invalid value: vpa.autoscaling.knative.dev"),
        ({"metric": "cpu"}, "invalid value: cpu"),
        ({"target": "many"}, "invalid value: many"),
        ({"target": "0.001"}, "target 0.001 should be at least 0.01"),
        ({"target-utilization-percentage": "0.7"}, "expected 1 <= 0.7 <= 100"),
        ({"targetUtilizationPercentage": "x"}, "invalid value: x"),
        ({"target-burst-capacity": "-2"}, "invalid value: -2"),
        ({"window": "5s"}, "expected 6s <= 5s <= 1h0m0s"),
        ({"window": "60"}, "invalid value: 60"),
        ({"window": "6500ms"}, "must be specified with at most second precision"),
        ({"panic-window-percentage": "0.5"}, "expected 1 <= 0.5 <= 100"),
        ({"panicThresholdPercentage": "100"}, "expected 110 <= 100 <= 1000"),
        ({"min-scale": "-1"}, "expected 0 <= -1 <= 2147483647"),
        ({"maxScale": "2147483648"}, "expected 0 <= 2147483648 <= 2147483647"),
        ({"max-scale": "1.5"}, "invalid value: 1.5"),
        ({"activation-scale": "1"}, "activation-scale=1 must be greater than 1"),
        ({"activation-scale": "two"}, "invalid value: two"),
        ({"scale-down-delay": "2h"}, "expected 0s <= 2h <= 1h0m0s"),
        ({"scaleDownDelay": "1.5s"}, "must be specified with at most second precision"),
        ({"scale-to-zero-pod-retention-period": "-1s"}, "expected 0s <= -1s <= 1h0m0s"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_value_is_refused_with_its_key_as_path(
    annotations: dict[str, str], message: str
) -> None:
    (key,) = annotations
    assert refused(annotations) == [FieldError(message, (f"autoscaling.knative.dev/{key}",))]


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({"class": KPA, "metric": "rps", "target": "0.01"}, id="rps"),
        pytest.param({"class": HPA, "metric": "anything"}, id="HPA takes any metric"),
        pytest.param({"class": "keda.example.com", "metric": ""}, id="a foreign class"),
        pytest.param({"target-burst-capacity": "-1", "window": "1h"}, id="limits themselves"),
        pytest.param({"scale-to-zero-pod-retention-period": "1.5s"}, id="retention to the ms"),
        pytest.param({"metric-aggregation-algorithm": "odd"}, id="algorithm, class not said"),
        pytest.param({"min-scale": "5", "max-scale": "0"}, id="no maximum"),
        pytest.param({"min-scale": "2", "minScale": "bad"}, id="the new spelling hides the old"),
        pytest.param({"activation-scale": "3", "min-scale": "3", "max-scale": "3"}, id="all equal"),
    ],
)
def test_what_knative_takes_is_taken(annotations: dict[str, str]) -> None:
    assert refused(annotations) == []


def test_an_unknown_algorithm_is_refused_when_the_class_is_said() -> None:
    (error,) = refused({"class": KPA, "metricAggregationAlgorithm": "odd"})
    assert error.message == "invalid value: odd"


def test_a_metric_for_hpa_must_not_be_empty() -> None:
    assert [error.message for error in refused({"class": HPA, "metric": ""})] == ["invalid value: "]


def test_contradicting_bounds_name_both_keys_in_todays_spelling() -> None:
    assert refused({"minScale": "3", "maxScale": "2"}) == [
        FieldError(
            "max-scale=2 is less than min-scale=3",
            ("autoscaling.knative.dev/max-scale", "autoscaling.knative.dev/min-scale"),
        )
    ]


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"min-scale": "4", "activation-scale": "3"}, "min-scale=4 is greater than"),
        ({"max-scale": "2", "activation-scale": "3"}, "max-scale=2 is less than"),
    ],
)
def test_activation_scale_lies_between_the_bounds(
    annotations: dict[str, str], message: str
) -> None:
    (error,) = refused(annotations)
    assert error.message == f"{message} activation-scale=3"


@pytest.mark.parametrize(
    ("annotations", "messages"),
    [
        ({"max-scale": "11"}, ["expected 1 <= 11 <= 10"]),
        ({"max-scale": "0"}, ["max-scale=0 (unlimited), must be less than 10"]),
        ({"max-scale": "10"}, []),
        ({}, []),
    ],
    ids=["above", "none", "at it", "unsaid"],
)
def test_a_cluster_wide_limit_binds_what_is_written(
    annotations: dict[str, str], messages: list[str]
) -> None:
    config = AutoscalerConfig(max_scale=5, max_scale_limit=10)
    assert [error.message for error in refused(annotations, config)] == messages


@pytest.mark.parametrize(
    ("value", "allowed", "texts"),
    [
        ("0", False, ["invalid value: 0: autoscaling.knative.dev/{}=0 not allowed by cluster"]),
        ("0", True, []),
        ("-1", True, ["invalid value: -1: autoscaling.knative.dev/{} must be greater than 0"]),
        ("one", True, ["invalid value: one: autoscaling.knative.dev/{}"]),
    ],
)
def test_initial_scale_zero_needs_the_clusters_leave(
    value: str, allowed: bool, texts: list[str]
) -> None:
    config = AutoscalerConfig(allow_zero_initial_scale=allowed)
    said = knative_text(refused({"initial-scale": value}, config))
    assert said == "\n".join(text.format("initial-scale") for text in texts)


def test_all_mistakes_are_reported_at_once() -> None:
    errors = refused({"window": "1s", "target": "0", "min-scale": "x"})
    assert len(errors) == 3


def test_autoscaling_annotations_beside_the_template_are_refused() -> None:
    annotations = {"autoscaling.knative.dev/min-scale": "1", "example.com/owner": "me"}
    assert knative_text(validate_no_autoscaling(annotations)) == (
        'invalid key name "autoscaling.knative.dev/min-scale": metadata.annotations\n'
        'autoscaling annotations must be put under "spec.template.metadata.annotations" to work'
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10m", None),
        ("0s", None),
        ("", None),
        ("1.5s", "=1.5s is not at second precision"),
        ("-2s", "=-2s must be positive"),
        ("soon", "invalid value: soon"),
    ],
)
def test_rollout_duration_and_progress_deadline_are_whole_seconds(
    value: str, message: str | None
) -> None:
    for name, validate in (
        ("rollout-duration", validate_rollout_duration),
        ("progress-deadline", validate_progress_deadline),
    ):
        errors = validate({f"serving.knative.dev/{name}": value})
        said = None if message is None else message.replace("=", f"{name}=", 1)
        assert [error.message for error in errors] == ([] if said is None else [said])
