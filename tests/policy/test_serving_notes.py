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


def test_ours_are_known_where_they_are_read():
    assert metadata_notes({"tidegate.dev/sticky": "cookie=a", "tidegate.dev/tls": "true"}) == []
    assert template_notes({"tidegate.dev/idempotent": "true"}) == []
    assert template_notes({"tidegate.dev/sticky": "cookie=a"}) == [
        "tidegate.dev/sticky: no such annotation here, it has no effect"
    ]
    assert metadata_notes({"tidegate.dev/promot": "true"}) == [
        "tidegate.dev/promot: no such annotation here, it has no effect "
        "(did you mean tidegate.dev/promote?)"
    ]


def test_a_judge_goes_before_the_clock_and_says_so():
    timed = {"serving.knative.dev/rolloutDuration": "60s"}
    assert metadata_notes({**timed, "tidegate.dev/promote": "true"}) == [
        "serving.knative.dev/rolloutDuration: tidegate.dev/promote goes before it, it has no effect"
    ]
    assert metadata_notes({**timed, "tidegate.dev/promote": "false"}) == []
