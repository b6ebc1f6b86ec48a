"""`python -m tidegate.sources.kafka`: runs until SIGTERM.

Exit codes: 0 ended after SIGTERM; 2 `K_SOURCE`, a secret or the port is wrong (one line on stderr says
what); 3 the extra `kafka` is not installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from typing import Any

import msgspec

from tidegate.kit.realtime import RealClock
from tidegate.sources.kafka.settings import SourceSettings, credentials, decoded
from tidegate.sources.kafka.starting import address_from, seconds_from, started
from tidegate.sources.serving import App, answer, serve_beside

USUAL_DRAIN_S = 20.0
"""With the last commit and leaving the group within the 30 s that pods usually have."""


def main() -> int:
    """Start, and say in one line what stands in the way of starting."""
    return started(_adapter)


def _adapter() -> Coroutine[Any, Any, None]:
    settings = decoded(os.environ, "K_SOURCE", SourceSettings)
    from tidegate.sources.kafka.adapter import Adapter

    async def run() -> None:
        drain_s = seconds_from(os.environ, "K_DRAIN_S", USUAL_DRAIN_S)
        adapter = Adapter(settings, credentials(os.environ), RealClock(), drain_s=drain_s)
        await serve_beside(app(adapter), address_from(os.environ), adapter.run)

    return run()


def app(adapter: Any) -> App:
    """Health, readiness, status and metrics."""

    async def call(scope: dict[str, Any], receive: Any, send: Any) -> None:
        match scope["path"]:
            case "/healthz":
                await answer(send, 200, "text/plain", b"ok\n")
            case "/readyz":
                said = adapter.status().message.encode() + b"\n"
                await answer(send, 200 if adapter.ready else 503, "text/plain", said)
            case "/status":
                body = msgspec.json.encode(adapter.status())
                await answer(send, 200, "application/json", body)
            case "/metrics":
                text = adapter.metrics().encode()
                await answer(send, 200, "text/plain; version=0.0.4", text)
            case path:
                await answer(send, 404, "text/plain", f"no page {path}\n".encode())

    return call


if __name__ == "__main__":
    sys.exit(main())
