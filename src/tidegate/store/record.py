"""One write, as the database sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """Put (`body`) or delete (`body` None) one object.

    `resource` is the plural with its group. `durable`: on disk before it is acknowledged, else
    only committed. `ceiling` raises the persisted bound below which every version counts as used;
    such a record is durable too. `epoch` counts failed commits: a record of an epoch that has
    failed was built upon something refused, so it is refused as well.
    """

    resource: str
    namespace: str
    name: str
    version: int
    body: bytes | None
    durable: bool
    ceiling: int | None
    epoch: int
