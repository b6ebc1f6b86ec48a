"""What uvicorn is told where it serves in a pod: the gateway is its only client."""

from __future__ import annotations

from typing import Any, Final

import uvicorn

KEEP_ALIVE_S: Final = 620
"""Longer than the idle time of gateways and load balancers (600 s at most of those in use), so
that it is never this side that closes a connection as a request is put on it."""


def http_config(app: Any, **more: Any) -> uvicorn.Config:
    """For an ASGI `app`; the loop, the logs and the signals are the caller's. `more`: uvicorn's own options."""
    return uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        **more,
    )
