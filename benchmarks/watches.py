"""How soon 200 watchers hear of a write, and what ten thousand writes leave behind.

    python benchmarks/watches.py [--watchers 200] [--rounds 50] [--writes 10000]

One process with all the watchers (so its own reading counts too), HTTPS as clients speak it. The
latency is from before the write is sent until the last, and the median, watcher has its line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import ssl
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil
import uvloop

from tidegate.client.http import Access, read_kubeconfig
from tidegate.testing.engine import RunningEngine, running_engine

MAPS = "/api/v1/namespaces/default/configmaps"


@dataclass
class Wire:
    """One keep-alive HTTPS connection."""

    access: Access
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, access: Access) -> Wire:
        parts = urlsplit(access.server)
        context = ssl.create_default_context(cadata=access.ca)
        return cls(access, *await asyncio.open_connection(parts.hostname, parts.port, ssl=context))

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n"
            f"authorization: Bearer {self.access.token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)

    async def head(self) -> dict[str, str]:
        """Raises ValueError for an answer that is none."""
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        if status.split()[1] not in ("200", "201"):
            raise ValueError(f"{status}: {await self.reader.read(1000)!r}")
        return dict(line.lower().split(": ", 1) for line in lines if line)

    async def ask(self, method: str, path: str, value: Any = None) -> Any:
        self.send(method, path, b"" if value is None else json.dumps(value).encode())
        size = int((await self.head())["content-length"])
        return json.loads(await self.reader.readexactly(size))

    async def chunk(self) -> bytes:
        size = int(await self.reader.readline(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]


async def fan_out(access: Access, watchers: int, rounds: int) -> None:
    author = await Wire.open(access)
    made = await author.ask("POST", MAPS, config_map("seen", "0"))
    version = made["metadata"]["resourceVersion"]
    watching = [await Wire.open(access) for _ in range(watchers)]
    for wire in watching:
        wire.send("GET", f"{MAPS}?watch=true&resourceVersion={version}")
    for wire in watching:
        await wire.head()
    slowest, middle = [], []
    for number in range(1, rounds + 1):
        began = time.perf_counter()
        written = author.ask("PUT", f"{MAPS}/seen", config_map("seen", str(number)))
        heard = asyncio.gather(*(hears(wire) for wire in watching))
        _, at = await asyncio.gather(written, heard)
        slowest.append((max(at) - began) * 1e3)
        middle.append((statistics.median(at) - began) * 1e3)
    print(f"{watchers} watchers, {rounds} writes: milliseconds until a write is heard of")
    print(
        f"  by half of them  {statistics.median(middle):6.1f} in the middle, {max(middle):.1f} at worst"
    )
    print(
        f"  by all of them   {statistics.median(slowest):6.1f} in the middle, {max(slowest):.1f} at worst"
    )
    for wire in (author, *watching):
        wire.writer.close()


async def hears(wire: Wire) -> float:
    await wire.chunk()
    return time.perf_counter()


async def many_writes(engine: RunningEngine, access: Access, count: int) -> None:
    wires = [await Wire.open(access) for _ in range(20)]
    before, began = told(engine), time.perf_counter()

    async def write(number: int, wire: Wire) -> None:
        name = f"busy-{number}"
        await wire.ask("POST", MAPS, config_map(name, "0"))
        for value in range(1, count // len(wires)):
            await wire.ask("PUT", f"{MAPS}/{name}", config_map(name, "x" * 1000 + str(value)))

    async with asyncio.TaskGroup() as group:
        for number, wire in enumerate(wires):
            group.create_task(write(number, wire))
    took_s = time.perf_counter() - began
    print(f"{count} writes of 1 KiB, 20 at a time: {count / took_s:.0f}/s")
    print(f"  before {before}\n  after  {told(engine)}")
    for wire in wires:
        wire.writer.close()


def told(engine: RunningEngine) -> str:
    sizes = ", ".join(
        f"{path.name} {path.stat().st_size >> 10} KiB"
        for path in sorted(engine.home.glob("state.db*"))
    )
    process = psutil.Process(engine.pid("control_plane"))
    times = process.cpu_times()
    rss_mib = process.memory_info().rss / 2**20
    return f"{sizes}; control plane {rss_mib:.0f} MiB RSS, {times.user + times.system:.1f} s CPU"


def config_map(name: str, value: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"value": value}}


async def measure(engine: RunningEngine, args: argparse.Namespace) -> None:
    access = read_kubeconfig(engine.home / "kubeconfig")
    await fan_out(access, args.watchers, args.rounds)
    await many_writes(engine, access, args.writes)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--writes", type=int, default=10_000)
    args = parser.parse_args()
    with running_engine() as engine:
        uvloop.run(measure(engine, args))
    print(f"\n{platform.platform()}, Python {platform.python_version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
