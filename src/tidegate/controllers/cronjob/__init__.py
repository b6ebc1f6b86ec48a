"""CronJob: Jobs at set times."""

from tidegate.controllers.cronjob.reconciler import CronJobController

__all__ = ["CronJobController"]
