"""Tidegate: elastic inference serving in one process tree."""

__version__ = "0.1.0"
