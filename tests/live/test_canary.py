"""Judged rollouts and shadows with real processes: what clients see of a bad canary, and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tidegate.testing.engine import (
    Load,
    RunningEngine,
    running_engine,
    service_document,
    wait_until,
)

pytestmark = pytest.mark.live

ONE = {"min-scale": "1", "max-scale": "1"}


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


def document(name: str, *, version: str, annotations: dict[str, str], **more: Any) -> str:
    made = json.loads(
        service_document(
            name,
            scaling=ONE,
            environ={"VERSION": version, **more.get("environ", {})},
        )
    )
    made["metadata"]["annotations"] = annotations
    if "traffic" in more:
        made["spec"]["traffic"] = more["traffic"]
    return json.dumps(made)


def service(engine: RunningEngine, name: str) -> dict[str, Any]:
    return next(s for s in engine.get("ksvc") if s["metadata"]["name"] == name)


def ready(engine: RunningEngine, name: str) -> dict[str, Any]:
    conditions = service(engine, name).get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == "Ready"), {})


def traffic(engine: RunningEngine, name: str) -> dict[str, int]:
    targets = service(engine, name).get("status", {}).get("traffic", ())
    return {t["revisionName"]: t["percent"] for t in targets}


def apply(engine: RunningEngine, text: str) -> None:
    engine.cli("apply", "-f", "-", stdin=text)


def test_a_bad_canary_goes_back_by_itself_and_a_good_one_takes_over(engine):
    judged = {"tidegate.dev/promote": "steps=50; requests=40; step=1s; limit=5m"}
    apply(engine, document("judged", version="1", annotations=judged))
    wait_until(
        "the first revision",
        lambda: ready(engine, "judged").get("status") == "True",
        within_s=60,
    )
    bad = document("judged", version="2", annotations=judged, environ={"FAIL_EVERY": "2"})
    with Load(engine, "judged", clients=4, path="/sleep/0.03") as load:
        apply(engine, bad)
        wait_until(
            "the rollback",
            lambda: ready(engine, "judged").get("reason") == "RolledBack",
            within_s=90,
        )
    assert load.ok > 0
    assert all(failure.startswith("500") for failure in load.failures)  # the canary's own
    assert traffic(engine, "judged") == {"judged-00001": 100}
    assert "Fisher's exact test" in ready(engine, "judged")["message"]
    reasons = {e["reason"] for e in engine.get("events") if e["involvedObject"]["kind"] == "Route"}
    assert "RolledBack" in reasons
    compared = json.loads(engine.cli("compare", "judged", "-o", "json"))
    assert compared["verdicts"][0].startswith("judged-00002 has more errors than judged-00001")

    with Load(engine, "judged", clients=4, path="/sleep/0.03") as load:
        apply(engine, document("judged", version="3", annotations=judged))
        wait_until(
            "the promotion",
            lambda: traffic(engine, "judged") == {"judged-00003": 100},
            within_s=90,
        )
    assert load.failures == []
    wait_until("readiness", lambda: ready(engine, "judged").get("status") == "True")


def test_a_shadow_gets_copies_and_its_answers_reach_nobody(engine):
    apply(engine, document("copied", version="1", annotations={}))
    wait_until(
        "the first revision",
        lambda: ready(engine, "copied").get("status") == "True",
        within_s=60,
    )
    pinned = document(
        "copied",
        version="2",
        annotations={"tidegate.dev/shadow": "copied-00002=100%"},
        traffic=[{"revisionName": "copied-00001", "percent": 100}],
        environ={"FAIL_EVERY": "1"},
    )
    apply(engine, pinned)
    with Load(engine, "copied", clients=2, path="/sleep/0.05") as load:
        wait_until(
            "copies at the second revision",
            lambda: any(
                r["metadata"]["name"] == "copied-00002" and r["status"]["total"]["errors"] > 0
                for r in engine.get("trafficreports")
                if r.get("status")
            ),
            within_s=60,
        )
    assert load.ok > 0
    assert load.failures == []
