"""Why a metric gives no proposal.

MetricFailed: one metric, with the reason and the sentence of its event and condition, and the longer
sentence in which the visit's error names it.
"""

from __future__ import annotations


class MetricFailed(Exception):
    """No proposal from this metric. `reason` is for events and the condition, where `message` is said;
    `whole` is how the error of the whole visit says it."""

    def __init__(self, reason: str, message: str, whole: str) -> None:
        self.reason, self.message, self.whole = reason, message, whole
        super().__init__(whole)


class NoFigure(Exception):
    """What was read doesn't give a figure; the sentence says why. Becomes a `MetricFailed`."""
