"""A document's numbers as Kubernetes makes them."""

from __future__ import annotations

import pytest

from tidegate.model.meta import LabelSelector, LabelSelectorRequirement
from tidegate.policy.config_hpa import parse_config_hpa
from tidegate.policy.errors import BadConfig
from tidegate.policy.hpa import approximate, go_selector
from tidegate.scaling.hpa import HpaConfig


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("0.05", 0.05),
        ("50m", 50 * 1e-3),
        ("69m", 69 * 1e-3),
        ("2", 2.0),
        ("100u", 100 * 1e-6),
    ],
)
def test_a_tolerance_is_its_digits_times_a_power_of_a_thousand(text, value):
    assert approximate(text) == value


def test_a_selector_is_printed_as_go_prints_it():
    assert go_selector(None) == "nil"
    terms = (LabelSelectorRequirement(key="tier", operator="In", values=("a", "b")),)
    selector = LabelSelector(match_labels={"z": "1", "queue": "a"}, match_expressions=terms)
    assert go_selector(selector) == (
        "&LabelSelector{MatchLabels:map[string]string{queue: a,z: 1,},MatchExpressions:"
        "[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}"
    )


def test_settings_are_the_controllers_flags():
    found = parse_config_hpa(
        {
            "sync-period": "5s",
            "tolerance": "0.2",
            "downscale-stabilization": "1m30s",
            "_example": "x",
        }
    )
    assert (found.period_s, found.tolerance, found.downscale_window_s) == (5.0, 0.2, 90.0)
    assert parse_config_hpa({}) == HpaConfig()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"sync-period": "0s"}, "sync-period must be at least 1s"),
        ({"sync-period": "soon"}, "sync-period"),
        ({"tolerance": "-1"}, "tolerance must be non-negative"),
        ({"initial-readiness-delay": "-1s"}, "initial-readiness-delay must be non-negative"),
    ],
)
def test_settings_that_say_nothing_are_refused_by_name(data, why):
    with pytest.raises(BadConfig, match=why):
        parse_config_hpa(data)
