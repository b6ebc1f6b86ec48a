"""Questions to the network that nobody waits for: asked in the background, looked at when it suits.

A job that succeeded keeps its value; one that failed says why, and is asked again when somebody asks
for it after a pause that grows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from tidegate.kit.clock import Clock
from tidegate.modelcache.errors import CacheError
from tidegate.modelcache.values import Progress

log = logging.getLogger(__name__)

Work = Callable[[Callable[[Progress], None]], Awaitable[object]]
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 60.0
_MOST_AT_ONCE = 4  # each is a process of its own


@dataclass(slots=True)
class Job:
    """`value` None: not there yet. `why`: the last try failed so."""

    work: Work
    by: object = None  # what it is done with, such as keys
    running: bool = False
    progress: Progress | None = None
    value: object | None = None
    why: str | None = None
    again: bool = False  # whether time alone may help
    failures: int = 0
    due_s: float = 0.0  # not before, after a failure


class CacheJobs:
    """Owner of its tasks and of the jobs' records. `run` is its whole life."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[tuple[Hashable, ...], Job] = {}
        self._asked: asyncio.Queue[Job] = asyncio.Queue()
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._do(await self._asked.get()))

    def ask(
        self, key: tuple[Hashable, ...], work: Work, *, by: object = None, anew: bool = False
    ) -> Job:
        """The job of that key, started if it is new, has failed a while ago, or is asked for anew.

        `by`: what it is done with; by something else than failed it is tried at once."""
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = Job(work, by)
        if job.running or (job.value is not None and not anew):
            return job
        resting = job.why is not None and job.by == by and self._clock.monotonic() < job.due_s
        if resting and not anew:
            return job
        job.work, job.by, job.running = work, by, True
        self._asked.put_nowait(job)
        return job

    def knows(self, key: tuple[Hashable, ...]) -> bool:
        """Whether somebody is still interested."""
        return key in self._jobs

    def forget(self, *words: Hashable) -> None:
        """The jobs whose key has all of these words. What runs goes on to its end."""
        for key in [key for key in self._jobs if all(word in key for word in words)]:
            del self._jobs[key]

    async def _do(self, job: Job) -> None:
        def told(seen: Progress) -> None:
            job.progress = seen

        async with self._room:
            try:
                job.value = await job.work(told)
                job.why, job.failures = None, 0
            except CacheError as why:
                job.why, job.again = str(why), why.again
                job.failures += 1
                pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (job.failures - 1))
                job.due_s = self._clock.monotonic() + pause_s
            except Exception as why:  # the loop's edge: reported, asked again when somebody asks
                log.exception("a background look at a store failed")
                job.why, job.again, job.due_s = str(why), True, self._clock.monotonic() + 60.0
            finally:
                job.running, job.progress = False, None
