"""Routes, Configurations, Revisions and PodAutoscalers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.meta import touched

GROUP = "serving.knative.dev"


def document(kind: str, spec: dict[str, Any], *, meta: dict[str, Any] | None = None, name="it"):
    version = "v1"
    group = GROUP
    if kind == "PodAutoscaler":
        group, version = "autoscaling.internal.knative.dev", "v1alpha1"
    return {
        "apiVersion": f"{group}/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", **(meta or {})},
        "spec": spec,
    }


def route(*traffic: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return document("Route", {"traffic": list(traffic)}, meta=meta)


def revision(**meta: Any) -> dict[str, Any]:
    return document("Revision", {"containers": [{"image": "app:1"}]}, meta=meta)


def autoscaler(*, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "it-deployment"}
    return document(
        "PodAutoscaler",
        {"scaleTargetRef": target, **spec},
        meta={"annotations": annotations or {}},
    )


LATEST = {"configurationName": "it", "percent": 100}


# --- traffic


@pytest.mark.parametrize(
    ("traffic", "text"),
    [
        pytest.param([], "Traffic targets sum to 0, want 100: spec.traffic", id="nothing"),
        pytest.param(
            [{**LATEST, "percent": 99}],
            "Traffic targets sum to 99, want 100: spec.traffic",
            id="one short",
        ),
        pytest.param(
            [{**LATEST, "percent": 101}, {"revisionName": "it-00001", "percent": -1}],
            "expected 0 <= -1 <= 100: spec.traffic[1].percent\n"
            "expected 0 <= 101 <= 100: spec.traffic[0].percent",
            id="out of bounds",
        ),
        pytest.param(
            [{"percent": 100}],
            "expected exactly one, got neither: "
            "spec.traffic[0].configurationName, spec.traffic[0].revisionName",
            id="to nobody",
        ),
        pytest.param(
            [{**LATEST, "revisionName": "it-00001"}],
            "expected exactly one, got both: "
            "spec.traffic[0].configurationName, spec.traffic[0].revisionName",
            id="to two at once",
        ),
        pytest.param(
            [{"revisionName": "it-00001", "percent": 100, "latestRevision": True}],
            'may not set revisionName "it-00001" when latestRevision is true: '
            "spec.traffic[0].latestRevision",
            id="pinned and floating",
        ),
        pytest.param(
            [{**LATEST, "tag": "a"}, {"revisionName": "it-00001", "percent": 0, "tag": "a"}],
            'Multiple definitions for "a": spec.traffic[0].tag, spec.traffic[1].tag',
            id="a tag twice",
        ),
        pytest.param(
            [{**LATEST, "url": "http://x"}],
            "must not set the field(s): spec.traffic[0].url",
            id="an address",
        ),
    ],
)
def test_traffic_must_add_up_and_lead_somewhere(refusal, traffic, text):
    assert refusal(route(*traffic)) == text


def test_a_bad_tag_is_reported_at_its_number(refusal):
    text = refusal(route({**LATEST, "tag": "A"}))
    assert text.startswith("invalid value: not a DNS 1035 label: [a DNS-1035 label must consist")
    assert text.endswith(": spec.traffic.tag[0]")


def test_a_service_has_only_its_own_configuration(refusal):
    spec = {
        "template": {"spec": {"containers": [{"image": "app:1"}]}},
        "traffic": [LATEST],
    }
    text = "must not set the field(s): spec.traffic[0].configurationName"
    assert refusal(document("Service", spec)) == text


@pytest.mark.parametrize("kind", ["Route", "Configuration"])
def test_the_label_of_a_service_needs_its_owner_reference(refusal, kind):
    spec = (
        {"traffic": [LATEST]}
        if kind == "Route"
        else {"template": {"spec": {"containers": [{"image": "app:1"}]}}}
    )
    meta: dict[str, Any] = {"labels": {f"{GROUP}/service": "it"}}
    text = f"missing field(s): metadata.labels.{GROUP}/service"
    assert refusal(document(kind, spec, meta=meta)) == text
    owner = {"apiVersion": f"{GROUP}/v1", "kind": "Service", "name": "it", "uid": "1"}
    assert refusal(document(kind, spec, meta=meta | {"ownerReferences": [owner]})) is None


# --- revisions


def test_a_revision_is_defaulted_when_it_is_made(admit):
    made = admit(revision())
    assert made.spec.timeout_seconds == 300
    assert made.spec.containers[0].name == "user-container"


def test_a_revisions_spec_is_for_ever(admit, refusal):
    old = admit(revision())
    spec = replace(old.spec, container_concurrency=3)
    assert refusal(replace(old, spec=spec), old) == (
        "Immutable fields changed (-old +new): spec\ncontainerConcurrency:\n\t-: 0\n\t+: 3"
    )


def test_a_revisions_autoscaling_may_change_if_it_makes_sense(admit, refusal):
    old = admit(revision())

    def scaled(count: str):
        annotations = {"autoscaling.knative.dev/min-scale": count}
        return replace(old, metadata=touched(old.metadata, annotations=annotations))

    assert refusal(scaled("2"), old) is None
    assert refusal(scaled("two"), old) == (
        "invalid value: two: metadata.annotations.autoscaling.knative.dev/min-scale"
    )


# --- autoscalers


@pytest.mark.parametrize(
    ("given", "metric"),
    [
        ({}, "concurrency"),
        ({"autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev"}, "cpu"),
        ({"autoscaling.knative.dev/metric": "rps"}, "rps"),
        ({"autoscaling.knative.dev/class": "mine"}, None),
    ],
)
def test_an_autoscaler_measures_what_suits_its_class(admit, given, metric):
    made = admit(autoscaler(annotations=given))
    assert made.metadata.annotations.get("autoscaling.knative.dev/metric") == metric
    assert made.spec.container_concurrency == 0


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param(document("PodAutoscaler", {}), "missing field(s): spec", id="nothing"),
        pytest.param(
            document("PodAutoscaler", {"scaleTargetRef": {"kind": "Deployment"}}),
            "missing field(s): spec.scaleTargetRef.apiVersion, spec.scaleTargetRef.name",
            id="half a target",
        ),
        pytest.param(
            autoscaler(reachability="Maybe"),
            "invalid value: Maybe: spec.reachability",
            id="an unknown reachability",
        ),
        pytest.param(
            autoscaler(containerConcurrency=-1),
            "expected 0 <= -1 <= 1000: spec.containerConcurrency",
            id="negative concurrency",
        ),
    ],
)
def test_an_autoscaler_that_breaks_a_rule_is_refused(refusal, given, text):
    assert refusal(given) == text
