"""What the control plane and the gateway say to each other.

One JSON object a line over a Unix stream socket (`<run>/gateway.sock`). The gateway listens and
takes one control plane at a time (a new connection replaces the old one), because the gateway
outlives control planes. The control plane opens with `Snapshot`; after that it sends one numbered
message per changed revision or route; each is answered by `Ack` once it is in force *and* on disk.
All times are seconds on the system-wide monotonic clock (`Clock.monotonic`), which both share.
"""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Base of everything on this link; the class name is the `type` on the wire."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One replica. `id` is the pod's uid and never returns; a replica keeps its address for life."""

    id: str
    host: str
    port: int
    draining: bool = False  # gets no new request; `Drained` is sent when the last one has left


class Revision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One queue at the gate and the replicas behind it. `key` is `<namespace>/<revision>`."""

    key: str
    endpoints: tuple[Endpoint, ...] = ()
    container_concurrency: int = 0  # hard limit per replica; 0 means none
    queue_requests: int = 10_000  # places to wait; more are refused with 503
    queue_bytes: int = 256 * 2**20  # bodies held while waiting; more are refused with 503
    timeout_s: float = 300.0  # whole exchange, waiting and cold start included: 504
    response_start_timeout_s: float | None = None  # None: off
    idle_timeout_s: float | None = None  # None: off
    keep_samples_s: int = 60  # the revision's longest window; at most 3600
    idempotent: bool = False  # the service says that its calls may be repeated
    headers: tuple[tuple[str, str], ...] = ()  # added to every request sent upstream
    trouble: str | None = None  # why no replica can serve, for the answers to who waited in vain


class Split(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A share of a route's traffic. Percents of one route add up to 100."""

    revision: str  # Revision.key
    percent: int


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hosts (no port, lower case; `*.x` is a wildcard) and where their requests go.

    `path_prefix` is how clients that can't set a Host reach it on the gateway's own address:
    `/<namespace>/<name>`; the prefix is cut off before forwarding. None: hosts only.
    No splits: nothing serves it yet; requests get 503 with `trouble`, which says why.
    `key` is unique and chosen by the control plane, e.g. `<namespace>/<route>` or with `#<tag>`.
    """

    key: str
    hosts: tuple[str, ...]
    splits: tuple[Split, ...]
    path_prefix: str | None = None
    trouble: str | None = None


# --- control plane to gateway


class Snapshot(Message, frozen=True, kw_only=True, tag=True):
    """The whole table. What the gateway has and this lacks is removed (and drained)."""

    seq: int
    revisions: tuple[Revision, ...]
    routes: tuple[Route, ...]
    samples_since_s: float = 0.0  # send kept samples later than this again (monotonic)


class RevisionChanged(Message, frozen=True, kw_only=True, tag=True):
    """`revision` None: it is gone; requests that wait for it get 503."""

    seq: int
    key: str
    revision: Revision | None


class RouteChanged(Message, frozen=True, kw_only=True, tag=True):
    """`route` None: it is gone; new requests for its hosts get 404."""

    seq: int
    key: str
    route: Route | None


# --- gateway to control plane


class Hello(Message, frozen=True, kw_only=True, tag=True):
    """First message on each connection. `boot` is new whenever a gateway process starts."""

    pid: int
    boot: str
    seq: int  # last one in force, 0 for none (also after a restart with the table from disk: then that one)


class Ack(Message, frozen=True, kw_only=True, tag=True):
    seq: int


class Sample(Message, frozen=True, kw_only=True, tag=True):
    """One second of one revision, as queue-proxy and activator together would report it.

    Sent once a second for each revision that has requests, replicas or had any in its window.
    Concurrency counts requests that wait at the gate and those at replicas, integrated over time.
    A second that could not be observed has no sample: missing, never zero.
    """

    revision: str
    at_s: float  # end of the second, monotonic
    concurrency: float  # average over the second
    requests: int  # arrivals in the second
    waiting: int  # at the gate right now
    running: int  # at replicas right now
    errors: int = 0  # 5xx answers in the second, ours and theirs
    replay: bool = False  # sent again after a reconnect


class Wake(Message, frozen=True, kw_only=True, tag=True):
    """A request found no replica. Sent at once, and again each second while any still waits."""

    revision: str
    at_s: float
    waiting: int


class Drained(Message, frozen=True, kw_only=True, tag=True):
    """A draining (or removed) replica has answered its last request."""

    revision: str
    endpoint: str


ToGateway = Snapshot | RevisionChanged | RouteChanged
FromGateway = Hello | Ack | Sample | Wake | Drained

_encoder = msgspec.json.Encoder()
decode_to_gateway = msgspec.json.Decoder(ToGateway).decode
decode_from_gateway = msgspec.json.Decoder(FromGateway).decode


def encode(message: ToGateway | FromGateway) -> bytes:
    """One line, newline included."""
    return _encoder.encode(message) + b"\n"
