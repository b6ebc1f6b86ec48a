"""The routing table as the control plane wants it, and how far the gateway is.

Every change gets a number; the gateway acknowledges numbers in order. What was said while nobody
listened is in the next snapshot, whose number is the newest, so its acknowledgement covers all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tidegate.link.gateway import (
    Revision,
    RevisionChanged,
    Route,
    RouteChanged,
    Snapshot,
    ToGateway,
)


@dataclass(slots=True)
class GatewayTable:
    """Owned by the control plane's event loop. `send` must not block."""

    send: Callable[[ToGateway], None]
    revisions: dict[str, Revision] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    seq: int = 0
    acked: int = 0

    def start_after(self, seq: int) -> None:
        """Count on from what an earlier control plane had reached."""
        self.seq = max(self.seq, seq)

    def set_revision(self, key: str, revision: Revision | None) -> bool:
        """Make one revision's entry so. Returns whether it was different."""
        if self.revisions.get(key) == revision:
            return False
        if revision is None:
            del self.revisions[key]
        else:
            self.revisions[key] = revision
        self.seq += 1
        self.send(RevisionChanged(seq=self.seq, key=key, revision=revision))
        return True

    def set_route(self, key: str, route: Route | None) -> bool:
        """Make one route's entry so. Returns whether it was different."""
        if self.routes.get(key) == route:
            return False
        if route is None:
            del self.routes[key]
        else:
            self.routes[key] = route
        self.seq += 1
        self.send(RouteChanged(seq=self.seq, key=key, route=route))
        return True

    def snapshot(self, samples_since_s: float) -> Snapshot:
        """All of it, as the newest change."""
        self.seq += 1
        return Snapshot(
            seq=self.seq,
            revisions=tuple(self.revisions.values()),
            routes=tuple(self.routes.values()),
            samples_since_s=samples_since_s,
        )
