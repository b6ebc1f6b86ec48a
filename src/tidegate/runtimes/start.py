"""From a command line to a listening server: the order of things, and what is said when it fails.

    bind the port -> load the model on a thread, import the server meanwhile -> listen -> "ready"

Loading weights leaves the interpreter free, so importing uvicorn costs nothing beside a model of
any size. What we print is one line on stderr: ready with its times, or why not.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from tidegate.kit.clock import Clock
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.errors import CannotListen, StartError


@dataclass(frozen=True, slots=True)
class Plan:
    """A server to start. `load` makes the backend; it runs on a thread of its own.

    `shell` makes the application from what `Shell` is made from; None: a `Shell`. To connections to
    `unserved_ports` nothing is said: they are ended at once.
    """

    program: str  # how it calls itself on stderr
    name: str
    host: str
    port: int
    load: Callable[[], Backend]
    also: frozenset[str] = frozenset()
    api_keys: frozenset[str] = frozenset()
    max_body_bytes: int | None = None
    shell: Callable[..., Any] | None = None
    unserved_ports: tuple[int, ...] = ()


def run(program: str, read_plan: Callable[[], Plan], clock: Clock) -> int:
    """Serve until told to stop; the process's exit code. Never raises `StartError`."""
    try:
        _serve(read_plan(), clock)
    except StartError as error:
        sys.stderr.write(f"{program}: {error}\n")
        sys.stderr.flush()
        # Not `return`: a thread of a half-loaded library must not be torn down with Python.
        os._exit(error.exit_code)
    return 0


def _serve(plan: Plan, clock: Clock) -> None:
    began_s, main_s = _process_began_s(), clock.monotonic()
    _leave_at_once_on_signals()
    listener = bind(plan.host, plan.port)
    loading = _Loading(plan.load, clock)

    from tidegate.runtimes.drain import Drain
    from tidegate.runtimes.listen import end_connections, serve
    from tidegate.runtimes.shell import Served, Shell
    from tidegate.runtimes.workers import Workers

    imported_s = clock.monotonic()
    backend = loading.result()
    gc.collect()
    gc.freeze()  # a model's objects are never garbage: keep later collections away from them
    workers, drain = Workers(backend.about.parallel, clock), Drain()
    served = Served(plan.name, plan.also, plan.api_keys, plan.max_body_bytes)
    shell = (plan.shell or Shell)(
        served, backend, workers=workers, drain=drain, clock=clock, new_id=lambda: str(uuid4())
    )

    def say_ready() -> None:
        now_s = clock.monotonic()
        sys.stderr.write(
            f"{plan.program}: {plan.name} ready on {plan.host}:{listener.getsockname()[1]}"
            f" after {now_s - began_s:.2f} s (python {main_s - began_s:.2f},"
            f" server imports {imported_s - main_s:.2f}, model {loading.took_s:.2f} beside it)\n"
        )
        sys.stderr.flush()

    unserved = [taken for port in plan.unserved_ports if (taken := _unserved(plan, port))]
    beside = partial(end_connections, unserved) if unserved else None
    serve(shell, listener, drain=drain, clock=clock, on_listening=say_ready, beside=beside)
    workers.close()
    backend.close()


def _unserved(plan: Plan, port: int) -> socket.socket | None:
    """A listener for nobody; None when the port is taken, which loses nothing, or isn't the pod's: as
    nobody declared it, nobody asks there, and it would be the machine's."""
    own = os.environ.get("TIDEGATE_PORTS")
    if own is not None and str(port) not in own.split(","):
        return None
    try:
        return bind(plan.host, port)
    except CannotListen as why:
        sys.stderr.write(f"{plan.program}: {why} (nothing is served there anyway)\n")
        return None


class _Loading:
    """A backend being loaded on a daemon thread: a signal may end the process in the middle."""

    def __init__(self, load: Callable[[], Backend], clock: Clock) -> None:
        self._load, self._clock = load, clock
        self._loaded: Backend | None = None
        self._failed: BaseException | None = None
        self.took_s = 0.0
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def result(self) -> Backend:
        """Wait for it. Raises what loading raised."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed
        assert self._loaded is not None
        return self._loaded

    def _run(self) -> None:
        began_s = self._clock.monotonic()
        try:
            self._loaded = self._load()
        except BaseException as why:  # noqa: BLE001 - raised again by `result`
            self._failed = why
        self.took_s = self._clock.monotonic() - began_s


def _leave_at_once_on_signals() -> None:
    """Until there is something in flight, a signal to stop just ends the process.

    `os._exit`, because a library that is half loaded on another thread must not be torn down.
    """

    def leave(_sig: int, _frame: FrameType | None) -> None:
        sys.stderr.flush()
        os._exit(0)

    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, leave)


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound and doesn't listen yet. Raises `CannotListen`."""
    try:
        (family, kind, proto, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        bound = socket.socket(family, kind, proto)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as why:
        raise CannotListen(host, port, why.strerror or str(why)) from why
    bound.setblocking(False)
    return bound


def _process_began_s() -> float:
    """When this process was started, on the monotonic clock of Linux (10 ms steps)."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK")
