"""The cluster-wide settings: defaults, readings and refusals."""

from collections.abc import Callable

import pytest

from tidegate.policy import (
    AutoscalerConfig,
    BadConfig,
    DefaultsConfig,
    DeploymentConfig,
    container_name,
    parse_config_autoscaler,
    parse_config_defaults,
    parse_config_deployment,
)


@pytest.mark.parametrize(
    ("parse", "defaults"),
    [
        (parse_config_autoscaler, AutoscalerConfig()),
        (parse_config_defaults, DefaultsConfig()),
        (parse_config_deployment, DeploymentConfig()),
    ],
    ids=["autoscaler", "defaults", "deployment"],
)
def test_an_empty_map_gives_the_defaults_and_unknown_keys_are_ignored(
    parse: Callable[[dict[str, str]], object], defaults: object
) -> None:
    assert parse({}) == defaults
    assert parse({"_example": "stable-window: 1s", "tick-interval": "2s"}) == defaults


@pytest.mark.parametrize(
    ("written", "fraction"),
    [("70", 0.7), ("0.7", 0.7), ("1", 1.0), ("1.5", 0.015), ("100", 1.0)],
)
def test_a_utilization_above_one_is_a_percentage(written: str, fraction: float) -> None:
    config = parse_config_autoscaler({"container-concurrency-target-percentage": written})
    assert config.concurrency_target_fraction == pytest.approx(fraction)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            {"max-scale-up-rate": "fast"},
            'failed to parse data: failed to parse "max-scale-up-rate": '
            'strconv.ParseFloat: parsing "fast": invalid syntax',
        ),
        (
            {"initial-scale": "99999999999"},
            'failed to parse data: failed to parse "initial-scale": '
            'strconv.ParseInt: parsing "99999999999": value out of range',
        ),
        (
            {"enable-scale-to-zero": "yes"},
            'failed to parse data: strconv.ParseBool: parsing "yes": invalid syntax',
        ),
        (
            {"stable-window": "60"},
            'failed to parse data: failed to parse "stable-window": '
            'time: missing unit in duration "60"',
        ),
        (
            {"stable-window": "5s"},
            "stable-window = 5s, must be in [6s; 1h0m0s] range",
        ),
        (
            {"stable-window": "6.5s"},
            "stable-window = 6.5s, must be specified with at most second precision",
        ),
        (
            {"scale-to-zero-grace-period": "0"},
            "scale-to-zero-grace-period must be positive, was: 0s",
        ),
        (
            {"scale-down-delay": "1500ms"},
            "scale-down-delay = 1.5s, must be specified with at most second precision",
        ),
        (
            {"scale-to-zero-pod-retention-period": "-1s"},
            "scale-to-zero-pod-retention-period cannot be negative, was: -1s",
        ),
        (
            {"target-burst-capacity": "-2"},
            "target-burst-capacity must be either non-negative or -1 (for unlimited), "
            "was: -2.000000",
        ),
        (
            {"container-concurrency-target-percentage": "101"},
            "container-concurrency-target-percentage = 1.010000 "
            "is outside of valid range of (0, 100]",
        ),
        (
            {
                "container-concurrency-target-percentage": "0.5",
                "container-concurrency-target-default": "0.01",
            },
            "container-concurrency-target-percentage and container-concurrency-target-default "
            "yield target concurrency of 0.005, can't be less than 0.01",
        ),
        (
            {"requests-per-second-target-default": "0"},
            "requests-per-second-target-default must be at least 0.01, was: 0",
        ),
        ({"activator-capacity": "0.5"}, "activator-capacity = 0.5, must be at least 1"),
        ({"max-scale-up-rate": "1"}, "max-scale-up-rate = 1, must be greater than 1.0"),
        ({"max-scale-down-rate": "0.9"}, "max-scale-down-rate = 0.9, must be greater than 1.0"),
        (
            {"panic-window-percentage": "0"},
            "panic-window-percentage = 0, must be in [1, 100] interval",
        ),
        (
            {"initial-scale": "0"},
            "initial-scale = 0, must be at least 0 "
            "(or at least 1 when allow-zero-initial-scale is false)",
        ),
        ({"max-scale-limit": "-1"}, "max-scale-limit = -1, must be at least 0"),
        (
            {"max-scale-limit": "5"},
            "max-scale = 0, must be in [1, max-scale-limit(5)] range",
        ),
        (
            {"max-scale-limit": "5", "max-scale": "6"},
            "max-scale = 6, must be in [1, max-scale-limit(5)] range",
        ),
        ({"min-scale": "3", "max-scale": "2"}, "min-scale = 3, must be in [0, max-scale(2)] range"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_a_bad_autoscaler_map_is_refused_with_knatives_words(
    data: dict[str, str], text: str
) -> None:
    with pytest.raises(BadConfig) as refusal:
        parse_config_autoscaler(data)
    assert str(refusal.value) == text
    assert refusal.value.config_map == "config-autoscaler"


def test_an_initial_scale_of_zero_may_be_allowed() -> None:
    config = parse_config_autoscaler({"initial-scale": "0", "allow-zero-initial-scale": "T"})
    assert config.initial_scale == 0


@pytest.mark.parametrize("odd", ["NaN", "Inf", "1e999", " 1", "1_000"])
def test_a_number_that_decides_nothing_is_refused(odd: str) -> None:
    with pytest.raises(BadConfig):
        parse_config_autoscaler({"target-burst-capacity": odd})


def test_the_response_start_timeout_follows_the_revision_timeout() -> None:
    config = parse_config_defaults({"revision-timeout-seconds": "100"})
    assert config.response_start_timeout_s == 100


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            {"revision-timeout-seconds": "601"},
            "revision-timeout-seconds (601) cannot be greater than "
            "max-revision-timeout-seconds (600)",
        ),
        (
            {"revision-response-start-timeout-seconds": "301"},
            "revision-response-start-timeout-seconds (301) cannot be greater than "
            "revision-timeout-seconds (300)",
        ),
        (
            {"revision-idle-timeout-seconds": "301"},
            "revision-idle-timeout-seconds (301) cannot be greater than "
            "revision-timeout-seconds (300)",
        ),
        ({"container-concurrency": "1001"}, "expected 0 <= 1001 <= 1000: container-concurrency"),
        (
            {"container-concurrency-max-limit": "0"},
            "expected 1 <= 0 <= 2147483647: container-concurrency-max-limit",
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_bad_defaults_are_refused_with_knatives_words(data: dict[str, str], text: str) -> None:
    with pytest.raises(BadConfig) as refusal:
        parse_config_defaults(data)
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("written", "links"), [("TRUE", True), ("false", False), ("default", None)]
)
def test_service_links_know_a_third_answer(written: str, links: bool | None) -> None:
    assert parse_config_defaults({"enable-service-links": written}).enable_service_links is links


def test_a_container_name_may_use_its_parents_name_but_no_programs() -> None:
    config = parse_config_defaults({"container-name-template": "{{.Namespace}}-{{ .Name }}-c"})
    assert container_name(config.container_name_template, name="a", namespace="b") == "b-a-c"
    with pytest.raises(BadConfig, match="uses more than"):
        parse_config_defaults({"container-name-template": "{{range .Labels}}x{{end}}"})


def test_an_unreadable_quantity_is_refused() -> None:
    with pytest.raises(BadConfig, match='failed to parse "revision-cpu-limit"'):
        parse_config_defaults({"revision-cpu-limit": "lots"})
    assert parse_config_defaults({"revision-cpu-limit": "500m"}).cpu_limit == "500m"


@pytest.mark.parametrize(
    ("data", "deadline_s"),
    [
        ({"progressDeadline": "2m"}, 120),
        ({"progress-deadline": "3m", "progressDeadline": "2m"}, 180),
    ],
)
def test_the_progress_deadline_has_an_old_spelling_that_loses(
    data: dict[str, str], deadline_s: float
) -> None:
    assert parse_config_deployment(data).progress_deadline_s == deadline_s


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("0s", "progress-deadline cannot be a non-positive duration, was 0s"),
        ("1500ms", "progress-deadline must be rounded to a whole second, was: 1.5s"),
    ],
)
def test_a_progress_deadline_is_some_whole_seconds(written: str, text: str) -> None:
    with pytest.raises(BadConfig) as refusal:
        parse_config_deployment({"progress-deadline": written})
    assert str(refusal.value) == text
