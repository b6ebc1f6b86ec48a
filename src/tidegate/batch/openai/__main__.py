"""`python -m tidegate.batch.openai serve|work`: the server behind `/openai/v1/files` and `/batches`, and
what works on one batch."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tidegate.batch.errors import BatchError
from tidegate.batch.openai.shelf import Shelf
from tidegate.kit.home import Home
from tidegate.kit.realtime import RealClock


def main() -> int:
    """The process's exit code: 0 over or told to stop, 1 worth another try, 2 a wrong command."""
    parser = argparse.ArgumentParser(prog="openai-batch")
    parser.add_argument("action", choices=("serve", "work"))
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--batch")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    home = Home(asked.home)
    shelf = Shelf(home.root / "openai-batch")
    if asked.action == "serve":
        return _serve(home, shelf)
    if asked.batch is None:
        parser.error("work: --batch is missing")
    try:
        asyncio.run(_work(home, shelf, asked.batch))
    except BatchError as why:
        sys.stderr.write(f"openai-batch: {why}\n")
        return why.exit_code
    return 0


def _serve(home: Home, shelf: Shelf) -> int:
    import uvicorn

    from tidegate.batch.openai.app import BatchApi
    from tidegate.batch.openai.jobs import Jobs
    from tidegate.kit.http_server import http_config

    api = BatchApi(shelf, Jobs(home), RealClock())
    config = http_config(api, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
    server = uvicorn.Server(config)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            beside = tasks.create_task(api.look_after_all())
            await server.serve()
            beside.cancel()

    asyncio.run(run())
    return 0


async def _work(home: Home, shelf: Shelf, batch_id: str) -> None:
    from tidegate.batch.openai.work import Worker

    batch = shelf.batch(batch_id)
    if batch is None:
        raise BatchError(f"there is no batch {batch_id}")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Worker(shelf, batch, gateway_of(home), RealClock(), stop).run()


def gateway_of(home: Home) -> str:
    """Where the engine's gateway listens. Raises `BatchError`."""
    from tidegate.link.keeper_call import KeeperCall, KeeperCallFailed

    try:
        said: dict[str, Any] = KeeperCall(home).ask("status")
    except (KeeperCallFailed, OSError) as why:
        raise BatchError(str(why)) from why
    host, port = said["listening"]["gateway"][:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


if __name__ == "__main__":
    sys.exit(main())
