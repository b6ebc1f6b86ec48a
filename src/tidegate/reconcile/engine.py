"""Runs controllers: subscribes them to the API, feeds their queues, retries, reports.

Every controller has one queue and a few workers; the same key never runs twice at once. All tasks
live in the TaskGroup of `run`, whose cancellation is the shutdown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from tidegate.client.api import Api, Change, Unsubscribe
from tidegate.kit.clock import Clock
from tidegate.model.errors import ApiError, Conflict
from tidegate.model.meta import Key, Object
from tidegate.reconcile.controller import Again, Controller
from tidegate.reconcile.queue import WorkQueue

log = logging.getLogger(__name__)

#: Less than this may not move a clock at all: added to a big number it is rounded away, and a virtual
#: clock then stands still for ever.
_LEAST_WAIT_S = 1e-6
WORKERS = 4  # a look is mostly waiting for commits; more only helps with many keys at once


class Engine:
    """Owner of the queues. `settled` tells tests (and start-up) that no look is pending."""

    def __init__(self, api: Api, clock: Clock, controllers: Sequence[Controller]) -> None:
        self._api, self._clock = api, clock
        self._loops = [_Loop(controller, clock) for controller in controllers]
        self.primed = asyncio.Event()  # everything that was there at the start has been looked at

    async def run(self) -> None:
        """Run until cancelled."""
        undo = [self._subscribe(loop) for loop in self._loops]
        try:
            async with asyncio.TaskGroup() as tasks:
                for loop in self._loops:
                    loop.prime(self._api)
                    tasks.create_task(loop.keep_time(), name=f"{loop.controller.name} timer")
                    for n in range(WORKERS):
                        tasks.create_task(loop.work(), name=f"{loop.controller.name} {n}")
                tasks.create_task(self._tell_primed(), name="primed")
        finally:
            for stop in undo:
                stop()

    def look_at(self, controller: str, key: Key) -> None:
        """Have a controller look at a key for a reason that isn't an object's change."""
        for loop in self._loops:
            if loop.controller.name == controller:
                loop.add(key)

    @property
    def settled(self) -> bool:
        """No key is waiting or being looked at."""
        return all(loop.queue.idle for loop in self._loops)

    async def _tell_primed(self) -> None:
        for loop in self._loops:
            await loop.primed.wait()
        self.primed.set()

    def _subscribe(self, loop: _Loop) -> Unsubscribe:
        types = list({watch.type for watch in loop.controller.watches})
        return self._api.subscribe(types, loop.on_change)


class _Loop:
    def __init__(self, controller: Controller, clock: Clock) -> None:
        self.controller = controller
        self.queue = WorkQueue()
        self._clock = clock
        self._first: set[Key] = set()  # keys of the start that no look has ended for
        self.primed = asyncio.Event()
        self._wake = asyncio.Event()
        self._timer = asyncio.Event()

    def prime(self, api: Api) -> None:
        """Look once at everything that is there already."""
        for watch in self.controller.watches:
            for obj in api.list(watch.type):
                self._first.update(watch.keys(obj))
                self._add(watch.type, obj)
        self._tell()

    def _tell(self) -> None:
        if not self._first:
            self.primed.set()

    def on_change(self, change: Change) -> None:
        self._add(type(change.object), change.object)
        if change.old is not None:
            self._add(type(change.old), change.old)

    def add(self, key: Key) -> None:
        self.queue.add(key)
        self._wake.set()

    def _add(self, type_: type[Object], obj: Object) -> None:
        for watch in self.controller.watches:
            if watch.type is type_:
                for key in watch.keys(obj):
                    self.queue.add(key)
                    self._wake.set()

    async def work(self) -> None:
        while True:
            key = self.queue.take(self._clock.monotonic())
            if key is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                answer = await self.controller.reconcile(key)
            except Conflict:
                self.queue.failed(key, self._clock.monotonic())  # read again; not worth a line
            except Exception as why:  # the loop's edge: report, back off, go on
                pause_s = self.queue.failed(key, self._clock.monotonic())
                expected = isinstance(why, ApiError)
                log.log(
                    logging.WARNING if expected else logging.ERROR,
                    "%s %s: %s; again in %.3g s",
                    self.controller.name,
                    key,
                    why,
                    pause_s,
                    exc_info=None if expected else why,
                )
            else:
                due = answer.after_s if isinstance(answer, Again) else None
                now_s = self._clock.monotonic()
                self.queue.done(key, again_at_s=None if due is None else now_s + due)
            self._first.discard(key)
            self._tell()
            self._timer.set()
            self._wake.set()

    async def keep_time(self) -> None:
        """Wake a worker when a timed look is due."""
        while True:
            self._timer.clear()
            due = self.queue.next_due_s()
            wait_s = None if due is None else due - self._clock.monotonic()
            if wait_s is not None and wait_s > 0:
                wait_s = max(wait_s, _LEAST_WAIT_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self._timer.wait()
            except TimeoutError:
                self._wake.set()
                # let a worker take it before looking at the heap again
                await self._clock.sleep(0)
