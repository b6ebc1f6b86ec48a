"""`python -m tidegate.modelcache.fetch`: the process that touches the network.

Reads one job from standard input, says how far it is on standard output, one JSON line each, and ends
with `fetched`, `listed`, `rehashed` or `failed`. It ends at once when its standard input does: whoever asked
is gone, the journal keeps what came, and the next process goes on from there. So a control plane that is
killed leaves no orphan, and being killed here loses nothing either.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime

from tidegate.modelcache.errors import CacheError, Interrupted
from tidegate.modelcache.fetching import Fetching
from tidegate.modelcache.jobs import (
    Failed,
    Going,
    Job,
    Listed,
    Said,
    decode_job,
    encode,
)
from tidegate.modelcache.remotes import Context, remote_of
from tidegate.modelcache.remotes.local import Local
from tidegate.modelcache.source import Kind, Source
from tidegate.modelcache.store import Store
from tidegate.modelcache.values import Progress
from tidegate.modelcache.verifying import verify

_ASKED = 0  # standard input, unbuffered


def main() -> int:
    """0: done; 1: failed, and said why."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for whoever asked
    job = decode_job(_first_line(_ASKED))
    threading.Thread(target=_end_with, args=(_ASKED,), daemon=True).start()
    told = sys.stdout.buffer
    speaking = threading.Lock()

    def say(word: Said) -> None:
        with speaking:
            try:
                told.write(encode(word))
                told.flush()
            except OSError:
                os._exit(1)  # nobody listens

    try:
        say(_done(job, lambda progress: say(Going(progress))))
    except CacheError as why:
        say(Failed(type(why).__name__, str(why)))
        return 1
    except OSError as why:
        what = Source(job.uri, job.access).shown if job.uri else "the cache"
        said = f"{what}: {why.strerror or why} ({why.filename or job.root}): mend it and ask again"
        say(Failed(Interrupted.__name__, said))
        return 1
    return 0


def _done(job: Job, say: Callable[[Progress], None]) -> Said:
    store = Store(Path(job.root), (), now=now)
    if job.do == "verify":
        return verify(store, job.key)
    source = Source(job.uri, job.access)
    if job.do == "fetch":
        return Fetching(store, job, say, now).run()
    if source.kind is Kind.FILE:
        return Listed(Local(source).listing())
    context = Context(job.patience, threading.Event(), now, lambda why: None)
    return Listed(remote_of(source, context).listing())


def now() -> float:
    """Unix seconds. Not by `kit.realtime`, whose asyncio would be a fifth of this process' start."""
    return clock_gettime(CLOCK_REALTIME)


def _first_line(fd: int) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        data = os.read(fd, 65536)
        if not data:
            sys.exit(1)
        found += data
    return found


def _end_with(fd: int) -> None:
    while os.read(fd, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    os._exit(main())  # at once: all that matters is on disk, and a thread waits for standard input
