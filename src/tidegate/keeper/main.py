"""The keeper's entry point: `python -m tidegate.keeper`, or `link.keeper_start`.

Reads TIDEGATE_HOME and the home's settings. `--detach`: in the background, in a session of its own.
Exit code 0: it served and was shut down, or an engine runs already; 1: it could not serve, and
stderr says why in one line.
"""

import ctypes
import gc
import json
import os
import sys
from contextlib import suppress
from time import monotonic, time_ns

from tidegate.keeper.engine import Engine, World
from tidegate.keeper.errors import AlreadyRuns, NotServing
from tidegate.keeper.lines import timestamp
from tidegate.keeper.lock import acquire
from tidegate.kit.home import Home, home_from
from tidegate.link.keeper import FDS, MARK, PART, READY_FD

_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    given = _given_sockets()
    ready_fd = _ready_fd()
    _close_strange_fds({*given.values(), *(() if ready_fd is None else (ready_fd,))})
    if "--detach" in sys.argv[1:] and os.fork() > 0:
        return 0
    if "--detach" in sys.argv[1:]:
        os.setsid()
    home = home_from(os.environ)
    try:
        engine = _serve(home, given)
    except AlreadyRuns as why:
        _report(str(why))
        _ready(ready_fd, f"ok {why.pid}")
        return 0
    except (NotServing, OSError) as why:
        _report(str(why))
        _ready(ready_fd, f"error {why}")
        return 1
    _ready(ready_fd, f"ok {os.getpid()}")
    gc.freeze()  # a collection would touch, and after a fork copy, every page
    engine.run()
    return 0


def _serve(home: Home, given: dict[str, int]) -> Engine:
    home.make()
    lock = acquire(home, monotonic)
    _become_subreaper()
    ours = (FDS, READY_FD, MARK, PART)
    environ = {key: text for key, text in os.environ.items() if key not in ours}
    environ["TIDEGATE_HOME"] = str(home.root)
    return Engine(home, lock, World(monotonic, time_ns, _report, environ, given))


def _become_subreaper() -> None:
    """Orphans of pods come to us, not to init. Not in the standard library but through ctypes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        _report(f"orphans of pods will go to init: {os.strerror(ctypes.get_errno())}")


def _given_sockets() -> dict[str, int]:
    try:
        return {str(name): int(fd) for name, fd in json.loads(os.environ.get(FDS, "{}")).items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def _ready_fd() -> int | None:
    text = os.environ.get(READY_FD, "")
    if not text.isdigit():
        return None
    with suppress(OSError):
        os.set_inheritable(int(text), False)
        return int(text)
    return None


def _ready(fd: int | None, verdict: str) -> None:
    if fd is not None:
        with suppress(OSError):
            os.write(fd, verdict.encode())
        os.close(fd)


def _close_strange_fds(keep: set[int]) -> None:
    """Descriptors a careless starter left open would be inherited by every pod."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd not in keep:
            with suppress(OSError):
                os.close(fd)


def _report(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{timestamp(time_ns())} keeper[{os.getpid()}]: {text}\n")
        sys.stderr.flush()
