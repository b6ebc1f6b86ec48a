"""Fetches ahead of need: before scheduled scale-ups, and when a workload asks for it. What `app` wires."""

from tidegate.controllers.prefetch.applied import AppliedPrefetch
from tidegate.controllers.prefetch.fetching import Warmer
from tidegate.controllers.prefetch.scheduled import CronPrefetch, KedaPrefetch

__all__ = ["AppliedPrefetch", "CronPrefetch", "KedaPrefetch", "Warmer"]
