"""How much of the cards' multiprocessor time each pod's processes take, as NVIDIA's library tells it.

The library (`pip install tidegate[gpu]`) is looked for when somebody first asks. Without it, or without
a card or driver, the answer is None: nothing is known, which is not the same as idle.

Source: NVML API, nvmlDeviceGetProcessUtilization.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from tidegate.kit.clock import Clock
from tidegate.link.keeper import Process
from tidegate.node.keeper_link import Keeper
from tidegate.node.listeners import members_of

log = logging.getLogger(__name__)

_WINDOW_S = 15.0
_MICRO = 1_000_000


def load_nvml() -> Any | None:
    """The library, ready for use; None when it is not there or finds no driver."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as why:
        log.info("no GPU is asked: %s", why)
        return None
    return nvml


@dataclass(slots=True)
class GpuUsage:
    """Asks when asked. `load` gives the library; it is called once."""

    keeper: Keeper
    clock: Clock
    load: Any = load_nvml
    _nvml: Any = None
    _looked: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def busy(self) -> Mapping[str, float] | None:
        """Pod uid -> percent of one card's multiprocessor time (of several cards together it may be
        more than 100), for pods with a process on a card. None: there is no card to ask."""
        async with self._turn:
            if not self._looked:
                self._nvml, self._looked = await asyncio.to_thread(self.load), True
            if self._nvml is None:
                return None
            running = [p for p in self.keeper.processes.values() if not p.ended]
            since_us = int((self.clock.now() - _WINDOW_S) * _MICRO)
            return await asyncio.to_thread(busy_pods, self._nvml, running, since_us)


def busy_pods(nvml: Any, processes: Iterable[Process], since_us: int) -> Mapping[str, float] | None:
    """One round over the cards. Blocks for some milliseconds."""
    cards = nvml.nvmlDeviceGetCount()
    if not cards:
        return None
    owner = {
        pid: name.split("/")[0] for name, pids in members_of(processes).items() for pid in pids
    }
    total: dict[str, float] = defaultdict(float)
    for number in range(cards):
        card = nvml.nvmlDeviceGetHandleByIndex(number)
        for process in nvml.nvmlDeviceGetComputeRunningProcesses(card):
            if process.pid in owner:
                total[owner[process.pid]] += 0.0  # on a card, if only to rest
        for pid, percent in _by_process(nvml, card, since_us).items():
            if pid in owner:
                total[owner[pid]] += percent
    return dict(total)


def _by_process(nvml: Any, card: Any, since_us: int) -> Mapping[int, float]:
    """The mean of each process' samples of the window."""
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(card, since_us)
    except nvml.NVMLError:  # none in that time, or a card that keeps no account
        return {}
    found: dict[int, list[int]] = defaultdict(list)
    for sample in samples:
        found[sample.pid].append(sample.smUtil)
    return {pid: fmean(values) for pid, values in found.items()}
