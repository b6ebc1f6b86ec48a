"""The engine that all controllers share: queue, retries, timers."""

from tidegate.reconcile.controller import (
    Again,
    Controller,
    Done,
    Next,
    Watch,
    watch_mapped,
    watch_owned,
    watch_self,
)
from tidegate.reconcile.engine import Engine

__all__ = [
    "Again",
    "Controller",
    "Done",
    "Engine",
    "Next",
    "Watch",
    "watch_mapped",
    "watch_owned",
    "watch_self",
]
