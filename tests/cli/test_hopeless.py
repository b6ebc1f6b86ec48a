"""When `wait` gives up: only for what will not change by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cli.hopeless import newest_revision, why_never

LATE = {"status": "False", "reason": "ProgressDeadlineExceeded", "message": "too late"}


def obj(*conditions: dict[str, Any], generation: int = 1, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation},
        "status": {"observedGeneration": 1, "conditions": list(conditions), **status},
    }


def condition(type_: str, status: str = "False", **more: str) -> dict[str, Any]:
    return {"type": type_, "status": status, **more}


@pytest.mark.parametrize(
    ("live", "waited", "why"),
    [
        (obj({"type": "Progressing", **LATE}), "Available", "ProgressDeadlineExceeded: too late"),
        (obj({"type": "Ready", **LATE}), "ready", "ProgressDeadlineExceeded: too late"),
        (
            obj(condition("Failed", "True", reason="BackoffLimitExceeded")),
            "Complete",
            "BackoffLimi",
        ),
        (obj(condition("Complete", "True")), "failed", "Complete"),
        (
            obj(
                condition("Ready"),
                modelStatus={
                    "transitionStatus": "InvalidSpec",
                    "lastFailureInfo": {"reason": "NoSupportingRuntime", "message": "none"},
                },
            ),
            "Ready",
            "NoSupportingRuntime: none",
        ),
    ],
)
def test_what_stays_so_is_not_waited_for(live, waited, why):
    assert why_never(live, waited).startswith(why)


@pytest.mark.parametrize(
    ("live", "waited"),
    [
        pytest.param(obj(condition("Ready", reason="ExitCode1")), "Ready", id="may yet start"),
        pytest.param(obj(condition("Ready", "Unknown")), "Ready", id="on its way"),
        pytest.param(obj({"type": "Ready", **LATE}, generation=2), "Ready", id="of an older spec"),
        pytest.param(obj({"type": "Progressing", **LATE}), "Drained", id="another condition"),
        pytest.param(
            obj(condition("Available", "True"), {"type": "Progressing", **LATE}),
            "Available",
            id="the old pods serve",
        ),
        pytest.param({"metadata": {}}, "Ready", id="nothing is known"),
    ],
)
def test_what_may_yet_come_is_waited_for(live, waited):
    assert why_never(live, waited) is None


def test_a_service_is_judged_by_its_newest_revision():
    live = obj(condition("Ready", reason="RevisionFailed"), latestCreatedRevisionName="a-00002")
    assert newest_revision(live) == "a-00002"
    assert why_never(live, "Ready", obj(condition("Ready", reason="ExitCode1"))) is None
    late = obj({"type": "ResourcesAvailable", **LATE})
    assert why_never(live, "Ready", late) == "ProgressDeadlineExceeded: too late"
