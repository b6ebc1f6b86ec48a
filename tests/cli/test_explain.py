"""`tidegate explain`, from objects as the API serves them to lines for people."""

from __future__ import annotations

from datetime import UTC, datetime

from tidegate.cli.explain import lines_of, story_of

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
EARLY, LATE = "2026-01-01T10:00:00.000000Z", "2026-01-01T11:59:00.000000Z"


def service(**percents):
    return {
        "metadata": {"name": "iris", "namespace": "default"},
        "status": {
            "traffic": [{"revisionName": n, "percent": p} for n, p in percents.items()]
            + [{"revisionName": "iris_2", "tag": "next"}]
        },
    }


def scaler(name, decisions=(), cold_starts=()):
    status = {
        "actualScale": 1,
        "desiredScale": 3,
        "decisions": list(decisions),
        "coldStarts": list(cold_starts),
    }
    return {"metadata": {"name": name}, "status": status}


def decision(time, was, replicas, message="Because.", rule="stable"):
    return {"time": time, "was": was, "replicas": replicas, "message": message, "rule": rule}


def told(*scalers, after=datetime(2026, 1, 1, 11, 50, tzinfo=UTC), **percents):
    story = story_of(service(**percents), list(scalers), after)
    return [line.strip() for line in lines_of(story, NOW, "10m")]


def test_the_newest_revision_comes_first_with_its_share_and_tag():
    lines = told(scaler("iris_1"), scaler("iris_2"), iris_1=90, iris_2=10)
    assert lines[0] == "iris_2: 10% of the traffic, tag next; 1 ready, 3 wanted"
    assert "iris_1: 90% of the traffic; 1 ready, 3 wanted" in lines


def test_decisions_and_cold_starts_stand_in_the_order_of_time():
    cold = {"time": "2026-01-01T11:58:00.000000Z", "decidedS": 0.0012, "readyS": 0.5}
    lines = told(scaler("iris_1", [decision(LATE, 1, 4), decision(LATE, 4, 4)], [cold]), iris_1=100)
    assert [line.split("  ", 1)[1] for line in lines[1:]] == [
        "cold      A request found no replica: a replica was asked for after 0.001 s, "
        "its probe passed after 0.500 s.",
        "1 -> 4    Because. [stable]",
        "stays 4   Because. [stable]",
    ]


def test_a_quiet_time_tells_the_last_decision_and_its_age():
    lines = told(scaler("iris_1", [decision(EARLY, 1, 0, "No demand.")]), iris_1=100)
    assert lines[1] == "Nothing new in the last 10m. 2h ago: No demand."


def test_a_revision_that_was_never_measured_says_so():
    assert told(scaler("iris_1"), iris_1=100)[1] == (
        "Nothing was decided yet: no demand was measured."
    )
    assert told() == ["iris has no revision that is scaled yet."]


def test_a_service_that_is_not_ready_says_why_first():
    it = service(iris_1=100)
    it["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "reason": "RolledBack", "message": "iris_2 goes back"}
    ]
    lines = list(lines_of(story_of(it, [], NOW), NOW, "10m"))
    assert lines[0] == "iris is not ready (RolledBack): iris_2 goes back"


def test_a_cold_start_that_is_still_going_on_says_what_is_missing():
    cold = {"time": LATE, "decidedS": 0.5}
    (_, line) = told(scaler("iris_1", [], [cold]), iris_1=100)
    assert line.endswith("a replica was asked for after 0.500 s; no replica is ready yet.")
