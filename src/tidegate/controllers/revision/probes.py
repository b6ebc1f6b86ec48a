"""Probes as Knative rewrites them: all of them ask the user's port."""

from __future__ import annotations

import msgspec

from tidegate.model.containers import Probe, TCPSocketAction
from tidegate.model.wire import IntOrString


def readiness(probe: Probe | None, port: int) -> Probe:
    """Knative probes a pod itself, at once and often, until it answers; here the node agent does.

    periodSeconds 0 or absent means that aggressive way, which is how the agent starts anyway, so a
    period of 1 s says it in Kubernetes' terms.
    """
    given = probe or Probe()
    if not (given.http_get or given.tcp_socket or given.exec or given.grpc):
        given = msgspec.structs.replace(given, tcp_socket=TCPSocketAction(port=port))
    aggressive = not given.period_seconds
    placed = at_user_port(given, port)
    assert placed is not None
    return msgspec.structs.replace(
        placed,
        period_seconds=1 if aggressive else given.period_seconds,
        timeout_seconds=given.timeout_seconds or 1,
        success_threshold=given.success_threshold or 1,
        failure_threshold=given.failure_threshold or 3,
    )


def at_user_port(probe: Probe | None, port: int) -> Probe | None:
    """Probes go to the user's port; a port that isn't given (or 0) means that one."""
    if probe is None:
        return None
    if probe.http_get is not None and _is_user_port(probe.http_get.port):
        action = msgspec.structs.replace(probe.http_get, port=port)
        return msgspec.structs.replace(probe, http_get=action)
    if probe.tcp_socket is not None and _is_user_port(probe.tcp_socket.port):
        tcp = msgspec.structs.replace(probe.tcp_socket, port=port)
        return msgspec.structs.replace(probe, tcp_socket=tcp)
    return probe


def _is_user_port(port: IntOrString | None) -> bool:
    # A named port can only be the container's one port: admission has seen to that.
    return not port or isinstance(port, str)
