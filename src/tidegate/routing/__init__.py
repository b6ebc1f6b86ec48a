"""Where a request goes and when it may start. Pure: no I/O, no clock, no chance."""

from tidegate.routing.branches import Asked, Branch, Check, fitting
from tidegate.routing.gate import Gate, Seat
from tidegate.routing.line import Verdict
from tidegate.routing.meter import BATCH_TRACE, Meter, Second
from tidegate.routing.paths import EVERYWHERE, PathMatch, path_match
from tidegate.routing.rules import BadRule, Match, match_of
from tidegate.routing.split import BadWeights, Split
from tidegate.routing.table import Found, Table, host_name, is_loopback
from tidegate.routing.target import Chosen, Count, Sticky, Target
from tidegate.routing.way import Way

__all__ = [
    "BATCH_TRACE",
    "EVERYWHERE",
    "Asked",
    "BadRule",
    "BadWeights",
    "Branch",
    "Check",
    "Chosen",
    "Count",
    "Found",
    "Gate",
    "Match",
    "Meter",
    "PathMatch",
    "Seat",
    "Second",
    "Split",
    "Sticky",
    "Table",
    "Target",
    "Verdict",
    "Way",
    "fitting",
    "host_name",
    "is_loopback",
    "match_of",
    "path_match",
]
