"""A pod as the gateway knows it: an endpoint while it is ready, a draining one while it goes."""

from __future__ import annotations

from tidegate.link.gateway import Endpoint
from tidegate.model import serving_names as names
from tidegate.model.conditions import is_true
from tidegate.model.pods import LocalPort, Pod


def serving_port(pod: Pod) -> LocalPort | None:
    """The local port that stands for the pod's serving port; None before the agent has given one."""
    ports = pod.status.tidegate.ports if pod.status and pod.status.tidegate else ()
    return next((p for p in ports if p.name == names.USER_PORT), ports[0] if ports else None)


def says_drained(pod: Pod) -> bool:
    """Whether the gateway is known to be through with it."""
    return pod.status is not None and is_true(pod.status.conditions, names.DRAINED)


def is_leaving(pod: Pod) -> bool:
    """Gets nothing new, but finishes what it has: it is going, or on its way to rest (docs/standby.md)."""
    meta = pod.metadata
    return meta.deletion_timestamp is not None or names.STANDBY in meta.labels


def endpoint(pod: Pod, port: LocalPort | None, *, unready_too: bool = False) -> Endpoint | None:
    """The pod's port as the gateway knows it; None if no request may go there (any more)."""
    if port is None or pod.status is None:
        return None
    going = is_leaving(pod)
    if going and says_drained(pod):
        return None
    if not (going or unready_too or is_true(pod.status.conditions, "Ready")):
        return None
    # A container that is started again may get another port: for the gateway that is another replica.
    id_ = f"{pod.metadata.uid}/{port.local_port}"
    stages = pod.status.tidegate.stages if pod.status.tidegate is not None else {}
    return Endpoint(
        id=id_, host="127.0.0.1", port=port.local_port, draining=going, stages=dict(stages)
    )


def pod_uid(endpoint_id: str) -> str:
    """The uid of the pod that an endpoint belongs to."""
    return endpoint_id.partition("/")[0]
