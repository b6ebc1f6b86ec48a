"""Pods at rest as real processes: stopped, woken by a request, never lost and never left over."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.testing.engine import RunningEngine, running_engine, service_document, wait_until

pytestmark = pytest.mark.live

AT_ZERO = {"window": "6s", "initial-scale": "0"}
ZERO_ALLOWED = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "config-autoscaler", "namespace": "knative-serving"},
    "data": {"allow-zero-initial-scale": "true"},
}
FROZEN = {"tidegate.dev/standby": "frozen"}


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        it.cli("apply", "-f", "-", stdin=json.dumps(ZERO_ALLOWED))
        yield it


def state(pid: int) -> str:
    """The process' state, such as S or T; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def frozen(engine: RunningEngine) -> list[int]:
    """The stopped leaders of the pods on standby."""
    return [pid for pid in engine.pod_pids() if state(pid) == "T"]


def given_at_rest(engine: RunningEngine, name: str, **more: str) -> int:
    """A service at zero with one frozen pod; that pod's pid."""
    document = service_document(name, scaling=AT_ZERO, annotations={**FROZEN, **more})
    engine.cli("apply", "-f", "-", stdin=document)
    wait_until("a frozen pod alone", lambda: len(frozen(engine)) == len(engine.pod_pids()) == 1)
    return frozen(engine)[0]


def gone(engine: RunningEngine, name: str) -> None:
    engine.refresh()
    engine.cli("delete", "ksvc", name)
    wait_until(f"pods of {name} gone", lambda: not engine.get("pods"))


def test_a_request_wakes_the_frozen_pod_and_is_answered_by_it(engine):
    pid = given_at_rest(engine, "sleeper")
    (pod,) = engine.get("pods")
    (ready,) = (c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Standby")
    began = time.monotonic()
    status, body = engine.ask("sleeper")
    took_s = time.monotonic() - began
    assert (status, int(body)) == (200, pid)
    assert took_s < 5  # it is hundredths of a second; a start of this server alone would be tenths
    assert state(pid) in "SR"
    told = engine.cli("explain", "sleeper")
    assert "a pod on standby was woken" in told
    gone(engine, "sleeper")
    assert state(pid) == ""


def test_a_killed_control_plane_finds_it_at_rest_and_wakes_it(engine):
    pid = given_at_rest(engine, "phoenix")
    assert "on standby: phoenix-00001-deployment-" in engine.cli("explain", "phoenix")
    os.kill(engine.pid("control_plane"), signal.SIGKILL)
    assert engine.ask("phoenix") == (200, str(pid).encode())
    gone(engine, "phoenix")


def test_one_that_is_killed_at_rest_is_replaced_at_rest(engine):
    pid = given_at_rest(engine, "twice")
    os.kill(pid, signal.SIGKILL)
    wait_until("another one at rest", lambda: frozen(engine) not in ([], [pid]))
    assert engine.ask("twice")[0] == 200
    gone(engine, "twice")


def test_a_wrong_level_is_refused_with_its_path(engine):
    wrong = service_document("wrong", annotations={"tidegate.dev/standby": "cold"})
    said = engine.cli("apply", "-f", "-", stdin=wrong, check=False)
    assert "spec.template.metadata.annotations.tidegate.dev/standby" in said


def test_the_engine_goes_down_at_once_with_a_frozen_pod():
    with running_engine() as own:
        own.cli("apply", "-f", "-", stdin=json.dumps(ZERO_ALLOWED))
        pid = given_at_rest(own, "last")
        began = time.monotonic()
        own.cli("down")
        assert (
            time.monotonic() - began < 4
        )  # a signal that waits for SIGKILL takes five seconds more
    assert state(pid) == ""
