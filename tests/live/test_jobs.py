"""Jobs and CronJobs by a real kubectl and real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tidegate.testing.engine import running_engine, wait_until
from tidegate.testing.kubectl import KUBECTL, Kubectl

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with running_engine() as engine:
        yield Kubectl(engine)


def job(name: str, code: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "python:3", "command": ["python", "-c", code]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, **spec},
    }


def test_an_indexed_job_runs_each_index_and_is_waited_for(kubectl):
    code = "import os; print('index', os.environ['JOB_COMPLETION_INDEX'])"
    spec = {"completions": 3, "parallelism": 2, "completionMode": "Indexed"}
    kubectl("apply", "-f", "-", given=job("parts", code, **spec))
    kubectl("wait", "--for=condition=complete", "job/parts", "--timeout=120s")
    assert kubectl("get", "job", "parts", "--no-headers").split()[:3] == [
        "parts",
        "Complete",
        "3/3",
    ]
    logs = kubectl("logs", "-l", "job-name=parts", "--tail=-1")
    assert sorted(logs.split("\n")[:3]) == ["index 0", "index 1", "index 2"]
    assert "Completed Indexes:  0-2" in kubectl("describe", "job", "parts")
    kubectl("delete", "job", "parts")
    gone = ("get", "pods", "-l", "job-name=parts", "-o", "name")
    wait_until("its pods are gone", lambda: not kubectl(*gone), within_s=60)


def test_a_job_that_fails_tells_why(kubectl):
    given = job("fails", "raise SystemExit(42)", backoffLimit=6)
    given["spec"]["podFailurePolicy"] = {
        "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    }
    kubectl("apply", "-f", "-", given=given)
    kubectl("wait", "--for=condition=failed", "job/fails", "--timeout=120s")
    status = kubectl.get("job", "fails")["status"]
    failed = next(c for c in status["conditions"] if c["type"] == "Failed")
    assert failed["reason"] == "PodFailurePolicy"
    assert "failed with exit code 42" in failed["message"]
    assert status["failed"] == 1


def test_a_job_that_is_deleted_ends_what_runs(kubectl):
    kubectl("create", "job", "long", "--image=python:3", "--", "python", "-c", "input() or 1")
    kubectl("delete", "job", "long", "--cascade=foreground", "--timeout=60s")
    assert kubectl("get", "pods", "-l", "job-name=long", "-o", "name") == ""


def test_a_cron_job_is_made_listed_and_run_by_hand(kubectl):
    make = ("create", "cronjob", "tick", "--image=python:3", "--schedule=0 0 29 2 *")
    kubectl(*make, "--", "python", "-c", "print('tick')")
    row = kubectl("get", "cronjobs", "--no-headers")
    assert row.split()[:8] == ["tick", "0", "0", "29", "2", "*", "<none>", "False"]
    kubectl("create", "job", "now", "--from=cronjob/tick")
    kubectl("wait", "--for=condition=complete", "job/now", "--timeout=120s")
    assert kubectl("logs", "job/now") == "tick\n"
    assert kubectl.get("job", "now")["metadata"]["ownerReferences"][0]["kind"] == "CronJob"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"completions": -1}, "spec.completions: Invalid value: -1"),
        ({"completionMode": "Indexed"}, "spec.completions: Required value: when completion mode"),
        ({"backoffLimitPerIndex": 1}, "requires indexed completion mode"),
        ({"selector": {"matchLabels": {"a": "b"}}}, "`selector` not auto-generated"),
    ],
)
def test_bad_specs_are_refused_in_kubernetes_words(kubectl, change, why):
    given = job("bad", "1", parallelism=1, **change)
    assert why in kubectl.said("create", "-f", "-", given=given)


def test_pods_that_start_for_ever_are_no_job(kubectl):
    given = job("bad", "1")
    del given["spec"]["template"]["spec"]["restartPolicy"]
    said = kubectl.said("create", "-f", "-", given=given)
    assert (
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
        in said
    )


def test_no_pod_is_counted_twice_or_never_when_the_control_plane_is_killed(kubectl):
    code = "import time; time.sleep(0.2)"
    kubectl("apply", "-f", "-", given=job("many", code, completions=12, parallelism=3))
    for _ in range(3):
        before = kubectl.engine.pid("control_plane")
        os.kill(before, signal.SIGKILL)
        wait_until(
            "another control plane answers",
            lambda before=before: _control_plane(kubectl) not in (None, before),
            within_s=90,
        )
    kubectl("wait", "--for=condition=complete", "job/many", "--timeout=150s")
    assert kubectl.get("job", "many")["status"]["succeeded"] == 12
    phases = kubectl(
        "get", "pods", "-l", "job-name=many", "-o", "jsonpath={.items[*].status.phase}"
    )
    assert phases.split().count("Succeeded") == 12


def _control_plane(kubectl: Kubectl) -> int | None:
    """Its process id once it answers."""
    if "many" not in kubectl.said("get", "jobs", "-o", "name", "--request-timeout=5s"):
        return None
    kubectl.engine.refresh()
    return kubectl.engine.pid("control_plane")
