"""What an author is told of keys in Knative's config maps that do nothing here."""

from __future__ import annotations

import pytest

from tidegate.policy.config_notes import config_notes


@pytest.mark.parametrize(
    ("name", "data", "notes"),
    [
        pytest.param(
            "config-autoscaler", {"stable-window": "30s", "_example": "x"}, [], id="known ones"
        ),
        pytest.param(
            "config-autoscaler",
            {"stable-windows": "30s"},
            [
                "data[stable-windows]: config-autoscaler has no such key, it has no effect "
                "(did you mean stable-window?)"
            ],
            id="a misspelt one",
        ),
        pytest.param(
            "config-deployment",
            {"progress-deadline": "60s", "queue-sidecar-cpu-limit": "1"},
            [
                "data[queue-sidecar-cpu-limit]: kept, but no queue-proxy runs beside the "
                "containers here"
            ],
            id="one of the sidecar",
        ),
        pytest.param(
            "config-network",
            {"ingress-class": "istio", "rolloutDuration": "10"},
            ["data[ingress-class]: kept, but it only has an effect on a cluster"],
            id="one for clusters, and an old spelling that counts",
        ),
        pytest.param("config-domain", {"example.com": ""}, [], id="a map of free keys"),
        pytest.param("mine", {"a": "b"}, [], id="somebody's own map"),
    ],
)
def test_what_has_no_effect_is_said(name, data, notes):
    assert config_notes(name, data) == notes
