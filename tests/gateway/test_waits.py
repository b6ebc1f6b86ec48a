"""A request that waited can tell why, in stages that add up."""

import re

import pytest

from tidegate.gateway.waits import Wait, wants_explanation


def stages(line: bytes) -> dict[str, float]:
    name, _, value = line.decode().partition(": ")
    assert name == "tidegate-explain"
    assert value.endswith("\r\n")
    return {key: float(ms) for key, ms in re.findall(r"([a-z-]+);dur=([\d.]+)", value)}


def test_a_cold_start_is_told_in_the_stages_of_the_replica_that_served_it():
    wait = Wait(10.0, before=None)
    wait.started(
        11.5, "pod-a", {"ready": 11.2, "created": 10.1, "bound": 10.2, "image": 9.0, "late": 12.0}
    )
    wait.connected(11.6)
    line = wait.line(12.0)
    told = stages(line)
    total = told.pop("total")
    assert list(told) == ["created", "bound", "ready", "routed", "connected", "first-byte"]
    assert list(told.values()) == pytest.approx([100, 100, 1000, 300, 100, 400])
    assert sum(told.values()) == pytest.approx(total)
    assert b'desc="no replica was there; served by pod-a"' in line


def test_a_wait_in_line_is_told_with_who_was_before():
    wait = Wait(10.0, before=3)
    wait.started(10.2, "pod-a", {"ready": 5.0})
    line = wait.line(10.3)
    assert stages(line) == {"queued": 200.0, "first-byte": 100.0, "total": 300.0}
    assert b"3 were in line before it" in line


def test_a_wait_for_nothing_is_told_too():
    assert stages(Wait(10.0, before=None).line(11.0)) == {"given-up": 1000.0, "total": 1000.0}


def test_a_second_try_tells_the_replica_that_served_it():
    wait = Wait(10.0, before=0)
    wait.started(10.1, "pod-a", {})
    wait.started(10.5, "pod-b", {})
    assert stages(wait.line(10.6)) == {"queued": 500.0, "first-byte": 100.0, "total": 600.0}


@pytest.mark.parametrize(
    ("fields", "wants"),
    [
        ([b"Tidegate-Explain: 1"], True),
        ([b"tidegate-explain: yes"], True),
        ([b"Tidegate-Explain: 0"], False),
        ([b"Tidegate-Explain:"], False),
        ([b"X-Tidegate-Explain: 1"], False),
        ([], False),
    ],
)
def test_only_who_asks_is_told(fields, wants):
    assert wants_explanation(fields) is wants
