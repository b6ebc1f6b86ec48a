"""Where the gateway is, as pods and clients are to be told."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from tidegate.ingress.balancers import GatewayAddress


def dialled(sockets: Mapping[str, socket.socket]) -> str | None:
    """`host:port` where pods reach the gateway; None: it has no socket."""
    if "gateway" not in sockets:
        return None
    host, port = sockets["gateway"].getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{here}]:{port}" if ":" in here else f"{here}:{port}"


def gateway_address(sockets: Mapping[str, socket.socket]) -> GatewayAddress | None:
    """Where clients reach the gateway: port 80 of an address of its own where that can be had. The
    keeper hands its sockets to every part."""
    name = "ingress" if "ingress" in sockets else "gateway"
    if name not in sockets:
        return None
    host, port = sockets[name].getsockname()[:2]
    secure = sockets.get(f"{name}-tls")
    return GatewayAddress(host, port, secure.getsockname()[1] if secure is not None else None)
