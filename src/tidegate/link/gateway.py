"""What the control plane and the gateway say to each other.

One JSON object a line over a Unix stream socket (`<run>/gateway.sock`). The gateway listens and
takes one control plane at a time (a new connection replaces the old one), because the gateway
outlives control planes. The control plane opens with `Snapshot`; after that it sends one numbered
message per changed revision or route; each is answered by `Ack` once it is in force *and* on disk.
All times are seconds on the system-wide monotonic clock (`Clock.monotonic`), which both share.
"""

from __future__ import annotations

from typing import Literal

import msgspec

OPENAI_BATCH = "tidegate:openai-batch"  # the route that `/openai/v1/files` and `/batches` go


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Base of everything on this link; the class name is the `type` on the wire."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One replica. `id` is the pod's uid and never returns; a replica keeps its address for life."""

    id: str
    host: str
    port: int
    draining: bool = False  # gets no new request; `Drained` is sent when the last one has left
    stages: dict[
        str, float
    ] = {}  # its start: stage -> when it was reached (monotonic); to explain waits


class Revision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One queue at the gate and the replicas behind it.

    `key` is chosen by the control plane: `<namespace>/<revision>` for Knative's, and
    `svc:<namespace>/<service>:<port>` for a port of a plain Service.
    """

    key: str
    endpoints: tuple[Endpoint, ...] = ()
    protocol: Literal["http1", "h2c"] = "http1"  # what the replicas speak; gRPC needs h2c
    container_concurrency: int = 0  # hard limit per replica; 0 means none
    # Requests at once per replica up to which batch requests start; 0: as many as may run at all.
    batch_concurrency: int = 8
    queue_requests: int = 10_000  # places to wait; more are refused with 503
    queue_bytes: int = 256 * 2**20  # bodies held while waiting; more are refused with 503
    timeout_s: float = 300.0  # whole exchange, waiting and cold start included: 504
    wait_s: float | None = None  # longest wait while there is no replica: 503; None: as timeout_s
    response_start_timeout_s: float | None = None  # None: off
    idle_timeout_s: float | None = None  # None: off
    keep_samples_s: int = 60  # the revision's longest window; at most 3600
    idempotent: bool = False  # the service says that its calls may be repeated
    headers: tuple[tuple[str, str], ...] = ()  # added to every request sent upstream
    trouble: str | None = None  # why no replica can serve, for the answers to who waited in vain


class Split(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A share of a route's traffic. `percent` is a weight: those of a route need not add up to 100."""

    revision: str  # Revision.key
    percent: int
    headers: tuple[tuple[str, str], ...] = ()  # added to requests that go this way


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests that go to one revision whatever the weights say. Exactly one of `header` and `cookie`.

    Matches when the request's value is one of `values`, or when `pattern` (a regular expression) is
    found in it; with neither, when there is one at all. The first rule that matches decides.
    """

    revision: str  # Revision.key
    header: str | None = None  # its name, in any case
    cookie: str | None = None  # its name, as written
    values: tuple[str, ...] = ()
    pattern: str | None = None
    headers: tuple[tuple[str, str], ...] = ()  # added to requests that go this way


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a branch asks of a request's path (without query), its method or a header.

    `prefix` is of characters, not of path elements; `regex` must match all of the value; `present` asks
    only whether the header is there. `negated`: the opposite is asked.
    """

    on: Literal["path", "method", "header"]
    name: str | None = None  # of the header, in any case
    how: Literal["exact", "prefix", "regex", "present"] = "exact"
    value: str = ""
    negated: bool = False


class Branch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests that pass all its checks, and where they go.

    `rewrite`: instead of the part of the path that its `exact` or `prefix` check names (without one: of
    the `/` that all begin with) replicas are sent this. None: the path stays.
    """

    splits: tuple[Split, ...]
    checks: tuple[Check, ...] = ()
    rewrite: str | None = None


class Sticky(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same value of a header or cookie goes to the same split as long as the weights allow.

    A request without it is shared out by weight; a missing `cookie` is set on the answer. Both: the
    header first. Neither means nothing.
    """

    header: str | None = None
    cookie: str | None = None


class Shadow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A share of a route's requests that is sent to another revision as well; its answers are thrown
    away. Left out when too much of that is going on already: the original is never delayed."""

    revision: str  # Revision.key
    percent: int  # of all requests of the route, 0 to 100


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hosts (lower case; `*.x` is a wildcard, "" any host) and where their requests go. A host with a
    port (`x:9090`) goes before the same without; without, any port of the Host header is meant.

    `one_label`: its wildcards stand for one label, as in an Ingress; else for any number of them.
    `path_prefix` is how clients that can't set a Host reach it on the gateway's own address:
    `/<namespace>/<name>`; the prefix is cut off before forwarding. None: hosts only.
    `path` limits it to a part of its hosts, as an Ingress does: by whole path elements (`Prefix`) or
    to the byte (`Exact`); the longest path wins, Exact before Prefix; nothing is cut. None: all paths.
    `models` are the names under which `/openai/v1/...` on the gateway's own address finds it.
    No splits: nothing serves it yet; requests get 503 with `trouble`, which says why.
    `branches` take the place of `splits`, `rules` and `sticky`: the first that fits a request has it;
    what fits none gets 404.
    `key` is unique and chosen by the control plane, e.g. `<namespace>/<route>` or with `#<tag>`.
    """

    key: str
    hosts: tuple[str, ...]
    splits: tuple[Split, ...]
    path_prefix: str | None = None
    trouble: str | None = None
    rules: tuple[Rule, ...] = ()
    path: str | None = None
    path_type: Literal["Exact", "Prefix"] = "Prefix"
    sticky: Sticky | None = None
    shadow: tuple[Shadow, ...] = ()
    redirect_https: bool = (
        False  # http requests are sent to https, where the host has a certificate
    )
    models: tuple[str, ...] = ()
    openai_path: str = "/v1"  # what the server itself calls `/openai/v1`
    branches: tuple[Branch, ...] = ()
    one_label: bool = False


class Certificate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What HTTPS clients of these hosts are shown. `*.x` stands for one label, "" for everybody who
    names no host that another certificate has. `key` is unique and chosen by the control plane."""

    key: str
    hosts: tuple[str, ...]
    chain: str  # PEM, the host's own certificate first
    private_key: str  # PEM, not encrypted


# --- control plane to gateway


class Snapshot(Message, frozen=True, kw_only=True, tag=True):
    """The whole table. What the gateway has and this lacks is removed (and drained)."""

    seq: int
    revisions: tuple[Revision, ...]
    routes: tuple[Route, ...]
    certificates: tuple[Certificate, ...] = ()
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


class CertificateChanged(Message, frozen=True, kw_only=True, tag=True):
    """`certificate` None: it is gone."""

    seq: int
    key: str
    certificate: Certificate | None


# --- gateway to control plane


class Hello(Message, frozen=True, kw_only=True, tag=True):
    """First message on each connection. `boot` is new whenever a gateway process starts.

    `alone_since_s`: when this gateway lost its last control plane; None: it never had one.
    """

    pid: int
    boot: str
    seq: int  # last one in force, 0 for none (also after a restart with the table from disk: then that one)
    alone_since_s: float | None = None


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
    # Whole requests as clients saw them, answered in this second, whoever answered: bucket -> how many
    # (`routing.latency` has the edges). Those whose client left are not in it.
    latency_buckets: dict[int, int] = {}
    cold_starts: int = 0  # arrivals that had to wait because there was no replica at all
    # Batch requests, which are in none of the above: arrivals, at replicas and at the gate right now, and
    # those that gave way to others. They show in `concurrency` as a trace, so that one replica stays.
    batch: int = 0
    batch_running: int = 0
    batch_waiting: int = 0
    batch_yielded: int = 0
    tokens: int = (
        0  # that answers of the OpenAI API brought clients in this second (`gateway.tokens`)
    )


class RouteSample(Message, frozen=True, kw_only=True, tag=True):
    """About one second of one route that had requests. Not kept and not sent again: a second in which
    no control plane listened is missing."""

    route: str  # Route.key
    at_s: float  # end of the second, monotonic
    requests: int  # arrivals
    errors: int  # 5xx answers, ours and theirs


class Wake(Message, frozen=True, kw_only=True, tag=True):
    """A request found no replica. Sent at once, and again each second while any still waits."""

    revision: str
    at_s: float
    waiting: int


class FirstByte(Message, frozen=True, kw_only=True, tag=True):
    """The first answer of a replica began after requests had found none: the end of a cold start."""

    revision: str
    at_s: float


class Drained(Message, frozen=True, kw_only=True, tag=True):
    """A draining (or removed) replica has answered its last request."""

    revision: str
    endpoint: str


ToGateway = Snapshot | RevisionChanged | RouteChanged | CertificateChanged
FromGateway = Hello | Ack | Sample | RouteSample | Wake | FirstByte | Drained

_encoder = msgspec.json.Encoder()
decode_to_gateway = msgspec.json.Decoder(ToGateway).decode
decode_from_gateway = msgspec.json.Decoder(FromGateway).decode


def encode(message: ToGateway | FromGateway) -> bytes:
    """One line, newline included."""
    return _encoder.encode(message) + b"\n"
