"""The history of a service in lines, and where a rollback leads."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cli.errors import CliError
from tidegate.cli.revisions import lines_of
from tidegate.cli.rollback import chosen, traffic_to


def revision(number: int, *, ready: str = "True", message: str = "", **status: Any) -> dict:
    conditions = [{"type": "Ready", "status": ready}]
    if message:
        conditions[0] |= {"reason": "ExitCode1", "message": message}
    return {
        "metadata": {
            "name": f"iris-{number:05}",
            "labels": {"serving.knative.dev/configurationGeneration": str(number)},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"containers": [{"image": f"iris:v{number}"}]},
        "status": {"conditions": conditions, **status},
    }


def service(*traffic: dict) -> dict:
    return {"metadata": {"name": "iris"}, "status": {"traffic": list(traffic)}}


def to(number: int, percent: int, **more: Any) -> dict:
    return {"revisionName": f"iris-{number:05}", "percent": percent, **more}


def test_newest_first_with_traffic_added_up_and_tags():
    live = service(to(1, 60), to(1, 30, tag="old"), to(10, 10, tag="next"))
    lines = lines_of(live, [revision(1), revision(9), revision(10, actualReplicas=2)])
    assert [(line.name, line.traffic, line.tags) for line in lines] == [
        ("iris-00010", 10, ("next",)),
        ("iris-00009", 0, ()),
        ("iris-00001", 90, ("old",)),
    ]
    assert (lines[0].replicas, lines[0].desired, lines[0].image) == (2, None, "iris:v10")


def test_a_revision_that_is_not_ready_says_why():
    (line,) = lines_of(service(), [revision(1, ready="False", message="no such file")])
    assert (line.ready, line.why) == ("False", "ExitCode1: no such file")


def test_without_a_name_it_goes_to_the_newest_ready_one_before_those_that_serve():
    history = [revision(1), revision(2), revision(3, ready="False"), revision(4)]
    assert chosen("iris", lines_of(service(to(4, 100)), history), None) == "iris-00002"
    assert chosen("iris", lines_of(service(to(4, 50), to(2, 50)), history), None) == "iris-00001"


@pytest.mark.parametrize(
    ("serving", "name", "why"),
    [
        (1, None, "no ready revision before the one that serves"),
        (1, "iris-00007", "has no revision iris-00007"),
        (1, "iris-00002", "iris-00002 is not ready: ExitCode1: broken"),
    ],
)
def test_where_it_cannot_go_is_said(serving, name, why):
    history = [revision(1), revision(2, ready="False", message="broken")]
    with pytest.raises(CliError, match=why):
        chosen("iris", lines_of(service(to(serving, 100)), history), name)


def test_a_service_that_serves_nothing_has_no_before():
    with pytest.raises(CliError, match="serves no revision yet"):
        chosen("iris", lines_of(service(), [revision(1)]), None)


def test_tags_stay_and_lose_their_share():
    tagged = [to(2, 80, tag="now", latestRevision=False), {"latestRevision": True, "percent": 20}]
    assert traffic_to("iris-00001", tagged) == [
        {"latestRevision": False, "percent": 100, "revisionName": "iris-00001"},
        {"latestRevision": False, "percent": 0, "revisionName": "iris-00002", "tag": "now"},
    ]
    assert traffic_to(None, [to(1, 100)]) == [{"latestRevision": True, "percent": 100}]
