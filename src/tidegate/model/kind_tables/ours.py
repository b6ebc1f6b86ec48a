"""What no other API can say."""

from __future__ import annotations

from tidegate.model import traffic
from tidegate.model.kind import Kind

KINDS: tuple[Kind, ...] = (
    Kind(
        traffic.TrafficReport,
        "tidegate.dev",
        "v1alpha1",
        "TrafficReport",
        "trafficreports",
        "trafficreport",
        ("traffic",),
        has_spec=False,
    ),
)

VERSIONS: tuple[Kind, ...] = ()
