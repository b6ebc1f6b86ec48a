"""From a HorizontalPodAutoscaler to the numbers that decide, and from a decision to its status. Pure.

`spec` and `pods` go in, `status` and `memory` come out and go in again.
Source: kubernetes pkg/controller/podautoscaler/horizontal.go.
"""

from tidegate.policy.hpa.memory import memory_of, state_of
from tidegate.policy.hpa.pods import pod_seen
from tidegate.policy.hpa.spec import approximate, go_selector, hpa_spec
from tidegate.policy.hpa.status import hpa_status, seconds, wire_status

__all__ = [
    "approximate",
    "go_selector",
    "hpa_spec",
    "hpa_status",
    "memory_of",
    "pod_seen",
    "seconds",
    "state_of",
    "wire_status",
]
