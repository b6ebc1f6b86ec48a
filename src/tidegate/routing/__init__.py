"""Where a request goes and when it may start. Pure: no I/O, no clock, no chance."""

from tidegate.routing.gate import Gate, Seat, Verdict
from tidegate.routing.meter import Meter, Second
from tidegate.routing.split import BadWeights, Split
from tidegate.routing.table import Found, Table, Target, host_name, is_loopback

__all__ = [
    "BadWeights",
    "Found",
    "Gate",
    "Meter",
    "Seat",
    "Second",
    "Split",
    "Table",
    "Target",
    "Verdict",
    "host_name",
    "is_loopback",
]
