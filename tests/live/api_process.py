"""The API server alone, as a process: `api_process.py FOLDER PORT`. Prints its port once it listens."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.asgi import ApiApp
from tidegate.apiserver.garbage import GarbageCollector
from tidegate.apiserver.kubeconfig import write_kubeconfig
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.pki import open_pki
from tidegate.apiserver.routes import Api
from tidegate.apiserver.server import serve
from tidegate.apiserver.tokens import Tokens
from tidegate.apiserver.writes import Writes
from tidegate.kit.realtime import RealClock
from tidegate.model.core import ConfigMap
from tidegate.store import Database, Store, ThreadedJournal


class TwoLines:
    """A log source: two lines, and a third one when followed."""

    async def read(
        self, namespace: str, pod: str, container: str, *, follow: bool, **_: object
    ) -> AsyncIterator[bytes]:
        async def chunks() -> AsyncIterator[bytes]:
            yield f"{namespace}/{pod}/{container}\n".encode()
            yield b"second\n"
            if follow:
                yield b"followed\n"

        return chunks()


async def main(folder: Path, port: int) -> None:
    clock = RealClock()
    store = Store(ThreadedJournal(Database(folder / "state.db")))

    def config(name: str) -> dict[str, str]:
        found = store.get(ConfigMap, "knative-serving", name)
        return found.data if found else {}

    writes = Writes(store, Admission(config), clock)
    pki = open_pki(folder / "pki", clock.now())
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await ensure_namespaces(LocalApi(writes))
        write_kubeconfig(folder / "kubeconfig", pki, port=port)
        async with asyncio.TaskGroup() as group:
            app = ApiApp(
                Api(writes, clock, logs=TwoLines()), token=pki.token, tokens=Tokens(folder / "pki")
            )
            tasks = [
                group.create_task(serve(app, listener, pki, clock)),
                group.create_task(GarbageCollector(writes, clock).run()),
            ]
            print(port, flush=True)  # noqa: T201 - whoever started it waits for this
            await stop.wait()
            for task in tasks:
                task.cancel()
    finally:
        await store.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2])))
