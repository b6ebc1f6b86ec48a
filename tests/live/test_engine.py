"""The promises of a whole engine, with real processes: nothing lost, nothing left over."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tidegate.testing.engine import (
    Load,
    RunningEngine,
    running_engine,
    service_document,
    wait_until,
)

pytestmark = pytest.mark.live

# With the gate always in the path, a revision without traffic goes to zero without a grace period.
BUFFERED = {"target-burst-capacity": "-1"}


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


@contextmanager
def given(engine: RunningEngine, name: str, *, pods: int, **options) -> Iterator[set[int]]:
    """A service with so many ready pods, deleted afterwards; their pids."""
    options["scaling"] = {"min-scale": str(pods), "window": "6s", **options.get("scaling", {})}
    engine.cli("apply", "-f", "-", stdin=service_document(name, **options))
    wait_until(f"{pods} pods of {name}", lambda: len(engine.ready_pods(name)) >= pods)
    pids: set[int] = set()
    wait_until(
        f"answers of all pods of {name}",
        lambda: len(pids.add(int(engine.ask(name)[1])) or pids) >= pods,
    )
    try:
        yield pids
    finally:
        engine.refresh()
        engine.cli("delete", "ksvc", name)
        wait_until(f"pods of {name} gone", lambda: not engine.get("pods"))


def test_no_short_request_waits_behind_a_long_one_while_a_replica_is_free(engine):
    with given(engine, "mixed", pods=3, concurrency=1):
        long_took: list[float] = []

        def ask_long() -> None:
            began = time.monotonic()
            assert engine.ask("mixed", "/sleep/4")[0] == 200
            long_took.append(time.monotonic() - began)

        long = threading.Thread(target=ask_long)
        long.start()
        time.sleep(0.2)
        took = []
        for _ in range(200):
            began = time.monotonic()
            assert engine.ask("mixed")[0] == 200
            took.append(time.monotonic() - began)
        assert not long_took, "the short ones took longer than the long one: no proof"
        long.join()
        assert max(took) < 1.0
        assert 4.0 <= long_took[0] < 5.0


def test_killing_the_control_plane_under_load_fails_no_request_and_keeps_the_pods(engine):
    with given(engine, "steady", pods=2) as pids:
        old = engine.pid("control_plane")
        with Load(engine, "steady") as load:
            time.sleep(0.5)
            os.kill(old, signal.SIGKILL)
            wait_until(
                "a new control plane",
                lambda: engine.refresh()["control_plane"]["pid"] not in (old, None),
            )
            wait_until("its API", lambda: len(engine.ready_pods("steady")) == 2)
            time.sleep(2.5)  # an evaluation of the autoscaler
        assert load.failures == []
        assert load.ok > 100
        assert {int(engine.ask("steady")[1]) for _ in range(20)} == pids
        assert len(engine.ready_pods("steady")) == 2


def test_killing_the_gateway_fails_only_what_is_in_flight(engine):
    with given(engine, "gated", pods=1):
        old = engine.pid("gateway")
        with Load(engine, "gated", clients=4) as load:
            time.sleep(0.5)
            os.kill(old, signal.SIGKILL)
            wait_until(
                "a new gateway", lambda: engine.refresh()["gateway"]["pid"] not in (old, None)
            )
            seen = load.ok
            wait_until("answers through the new one", lambda: load.ok > seen + 50)
        # Each client had at most one request in flight, and one connection that the kill reset.
        assert len(load.failures) <= 4, load.failures


def test_a_gateway_started_while_the_control_plane_is_dead_serves_from_its_last_table(engine):
    with given(engine, "alone", pods=1):
        os.kill(engine.pid("control_plane"), signal.SIGSTOP)
        try:
            old = engine.pid("gateway")
            os.kill(old, signal.SIGKILL)
            wait_until("an answer", lambda: _answers(engine, "alone"))
        finally:
            os.kill(engine.pid("control_plane"), signal.SIGCONT)
        engine.refresh()


def _answers(engine: RunningEngine, name: str) -> bool:
    try:
        return engine.ask(name, timeout_s=2)[0] == 200
    except OSError:
        return False


def test_killing_the_keeper_fails_nothing_and_a_new_one_takes_over(engine):
    with given(engine, "kept", pods=1) as pids:
        old = engine.pid("keeper")
        with Load(engine, "kept", clients=4) as load:
            time.sleep(0.3)
            os.kill(old, signal.SIGKILL)
            wait_until("a new keeper", lambda: _keeper(engine) not in (old, None), within_s=10)
            time.sleep(0.5)
        assert load.failures == []
        assert {int(engine.ask("kept")[1])} == pids
        engine.refresh()


def _keeper(engine: RunningEngine) -> int | None:
    from tidegate.kit.home import Home
    from tidegate.link.keeper_call import KeeperCall, KeeperCallFailed

    try:
        return int(KeeperCall(Home(engine.home)).ask("status")["keeper"]["pid"])
    except (KeeperCallFailed, OSError, KeyError):
        return None


def test_a_new_revision_and_scaling_down_under_load_fail_no_request(engine):
    with given(engine, "moving", pods=3, environ={"VERSION": "1"}, scaling=BUFFERED):
        with Load(engine, "moving", path="/sleep/0.01") as load:
            time.sleep(0.5)
            engine.cli(
                "apply",
                "-f",
                "-",
                stdin=service_document(
                    "moving",
                    scaling={"min-scale": "1", "window": "6s", **BUFFERED},
                    environ={"VERSION": "2"},
                ),
            )
            wait_until("the new revision", lambda: engine.ask("moving", "/env/VERSION")[1] == b"2")
            wait_until(
                "the old pods gone", lambda: len(engine.ready_pods("moving")) == 1, within_s=60
            )
        assert load.failures == []
        assert load.ok > 100


def test_cycles_from_zero_to_one_and_back_leave_nothing_behind(engine):
    from tidegate.testing.leaks import cycle

    report = cycle(engine, services=10, rounds=1)
    assert report.leftovers == [], report
