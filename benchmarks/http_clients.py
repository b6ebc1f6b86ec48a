"""CPU per request of the client that adapters and batch runs send with, beside aiohttp and httpx.

    python benchmarks/http_clients.py [--requests N] [--rounds N] [--in-flight N]

Each sends the same event (9 headers, 210 bytes) to a server in another process, in turn, in this one; utime +
stime divided by the requests. The first round of each warms and is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import statistics
from collections.abc import Awaitable, Callable
from multiprocessing.queues import Queue
from typing import cast

import httptools

_HEADERS = [
    *((f"ce-{name}", f"value-of-{name}") for name in ("id", "source", "type", "specversion")),
    *((f"ce-{name}", f"value-of-{name}") for name in ("subject", "time", "key", "partitionkey")),
    ("content-type", "application/json"),
]
_BODY = b'{"x": "%s"}' % (b"a" * 200)
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

Ask = Callable[[], Awaitable[int]]


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)


def _serve(ports: Queue[int]) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def _ask_all(ask: Ask, requests: int, in_flight: int) -> None:
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            assert await ask() == 200

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(worker())


async def ours(port: int, requests: int, in_flight: int) -> None:
    from tidegate.kit.http_client import HttpClient, Origin

    client = HttpClient(Origin("127.0.0.1", port))

    async def ask() -> int:
        return (await client.send("POST", "/x", _HEADERS, _BODY, timeout_s=10)).status

    await _ask_all(ask, requests, in_flight)
    client.close()


async def with_aiohttp(port: int, requests: int, in_flight: int) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:

        async def ask() -> int:
            url = f"http://127.0.0.1:{port}/x"
            async with session.post(url, data=_BODY, headers=_HEADERS) as answer:
                await answer.read()
                return answer.status

        await _ask_all(ask, requests, in_flight)


async def with_httpx2(port: int, requests: int, in_flight: int) -> None:
    import httpx2

    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx2.AsyncClient(limits=limits) as client:

        async def ask() -> int:
            url = f"http://127.0.0.1:{port}/x"
            return (await client.post(url, content=_BODY, headers=_HEADERS)).status_code

        await _ask_all(ask, requests, in_flight)


def _cpu_us() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=50)
    args = parser.parse_args()
    ports: Queue[int] = multiprocessing.get_context("spawn").Queue()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(ports,), daemon=True)
    server.start()
    port = ports.get(timeout=20)
    clients = {"ours": ours, "aiohttp": with_aiohttp, "httpx2": with_httpx2}
    spent: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(args.rounds + 1):
        for name, client in clients.items():
            before = _cpu_us()
            asyncio.run(client(port, args.requests, args.in_flight))
            if turn:
                spent[name].append((_cpu_us() - before) / args.requests)
    for name, each in spent.items():
        middle = statistics.median(each)
        print(f"{name:8} {middle:6.0f} µs a request ({min(each):.0f} to {max(each):.0f})")
    server.terminate()
    server.join()


if __name__ == "__main__":
    main()
