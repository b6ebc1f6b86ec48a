"""Annotations without an effect are named, those with one are not."""

from __future__ import annotations

import pytest

from tidegate.policy.serving_notes import metadata_notes, template_notes


@pytest.mark.parametrize(
    "key",
    [
        "serving.knative.dev/rollout-duration",
        "serving.knative.dev/rolloutDuration",
        "serving.knative.dev/creator",
        "client.knative.dev/user-image",
        "example.com/anything",
    ],
)
def test_what_has_an_effect_or_is_somebody_elses_is_not_mentioned(key):
    assert metadata_notes({key: "10s"}) == []


def test_a_misspelt_key_is_named_with_the_one_that_was_meant():
    (note,) = metadata_notes({"serving.knative.dev/rollout-durations": "10s"})
    assert note == (
        "serving.knative.dev/rollout-durations: no such annotation here, it has no effect "
        "(did you mean serving.knative.dev/rollout-duration?)"
    )


def test_what_is_for_clusters_says_so():
    (note,) = metadata_notes({"networking.knative.dev/ingress-class": "kourier"})
    assert note.endswith("kept, but it only has an effect on a cluster")


def test_a_rollout_duration_in_the_template_is_in_the_wrong_place():
    (note,) = template_notes({"serving.knative.dev/rollout-duration": "10s"})
    assert "no such annotation here" in note
    assert template_notes({"serving.knative.dev/progress-deadline": "10s"}) == []


def test_a_protocol_that_is_none_counts_as_enabled_and_says_so():
    (note,) = metadata_notes({"networking.knative.dev/http-protocol": "gopher"})
    assert "gopher is neither enabled nor redirected" in note
    assert metadata_notes({"networking.knative.dev/http-protocol": "Redirected"}) == []
