"""Hold a scale-down back: the largest of the counts wanted lately.

Source: Knative, serving pkg/autoscaler/aggregation/max/time_window.go. Times are cut into slots of
two seconds of absolute time (one evaluation period), so the delay is exact to a slot only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor

SLOT_S = 2


@dataclass(frozen=True, slots=True)
class DelayWindow:
    """The last `slots` slots. `peaks` are (slot, count), oldest first, counts strictly falling:
    an older, smaller count can never again be the largest, so it isn't kept."""

    slots: int
    peaks: tuple[tuple[int, int], ...] = ()

    @classmethod
    def lasting(cls, delay_s: float) -> DelayWindow | None:
        """None for no delay: that differs from a delay of one slot, which keeps the larger of two
        counts wanted within the same two seconds."""
        return cls(ceil(delay_s / SLOT_S)) if delay_s > 0 else None

    @property
    def largest(self) -> int | None:
        """None: nothing recorded yet."""
        return self.peaks[0][1] if self.peaks else None

    def record(self, now_s: float, count: int) -> DelayWindow:
        """The window after `count` was wanted at `now_s`."""
        slot = floor(now_s / SLOT_S)
        kept = tuple(
            (at, peak) for at, peak in self.peaks if peak > count and at > slot - self.slots
        )
        return replace(self, peaks=(*kept, (slot, count)))
