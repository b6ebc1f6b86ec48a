"""`python -m tidegate.sources.kafka_sink`: runs until SIGTERM. Exit codes as in `kafka.starting`."""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from typing import Any

from tidegate.kit.realtime import RealClock
from tidegate.sources.kafka.settings import credentials, decoded
from tidegate.sources.kafka.starting import address_from, started
from tidegate.sources.kafka_sink.settings import SinkSettings
from tidegate.sources.serving import serve_beside


def main() -> int:
    """Start, and say in one line what stands in the way of starting."""
    return started(_receiver)


def _receiver() -> Coroutine[Any, Any, None]:
    settings = decoded(os.environ, "K_SINK_CONFIG", SinkSettings)
    from tidegate.sources.kafka_sink.receiver import Receiver

    async def run() -> None:
        receiver = Receiver(settings, credentials(os.environ), RealClock())
        await serve_beside(receiver.app, address_from(os.environ), receiver.run)

    return run()


if __name__ == "__main__":
    sys.exit(main())
