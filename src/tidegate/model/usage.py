"""What pods and the machine use, as measured: the values behind `kubectl top`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_nano`: billionths of a core, the mean over the window. `memory_bytes`: what would be free
    without it; memory that several processes share is split among them."""

    cpu_nano: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """All of one node at one moment. `containers` by pod uid and container name: those that run.

    `at_s` is wall time at the window's end.
    """

    at_s: float
    window_s: float
    node_name: str
    node: Usage
    containers: Mapping[tuple[str, str], Usage]
