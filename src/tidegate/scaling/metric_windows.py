"""The stable and the panic window of one revision's metric, and what the decider is given of them.

Source: Knative, serving pkg/autoscaler/metrics/collector.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.scaling.kpa_spec import KpaSpec
from tidegate.scaling.window import Aggregation, SavedWindow, Window


@dataclass(frozen=True, slots=True)
class SavedMetricWindows:
    """Both windows as plain values, and how they are averaged."""

    stable: SavedWindow
    panic: SavedWindow
    aggregation: Aggregation


class MetricWindows:
    """Owned by the task that receives the samples of one revision and one metric.

    The aggregation is settled when collection begins and outlives later edits, as in Knative.
    """

    __slots__ = ("_panic", "_stable", "aggregation")

    def __init__(self, spec: KpaSpec) -> None:
        self._stable = Window(spec.stable_window_s)
        self._panic = Window(spec.panic_window_s)
        self.aggregation = spec.aggregation

    @property
    def last_s(self) -> int | None:
        """The newest second recorded; samples after it are what a restart has missed."""
        return self._stable.last_s

    def record(self, at_s: float, value: float) -> None:
        """One report. Late ones count as long as they are within the window."""
        self._stable.record(at_s, value)
        self._panic.record(at_s, value)

    def averages(self, now_s: float, spec: KpaSpec) -> tuple[float, float] | None:
        """(stable, panic) averages; None: no data, which must not be read as zero.

        With the activator always in the path silence *is* knowledge, since it sees every request:
        an empty window then counts as zero.
        """
        if self._stable.is_empty(now_s):
            return (0.0, 0.0) if spec.always_buffered else None
        return (
            self._stable.average(now_s, self.aggregation),
            self._panic.average(now_s, self.aggregation),
        )

    def resize(self, now_s: float, spec: KpaSpec) -> None:
        """Take over the window lengths of an edited spec."""
        self._stable.resize(now_s, spec.stable_window_s)
        self._panic.resize(now_s, spec.panic_window_s)

    def saved(self) -> SavedMetricWindows:
        return SavedMetricWindows(self._stable.saved(), self._panic.saved(), self.aggregation)

    @classmethod
    def restored(cls, was: SavedMetricWindows) -> MetricWindows:
        """Raises `BadState` for windows that don't fit."""
        windows = cls.__new__(cls)
        windows._stable = Window.restored(was.stable)
        windows._panic = Window.restored(was.panic)
        windows.aggregation = was.aggregation
        return windows
