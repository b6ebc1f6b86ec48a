"""Which rule settled a step's replica count: the names that status, events and `explain` use."""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """What stood between the decider's count and the count of the step."""

    DECISION = "decision"  # nothing: the decider's count as it is
    NO_DECISION = "no-decision"  # nothing was ever decided: the count stays as it is
    MIN_SCALE = "min-scale"
    MAX_SCALE = "max-scale"
    INITIAL_SCALE = "initial-scale"  # a lower bound until it was reached once
    NO_SCALE_TO_ZERO = "enable-scale-to-zero"  # the cluster's settings forbid zero
    ACTIVATING = "activating"  # never ready yet: given time until the progress deadline
    TIMED_OUT = "progress-deadline"  # never ready within that time: given up
    WINDOW = "stable-window"  # was active for less than a window: keeps one
    INACTIVE = "inactive"  # no demand for a window: marked inactive, the gate holds requests now
    NO_ACTIVATOR = "no-activator"  # the gate does not answer: the last replica stays
    RETENTION = "pod-retention"  # scale-to-zero-pod-retention-period keeps the last replica
    GRACE = "grace-period"  # scale-to-zero-grace-period keeps the last replica
    ZERO = "scale-to-zero"  # nothing keeps it
