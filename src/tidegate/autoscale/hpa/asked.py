"""What a metric is asked for, and what was found."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model.pods import Pod
from tidegate.scaling.hpa import Reading


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom: the pods that the target's selector chooses. `now_s`: wall time."""

    namespace: str
    pods: tuple[Pod, ...]
    now_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """`simulated`: worked out from other figures, because what would measure it is not there."""

    metric: str
    reading: Reading
    simulated: bool = False
