"""A guess at why a program ended before it listened: it may insist on its own port."""

from __future__ import annotations

from collections.abc import Collection

from tidegate.model.containers import Container
from tidegate.model.pods import LocalPort
from tidegate.node.machine import Machine
from tidegate.node.ports import ports_of

_PRIVILEGED = 1024  # below, not being able to bind means nothing


def fixed_port_hint(
    machine: Machine, ports: Collection[LocalPort], container: Container
) -> str | None:
    """For people; None: none of its declared ports is taken on this machine."""
    for port in ports_of(ports, container):
        taken = port.local_port != port.container_port and not machine.port_is_free(
            port.container_port
        )
        if taken and container.ports and port.container_port >= _PRIVILEGED:
            return (
                f"container {container.name} ended before it listened on {port.local_port} ($PORT), "
                f"and port {port.container_port}, which it declares, is taken on this machine: if the "
                "program always listens there, only one replica can run; let it listen on $PORT"
            )
    return None
