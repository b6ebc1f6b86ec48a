"""How busy pods keep a card, from a library that answers as NVIDIA's does."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from tidegate.link.keeper import Process
from tidegate.node import gpu_usage
from tidegate.node.gpu_usage import GpuUsage, busy_pods
from tidegate.testing.clocks import LoopClock


class Library:
    """One card for each entry: pid -> the samples of the window."""

    class NVMLError(Exception):
        pass

    def __init__(self, *cards: dict[int, list[int]]) -> None:
        self.cards = cards
        self.since: list[int] = []

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> dict[int, list[int]]:
        return self.cards[number]

    def nvmlDeviceGetComputeRunningProcesses(self, card: dict[int, list[int]]) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in card]

    def nvmlDeviceGetProcessUtilization(self, card: dict[int, list[int]], since: int) -> list[Any]:
        self.since.append(since)
        found = [SimpleNamespace(pid=p, smUtil=v) for p, values in card.items() for v in values]
        if not found:
            raise self.NVMLError("Not Found")
        return found


@pytest.fixture
def owned(monkeypatch):
    """Pids 11 and 12 are pod a's, 21 is pod b's."""
    trees = {"a/main/0": [11, 12], "b/main/0": [21]}
    monkeypatch.setattr(gpu_usage, "members_of", lambda processes: trees)


def test_a_pods_share_is_that_of_its_processes_on_all_cards(owned):
    library = Library({11: [40, 60], 21: [10]}, {12: [30], 99: [80]})
    assert busy_pods(library, [], 0) == {"a": 80.0, "b": 10.0}


def test_a_pod_that_rests_on_a_card_is_idle_and_one_without_a_card_unknown(owned):
    assert busy_pods(Library({21: []}), [], 0) == {"b": 0.0}


def test_a_machine_without_cards_knows_nothing(owned):
    assert busy_pods(Library(), [], 0) is None


async def test_the_library_is_looked_for_once(owned):
    asked = []

    def absent() -> None:
        asked.append(1)

    processes: dict[str, Process] = {}
    keeper: Any = SimpleNamespace(processes=processes)
    usage = GpuUsage(keeper, LoopClock(), load=absent)
    assert [await usage.busy(), await usage.busy()] == [None, None]
    assert asked == [1]


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="this machine has a card")
def test_without_a_driver_there_is_no_library_to_ask():
    assert gpu_usage.load_nvml() is None
