"""From a fork of the zygote to what `python -m <server>` would be: arguments, seeds, module path, then `main`."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.start import forked_at
from tidegate.runtimes.zygote.births import Born
from tidegate.runtimes.zygote.preload import server_of


def run(born: Born, module: str) -> int:
    """The server's exit code."""
    server: Any = server_of(module)
    sys.argv = [server.__file__, *born.birth.argv[3:]]  # after `python -m module`
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())
    sys.modules["__main__"] = server
    _signals_as_python_sets_them()
    reseed()
    if "TZ" in os.environ:
        time.tzset()
    gc.enable()
    forked_at(RealClock().monotonic())
    main: Callable[[], int] = server.main
    born.runs()
    return main()


def reseed() -> None:
    """Each child its own randomness. `random` sees to itself at a fork, OpenSSL and `os.urandom` too; the hash
    seed can't be changed and is the zygote's."""
    random = getattr(sys.modules.get("numpy"), "random", None)
    if random is not None:
        random.seed()


def _signals_as_python_sets_them() -> None:
    """`settle` made them all default, as exec does; then an interpreter starts."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
