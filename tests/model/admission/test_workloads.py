"""Deployments and ReplicaSets."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.meta import LabelSelector
from tidegate.model.wire import to_raw


def deployment(*, labels=None, selector=None, kind="Deployment", pod=None, **spec: Any):
    labels = {"app": "web"} if labels is None else labels
    selector = {"matchLabels": {"app": "web"}} if selector is None else selector
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": selector,
            "template": {
                "metadata": {"labels": labels},
                "spec": pod or {"containers": [{"name": "app", "image": "app:1"}]},
            },
            **spec,
        },
    }


def test_a_deployment_rolls_a_quarter_at_a_time_unless_told_otherwise(admit):
    made = to_raw(admit(deployment()).spec)
    assert {k: made[k] for k in made if k not in ("selector", "template")} == {
        "replicas": 1,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
        },
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    assert made["template"]["spec"]["restartPolicy"] == "Always"


def test_what_was_said_stays(admit):
    said = {
        "replicas": 0,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "revisionHistoryLimit": 0,
    }
    made = to_raw(admit(deployment(**said)).spec)
    assert {key: made[key] for key in said} == said


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        pytest.param(
            {"replicas": -1},
            ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
            id="fewer than no replicas",
        ),
        pytest.param(
            {"labels": {"app": "other"}},
            [
                'spec.template.metadata.labels: Invalid value: map[string]string{"app":"other"}: '
                "`selector` does not match template `labels`"
            ],
            id="selector and labels differ",
        ),
        pytest.param(
            {"selector": {}},
            [
                "spec.selector: Required value",
                'spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: '
                "`selector` does not match template `labels`",
            ],
            id="no selector",
        ),
        pytest.param(
            {"selector": {"matchExpressions": [{"key": "app", "operator": "Is"}]}},
            [
                "spec.selector.matchExpressions[0].operator: Invalid value: "
                '"Is": not a valid selector operator'
            ],
            id="an unknown operator",
        ),
        pytest.param(
            {
                "pod": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "app", "image": "app:1"}],
                }
            },
            [
                'spec.template.spec.restartPolicy: Unsupported value: "Never": '
                'supported values: "Always"'
            ],
            id="pods that are not restarted",
        ),
        pytest.param(
            {"pod": {"containers": [{"name": "app"}]}},
            ["spec.template.spec.containers[0].image: Required value"],
            id="no image",
        ),
    ],
)
def test_a_workload_that_breaks_a_rule_is_refused(refusal, kind, changes, problems):
    assert refusal(deployment(kind=kind, **changes)) == problems


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: "
            "may not be 0 when `maxSurge` is 0",
            id="nothing may move",
        ),
        pytest.param(
            {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            "spec.strategy.rollingUpdate: Forbidden: "
            "may not be specified when strategy `type` is 'Recreate'",
            id="rolling and recreating",
        ),
        pytest.param(
            {"strategy": {"type": "BlueGreen"}},
            'spec.strategy.type: Unsupported value: "BlueGreen": '
            'supported values: "Recreate", "RollingUpdate"',
            id="an unknown strategy",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": "a bit"}}},
            'spec.strategy.rollingUpdate.maxSurge: Invalid value: "a bit": a valid percent string '
            "must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used "
            "for validation is '[0-9]+%')",
            id="no percentage",
        ),
        pytest.param(
            {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
            "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
            id="a deadline that can't be met",
        ),
    ],
)
def test_a_deployments_strategy_must_make_sense(refusal, changes, problem):
    assert refusal(deployment(**changes)) == [problem]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_a_selector_is_for_ever(admit, refusal, kind):
    old = admit(deployment(kind=kind, labels={"app": "web", "tier": "a"}))
    other = replace(old.spec, selector=LabelSelector(match_labels={"tier": "a"}))
    assert refusal(replace(old, spec=other), old) == [
        'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"tier":"a"}, '
        "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable"
    ]


def test_a_deployment_may_be_scaled_and_get_another_image(admit, refusal):
    old = admit(deployment())
    new = deployment(replicas=5, pod={"containers": [{"name": "app", "image": "app:2"}]})
    assert refusal(new, old) is None
