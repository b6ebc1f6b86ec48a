"""Everything killed around requests: chosen moments, and half a minute at random (`make chaos` for more)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tidegate.testing.chaos import Chaos
from tidegate.testing.chaos_processes import keepers_view, part_pids
from tidegate.testing.engine import (
    RunningEngine,
    running_engine,
    service_document,
    wait_until,
)

pytestmark = pytest.mark.live

QUICK_ZERO = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config-autoscaler, namespace: knative-serving}
data: {scale-to-zero-grace-period: "6s"}
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


def kill(engine: RunningEngine, *parts: str) -> None:
    """Both at once, and not before each is there."""
    pids = []
    for part in parts:
        wait_until(f"a {part}", lambda part=part: part_pids(engine, part))
        pids += part_pids(engine, part)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def given(engine: RunningEngine, name: str, **options: object) -> None:
    engine.cli("apply", "-f", "-", stdin=service_document(name, **options))
    wait_until(f"{name} answers", lambda: engine.ask(name)[0] == 200)


def test_a_request_that_waits_at_zero_is_served_although_only_the_gateway_survives(engine):
    """The gateway starts a keeper, that one a control plane, and that one adopts the pod."""
    engine.cli("apply", "-f", "-", stdin=QUICK_ZERO)
    given(engine, "sleepy", scaling={"window": "6s"}, environ={"START_S": "1.5"})
    wait_until("nothing runs", lambda: not engine.pod_pids(), within_s=60)
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(engine.ask("sleepy")[0]))
    asking.start()
    wait_until("it is started", engine.pod_pids)
    (pod,) = engine.pod_pids()
    kill(engine, "keeper", "control_plane")
    asking.join(30)
    assert answers == [200]
    assert engine.pod_pids() == {pod}
    engine.cli("delete", "ksvc", "sleepy")


def test_with_keeper_and_gateway_dead_the_control_plane_stays_and_is_not_doubled(engine):
    """The next keeper once forgot it while it started a gateway: two control planes, one for ever."""
    given(engine, "steady", scaling={"min-scale": "1", "window": "6s"})
    (control_plane,) = part_pids(engine, "control_plane")
    kill(engine, "keeper", "gateway")
    assert engine.ask("steady")[0] == 200
    wait_until("a new keeper", lambda: keepers_view(engine))
    assert part_pids(engine, "control_plane") == [control_plane]
    assert keepers_view(engine)["control_plane"] == [control_plane]


def test_a_gateway_that_no_table_tells_of_is_adopted_by_the_next_keeper(engine):
    """As after a full disk: the table could not be written when it was started."""
    engine.refresh()
    table = engine.home / "run" / "processes.json"
    before = table.read_text()
    kill(engine, "gateway")
    wait_until(
        "a new gateway", lambda: keepers_view(engine)["gateway"] == part_pids(engine, "gateway")
    )
    gateway = part_pids(engine, "gateway")
    kill(engine, "keeper")
    table.write_text(before)
    wait_until("a new keeper", lambda: keepers_view(engine))
    wait_until(
        "its view of the same gateway",
        lambda: keepers_view(engine)["gateway"] == gateway == part_pids(engine, "gateway"),
    )


def test_an_engine_whose_every_process_was_killed_is_up_again_over_the_same_pods(engine):
    given(engine, "steady", scaling={"min-scale": "2", "window": "6s"})
    wait_until("two pods", lambda: len(engine.ready_pods("steady")) == 2)
    pods = engine.pod_pids()
    kill(engine, "keeper", "gateway", "control_plane")
    engine.cli("up", "--detach", "--port", "0", "--api-port", "0")
    engine.refresh()
    wait_until("it answers", lambda: engine.ask("steady")[0] == 200)
    assert {int(engine.ask("steady")[1]) for _ in range(20)} == pods
    assert engine.pod_pids() == pods
    engine.cli("delete", "ksvc", "steady")
    wait_until("no pod is left", lambda: not engine.get("pods"))


def test_nothing_is_lost_whatever_is_killed_at_random(engine):
    report = Chaos(engine, seed=11).run(seconds=12)
    assert report.broken == []
    assert report.kills
    assert report.ok > 100
