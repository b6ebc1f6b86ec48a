"""Collecting the instances of several `:predict` requests into one, and dealing the answer out.

Source: kserve pkg/batcher/handler.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tidegate.kit.clock import Clock
from tidegate.runtimes.agent.flags import Batching

#: (path, body) to (status, body).
Send = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]


@dataclass(slots=True)
class _Batch:
    instances: list[Any] = field(default_factory=list)
    waiting: list[tuple[int, int, asyncio.Future[tuple[int, bytes]]]] = field(default_factory=list)
    off: bool = False


class Batcher:
    """Owner of the batches that fill, one a path. Each goes off in a task that its clients wait for; what
    fails in it fails for all of them."""

    def __init__(self, plan: Batching, send: Send, clock: Clock, new_id: Callable[[], str]) -> None:
        self._plan, self._send, self._clock, self._new_id = plan, send, clock, new_id
        self._filling: dict[str, _Batch] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def predict(self, path: str, instances: list[Any]) -> tuple[int, bytes]:
        """Status and body for one client, once its batch was answered."""
        batch = self._filling.get(path)
        if batch is None:
            batch = self._filling[path] = _Batch()
            self._later(self._when_due(path, batch))
        begins = len(batch.instances)
        batch.instances += instances
        mine: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        batch.waiting.append((begins, len(batch.instances), mine))
        if len(batch.instances) >= self._plan.most_instances:
            self._later(self._go(path, batch))
        return await mine

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _when_due(self, path: str, batch: _Batch) -> None:
        await self._clock.sleep(self._plan.latest_s)
        await self._go(path, batch)

    async def _go(self, path: str, batch: _Batch) -> None:
        if batch.off:
            return
        batch.off = True
        if self._filling.get(path) is batch:
            del self._filling[path]
        try:
            sent = msgspec.json.encode({"instances": batch.instances})
            status, body = await self._send(path, sent)
        except BaseException:  # or its clients would wait for ever
            for _, _, client in batch.waiting:
                client.cancel()
            raise
        found = _predictions(body) if status == 200 else None
        batch_id = self._new_id()
        for begins, ends, client in batch.waiting:
            if client.done():  # the client left
                continue
            if status != 200:
                client.set_result((status, body))
            elif found is None or len(found) != len(batch.instances):
                message = "size of prediction is not equal to the size of instances"
                client.set_result((500, _answer(message, batch_id, None)))
            else:
                client.set_result((200, _answer("", batch_id, found[begins:ends])))


def instances_of(body: bytes) -> list[Any] | None:
    """The instances of a V1 request; None: it isn't one."""
    try:
        read = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    found = read.get("instances") if isinstance(read, dict) else None
    return found if isinstance(found, list) and found else None


def _predictions(body: bytes) -> list[Any] | None:
    try:
        read = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    found = read.get("predictions") if isinstance(read, dict) else None
    return found if isinstance(found, list) else None


def _answer(message: str, batch_id: str, predictions: list[Any] | None) -> bytes:
    return msgspec.json.encode(
        {"message": message, "batchId": batch_id, "predictions": predictions}
    )
