"""The gateway's own limits. Those of a revision come from the control plane."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """All in seconds or bytes. The defaults say why; only tests and benchmarks change them."""

    head_timeout_s: float = (
        30.0  # a request's head must be complete; nginx 60, HAProxy advises 5 to 10
    )
    keep_alive_s: float = (
        75.0  # an idle client is let go; nginx's number, longer than most clients' own
    )
    linger_s: float = 2.0  # after an early answer, read on so that a reset doesn't destroy it
    first_table_s: float = 10.0  # wait for a first control plane, a cold start of ours; then 503
    drain_s: float = 300.0  # after SIGTERM; the longest timeout a revision has by default
    connect_s: float = (
        3.0  # to a replica, which is on this machine; only SYNs lost to a full backlog take long
    )
    rest_s: float = 0.1  # first pause after a refused connection; doubles up to rest_max_s
    rest_max_s: float = 2.0
    upstream_idle_s: float = 60.0  # a kept connection to a replica is closed
    hold_bytes: int = (
        1024 * 1024
    )  # of one body, while it waits and for a repeat; the rest stays unread
    pipeline_bytes: int = (
        64 * 1024
    )  # read ahead of the request being served; then the client is not read
    half_closed_s: float = (
        60.0  # an upgraded connection of which one side has ended; Knative's own wait for them
    )
    max_streams: int = (
        250  # at once on one HTTP/2 connection; Go's number, which Knative's parts use
    )
    shadow_requests: int = 256  # copies at once; more are left out, so that the originals have room
    shadow_bytes: int = 64 * 2**20  # of their bodies together
    model_body_bytes: int = (
        16 * 2**20
    )  # of one body that is held until it says its model; several images go in
    model_bytes: int = 128 * 2**20  # of all of them together
    model_body_s: float = 300.0  # until such a body is complete
    attempts: int = 3  # times a request is sent, when repeating is safe
