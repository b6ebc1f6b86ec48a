"""The routing table as the control plane wants it, and how far the gateway is.

Every change gets a number; the gateway acknowledges numbers in order. What was said while nobody
listened is in the next snapshot, whose number is the newest, so its acknowledgement covers all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tidegate.link.gateway import (
    Certificate,
    CertificateChanged,
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
    certificates: dict[str, Certificate] = field(default_factory=dict)
    seq: int = 0
    acked: int = 0
    _lanes: dict[str, set[str]] = field(default_factory=dict)  # pod's uid -> revisions it is in
    _drained: dict[str, set[str]] = field(default_factory=dict)  # revision -> endpoints, see below

    def start_after(self, seq: int) -> None:
        """Count on from what an earlier control plane had reached."""
        self.seq = max(self.seq, seq)

    def set_revision(self, key: str, revision: Revision | None) -> bool:
        """Make one revision's entry so. Returns whether it was different."""
        was = self.revisions.get(key)
        if was == revision:
            return False
        self._index(key, was, revision)
        if revision is None:
            del self.revisions[key]
        else:
            self.revisions[key] = revision
        self.seq += 1
        self.send(RevisionChanged(seq=self.seq, key=key, revision=revision))
        return True

    def drained(self, key: str, endpoint_id: str) -> None:
        """The gateway has had its last answer from there.

        Counts only while the endpoint drains: one that was taken out because its pod wasn't ready,
        and came back, has new requests by now.
        """
        entry = self.revisions.get(key)
        if entry is not None and endpoint_id in _draining(entry):
            self._drained.setdefault(key, set()).add(endpoint_id)

    def has_drained(self, key: str, endpoint_id: str) -> bool:
        """Whether an endpoint that drains has had its last answer."""
        return endpoint_id in self._drained.get(key, ())

    def is_busy(self, pod_uid: str) -> bool:
        """Whether requests may come from one of the pod's endpoints yet, as far as the table knows."""
        return any(
            endpoint.id.partition("/")[0] == pod_uid and not self.has_drained(key, endpoint.id)
            for key in self._lanes.get(pod_uid, ())
            for endpoint in self.revisions[key].endpoints
        )

    def _index(self, key: str, was: Revision | None, now: Revision | None) -> None:
        before, after = _pods_of(was), _pods_of(now)
        for uid in before - after:
            self._lanes[uid].discard(key)
            if not self._lanes[uid]:
                del self._lanes[uid]
        for uid in after - before:
            self._lanes.setdefault(uid, set()).add(key)
        if key in self._drained:
            self._drained[key] &= _draining(now)
            if not self._drained[key]:
                del self._drained[key]

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

    def set_certificate(self, key: str, certificate: Certificate | None) -> bool:
        """Make one certificate's entry so. Returns whether it was different."""
        if self.certificates.get(key) == certificate:
            return False
        if certificate is None:
            del self.certificates[key]
        else:
            self.certificates[key] = certificate
        self.seq += 1
        self.send(CertificateChanged(seq=self.seq, key=key, certificate=certificate))
        return True

    def snapshot(self, samples_since_s: float) -> Snapshot:
        """All of it, as the newest change."""
        self.seq += 1
        return Snapshot(
            seq=self.seq,
            revisions=tuple(self.revisions.values()),
            routes=tuple(self.routes.values()),
            certificates=tuple(self.certificates.values()),
            samples_since_s=samples_since_s,
        )


def _pods_of(entry: Revision | None) -> set[str]:
    endpoints = () if entry is None else entry.endpoints
    return {endpoint.id.partition("/")[0] for endpoint in endpoints}


def _draining(entry: Revision | None) -> set[str]:
    endpoints = () if entry is None else entry.endpoints
    return {endpoint.id for endpoint in endpoints if endpoint.draining}
