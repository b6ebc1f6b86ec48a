"""A machine that is short of something, for the length of a block: this process's own limits, lowered."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_descriptors() -> Iterator[None]:
    """None can be opened; those that are open stay."""
    with _lowered(resource.RLIMIT_NOFILE, 3):
        yield


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What is written beyond that fails, after the part that fits, as on a disk that fills up."""
    with _lowered(resource.RLIMIT_FSIZE, size):
        yield


@contextmanager
def _lowered(limit: int, to: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (to, hard))
    try:
        yield
    finally:
        resource.setrlimit(limit, (soft, hard))
