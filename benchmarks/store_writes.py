"""How fast objects are written, and what one costs in memory.

    python benchmarks/store_writes.py [FOLDER]

Through the in-process API with the true admission, on a database in FOLDER (a temporary folder by
default; the file system decides what an fsync costs). Prints one line a measurement.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil
import uvloop

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.writes import Writes
from tidegate.kit.realtime import RealClock
from tidegate.model.containers import Container
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec, PodStatus
from tidegate.store import Database, Store, ThreadedJournal


def pod(name: str) -> Pod:
    labels = {"app": name, "serving.knative.dev/revision": f"{name}-00001"}
    return Pod(
        metadata=ObjectMeta(name=name, namespace="default", labels=labels),
        spec=PodSpec(containers=(Container(name="main", image="greeter:1"),)),
    )


def told(what: str, taken_s: list[float], whole_s: float) -> None:
    taken_s.sort()
    at = lambda share: taken_s[int(share * (len(taken_s) - 1))] * 1e3  # noqa: E731
    print(
        f"{what:44} {len(taken_s) / whole_s:8.0f}/s   "
        f"p50 {at(0.5):7.2f} ms   p99 {at(0.99):7.2f} ms"
    )


async def creates(api: LocalApi, prefix: str, *, count: int, writers: int) -> None:
    taken_s: list[float] = []

    async def write(number: int) -> None:
        for i in range(count // writers):
            start = time.perf_counter()
            await api.create(pod(f"{prefix}{number}-{i}"))
            taken_s.append(time.perf_counter() - start)

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(writers):
            group.create_task(write(number))
    told(f"create, {writers} at a time, {prefix}", taken_s, time.perf_counter() - start)


async def statuses(api: LocalApi, *, count: int) -> None:
    made = await api.create(pod("busy"))
    taken_s: list[float] = []
    begun = time.perf_counter()
    for i in range(count):
        start = time.perf_counter()
        status = PodStatus(phase="Running", message=str(i))
        await api.update_status(
            msgspec.structs.replace(made, status=status, metadata=_latest(made))
        )
        taken_s.append(time.perf_counter() - start)
    told("status of one object, one after another", taken_s, time.perf_counter() - begun)


def _latest(obj: Pod) -> ObjectMeta:
    return msgspec.structs.replace(obj.metadata, resource_version=None)


async def main(folder: Path) -> None:
    store = Store(ThreadedJournal(Database(folder / "state.db")))
    writes = Writes(store, Admission(lambda name: {}), RealClock())
    relaxed, durable = LocalApi(writes), LocalApi(writes, user="admin", durable=True)
    await ensure_namespaces(relaxed)
    await creates(relaxed, "warm", count=200, writers=1)
    await creates(durable, "durable", count=500, writers=1)
    await creates(durable, "durable-many", count=3000, writers=50)
    await creates(relaxed, "relaxed", count=2000, writers=1)
    gc.collect()
    before, had = psutil.Process().memory_info().rss, store.state().objects
    await creates(relaxed, "relaxed-many", count=10_000, writers=50)
    gc.collect()
    grown = psutil.Process().memory_info().rss - before
    print(f"memory of one more pod object: {grown / (store.state().objects - had) / 1024:.1f} KiB")
    before, had = psutil.Process().memory_info().rss, store.state().logged
    await statuses(relaxed, count=5000)
    gc.collect()
    grown = psutil.Process().memory_info().rss - before
    print(f"memory of one more entry in the watch log: {grown / 5000 / 1024:.2f} KiB")
    print(f"the file: {(folder / 'state.db').stat().st_size / 1e6:.1f} MB, {store.state()}")
    await store.close()
    start = time.perf_counter()
    again = Store(ThreadedJournal(Database(folder / "state.db")))
    took_s = time.perf_counter() - start
    print(f"opening it again: {took_s * 1e3:.0f} ms for {again.state().objects} objects")
    await again.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        uvloop.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary)))
