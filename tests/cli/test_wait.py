"""What `wait` waits for, and the JSONPath it understands."""

import pytest

from tidegate.cli.errors import Usage
from tidegate.cli.jsonpath import find
from tidegate.cli.wait import parse_goal

OBJECT = {
    "metadata": {"generation": 2, "annotations": {"a.b/c": "x"}},
    "status": {
        "observedGeneration": 2,
        "replicas": 3,
        "on": True,
        "conditions": [
            {"type": "Ready", "status": "True"},
            {"type": "Old", "status": "True", "observedGeneration": 1},
            {"type": "Down", "status": "False"},
        ],
    },
}


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        ("condition=Ready", True),
        ("condition=ready=true", True),
        ("condition=Down", False),
        ("condition=Down=False", True),
        ("condition=Old", False),
        ("condition=Missing", False),
        ("jsonpath={.status.replicas}=3", True),
        ("jsonpath={.status.replicas}=4", False),
        ("jsonpath={.status.on}=true", True),
        ("jsonpath={.status.replicas}", True),
        ("jsonpath={.status.nothing}", False),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', True),
    ],
)
def test_a_goal_is_met(goal, met):
    assert parse_goal(goal).met(OBJECT) is met


def test_a_condition_of_an_older_generation_does_not_count():
    stale = {**OBJECT, "metadata": {"generation": 3}}
    assert not parse_goal("condition=Ready").met(stale)


@pytest.mark.parametrize(
    "goal", ["", "Ready", "condition=", "jsonpath=", "jsonpath={.a..b}", "jsonpath={.a"]
)
def test_what_is_no_goal_is_a_usage_error(goal):
    with pytest.raises(Usage):
        parse_goal(goal)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{.metadata.generation}", [2]),
        ("metadata.generation", [2]),
        ("{.metadata.annotations['a.b/c']}", ["x"]),
        (r"{.metadata.annotations.a\.b/c}", ["x"]),
        ("{.status.conditions[0].type}", ["Ready"]),
        ("{.status.conditions[-1].type}", ["Down"]),
        ("{.status.conditions[*].type}", ["Ready", "Old", "Down"]),
        ("{.status.conditions[7].type}", []),
        ("{.metadata[0]}", []),
    ],
)
def test_a_path_leads_to(path, found):
    assert find(path, OBJECT) == found
