"""Logs of our own processes: appended to, and turned over when one starts."""

import os
from pathlib import Path


def rotate(log: Path, most_bytes: int) -> None:
    """Move a log that has grown past `most_bytes` to `<log>.1`."""
    try:
        if log.stat().st_size > most_bytes:
            os.replace(log, f"{log}.1")
    except FileNotFoundError:
        pass
