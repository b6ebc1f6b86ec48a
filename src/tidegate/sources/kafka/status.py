"""What the adapter says of itself: `/status` as JSON, `/readyz`, `/metrics`."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """Where the adapter is."""

    CONNECTING = "connecting"
    JOINING = "joining"
    CONSUMING = "consuming"
    DRAINING = "draining"


class LastError(msgspec.Struct, frozen=True):
    """What stands in the way. `reason` is one CamelCase word, `message` a sentence."""

    reason: str
    message: str


class PartitionStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`committed`, `end` and `lag` None: not known yet. `position`: the next event to take."""

    topic: str
    partition: int
    position: int
    committed: int | None
    end: int | None
    lag: int | None
    open: int


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """The whole. `remembers` False: the broker drops commit metadata, see `notes`."""

    state: Phase
    message: str
    connected: bool
    initial_offsets_committed: bool
    last_error: LastError | None
    in_flight: int
    handled: int
    failed: int
    dead_lettered: int
    dropped: int
    remembers: bool
    partitions: tuple[PartitionStatus, ...]


class Trouble:
    """The last thing that went wrong, until it is over. Owned by the adapter."""

    def __init__(self) -> None:
        self.last: LastError | None = None

    def say(self, reason: str, message: str) -> bool:
        """Whether it is news."""
        told = LastError(reason, message)
        news = self.last is None or self.last.reason != reason
        self.last = told
        return news

    def over(self) -> LastError | None:
        """It works. What was wrong until now; None: nothing."""
        was, self.last = self.last, None
        return was
