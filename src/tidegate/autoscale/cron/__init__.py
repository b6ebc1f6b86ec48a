"""CronHorizontalPodAutoscaler: sizes at set times."""

from tidegate.autoscale.cron.controller import CronHpaController

__all__ = ["CronHpaController"]
