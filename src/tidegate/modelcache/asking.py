"""Starts the fetching process, hears what it says, and ends it when nobody asks any more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from signal import SIGKILL, Signals

import msgspec

from tidegate.modelcache.errors import Interrupted
from tidegate.modelcache.jobs import Failed, Going, Job, Said, decode_said, encode
from tidegate.modelcache.values import Progress

_LINE_BYTES = 64 << 20  # a listing of a hundred thousand files is one line
_END_S = 10.0


async def ask(python: str, job: Job, told: Callable[[Progress], None]) -> Said:
    """Its last word. Raises `CacheError`. Cancelled: the process ends; the journal keeps what came."""
    process = await asyncio.create_subprocess_exec(
        python,
        "-m",
        "tidegate.modelcache.fetch",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(encode(job))  # and stays open: its end is the process' end
        last: Said | None = None
        async for line in process.stdout:
            try:
                said = decode_said(line)
            except msgspec.DecodeError:
                continue  # a library that prints
            if isinstance(said, Going):
                told(said.progress)
            else:
                last = said
    finally:
        process.stdin.close()
        code = await _ended(process)
    if isinstance(last, Failed):
        raise last.error()
    if last is None:
        how = f"by {Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise Interrupted(
            f"{job.uri.partition('?')[0] or 'the cache'}: the fetching process ended {how} before it "
            "was done: what came is kept, ask again"
        )
    return last


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Its exit code. It ends by itself when its input does; one that is stopped is killed."""
    try:
        async with asyncio.timeout(_END_S):
            return await process.wait()
    except TimeoutError:
        os.kill(process.pid, SIGKILL)  # not `process.kill()`, whose look at the process may reap it
        return await process.wait()
