"""Pure scaling algorithms: numbers in, replica counts out. No I/O, no clock, no kinds.

Samples go into `MetricWindows`, whose averages make an `Observation`; `decide` turns it into a
`Decision`; `step` turns that into replicas, mode and status. `KpaSpec` comes from `policy`.
"""

from tidegate.scaling.conditions import Condition, Conditions, Truth
from tidegate.scaling.errors import BadSpec, BadState, ScalingError
from tidegate.scaling.kpa import (
    Decision,
    Demand,
    KpaState,
    Observation,
    Reason,
    begin,
    decide,
    matters,
)
from tidegate.scaling.kpa_spec import Bounds, KpaSpec, Metric, Reachability, ScaleToZero
from tidegate.scaling.kpa_step import (
    KpaStatus,
    Mode,
    Network,
    StepInput,
    StepResult,
    activators,
    bounded,
    step,
)
from tidegate.scaling.metric_windows import MetricWindows, SavedMetricWindows
from tidegate.scaling.rules import Rule
from tidegate.scaling.why import sentence, step_sentence
from tidegate.scaling.window import Aggregation, SavedWindow, Window

__all__ = [
    "Aggregation",
    "BadSpec",
    "BadState",
    "Bounds",
    "Condition",
    "Conditions",
    "Decision",
    "Demand",
    "KpaSpec",
    "KpaState",
    "KpaStatus",
    "Metric",
    "MetricWindows",
    "Mode",
    "Network",
    "Observation",
    "Reachability",
    "Reason",
    "Rule",
    "SavedMetricWindows",
    "SavedWindow",
    "ScaleToZero",
    "ScalingError",
    "StepInput",
    "StepResult",
    "Truth",
    "Window",
    "activators",
    "begin",
    "bounded",
    "decide",
    "matters",
    "sentence",
    "step",
    "step_sentence",
]
