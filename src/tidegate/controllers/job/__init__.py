"""Job: pods that run to their end, so many of them, counted once each."""

from tidegate.controllers.job.reconciler import JobController

__all__ = ["JobController"]
