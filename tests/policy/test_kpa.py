"""From annotations and settings to a spec. The recordings prove the common ways; these the rest."""

import pytest

from tidegate.policy import AutoscalerConfig, DeploymentConfig, kpa_spec
from tidegate.scaling import Aggregation, KpaSpec, Metric, Reachability


def spec(
    annotations: dict[str, str] | None = None,
    config: AutoscalerConfig | None = None,
    *,
    concurrency: int = 0,
    reachability: Reachability = Reachability.REACHABLE,
) -> KpaSpec:
    return kpa_spec(
        {f"autoscaling.knative.dev/{key}": value for key, value in (annotations or {}).items()},
        config or AutoscalerConfig(),
        DeploymentConfig(),
        container_concurrency=concurrency,
        reachability=reachability,
    )


def test_nothing_said_is_knatives_defaults() -> None:
    assert spec(reachability=Reachability.UNKNOWN) == KpaSpec()


@pytest.mark.parametrize(
    ("annotations", "concurrency", "target", "total"),
    [
        pytest.param({}, 0, 70, 100, id="the default"),
        pytest.param({}, 10, 7, 10, id="the hard limit"),
        pytest.param({"target": "50"}, 10, 7, 10, id="a target above the hard limit"),
        pytest.param({"target": "5"}, 10, 3.5, 5, id="a target below it"),
        pytest.param({"target-utilization-percentage": "80"}, 10, 8, 10, id="a utilization"),
        pytest.param({"metric": "rps"}, 10, 140, 200, id="rps has its own share"),
        pytest.param({"metric": "rps", "target": "50"}, 10, 35, 50, id="and no hard limit"),
        pytest.param({"target": "0.01"}, 0, 0.01, 0.01, id="never below a hundredth"),
    ],
)
def test_the_target_comes_from_annotation_hard_limit_and_default(
    annotations: dict[str, str], concurrency: int, target: float, total: float
) -> None:
    made = spec(annotations, concurrency=concurrency)
    assert (made.target, made.total) == pytest.approx((target, total))


def test_a_config_percentage_is_about_concurrency_only() -> None:
    config = AutoscalerConfig(concurrency_target_fraction=0.5)
    assert spec({"metric": "rps"}, config).target == pytest.approx(140)


@pytest.mark.parametrize(
    ("window", "percentage", "panic_s"),
    [("60s", "10", 6), ("6s", "1", 1), ("45s", "10", 5), ("7s", "25", 2), ("1h", "100", 3600)],
)
def test_the_panic_window_is_rounded_to_seconds_and_at_least_one(
    window: str, percentage: str, panic_s: int
) -> None:
    made = spec({"window": window, "panic-window-percentage": percentage})
    assert made.panic_window_s == panic_s


def test_an_unreadable_annotation_counts_as_absent_and_still_hides_the_old_spelling() -> None:
    config = AutoscalerConfig(min_scale=2)
    assert spec({"min-scale": "many", "minScale": "7"}, config).bounds.min_scale == 2
    assert spec({"minScale": "7"}, config).bounds.min_scale == 7


def test_an_unreachable_revision_has_no_minimum() -> None:
    made = spec({"min-scale": "3", "max-scale": "5"}, reachability=Reachability.UNREACHABLE)
    assert (made.bounds.min_scale, made.bounds.max_scale) == (0, 5)


@pytest.mark.parametrize(
    ("allowed", "initial"), [pytest.param(True, 0, id="yes"), pytest.param(False, 4, id="no")]
)
def test_an_initial_scale_of_zero_needs_the_clusters_leave(allowed: bool, initial: int) -> None:
    config = AutoscalerConfig(initial_scale=4, allow_zero_initial_scale=allowed)
    assert spec({"initial-scale": "0"}, config).bounds.initial_scale == initial


def test_the_activation_timeout_is_the_progress_deadline_and_half_a_minute() -> None:
    annotations = {"serving.knative.dev/progress-deadline": "1m"}
    made = kpa_spec(annotations, AutoscalerConfig(), DeploymentConfig(300))
    unsaid = kpa_spec({}, AutoscalerConfig(), DeploymentConfig(300))
    assert made.to_zero.activation_timeout_s == 90
    assert unsaid.to_zero.activation_timeout_s == 330


@pytest.mark.parametrize("written", ["weighted-exponential", "weightedExponential"])
def test_both_spellings_of_the_weighted_average_are_read(written: str) -> None:
    made = spec({"metric-aggregation-algorithm": written, "metric": "concurrency"})
    assert (made.aggregation, made.metric) == (Aggregation.WEIGHTED, Metric.CONCURRENCY)
