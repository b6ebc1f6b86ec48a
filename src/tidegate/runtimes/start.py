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
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tidegate.kit.clock import Clock
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.errors import CannotListen, FrameworkMissing, StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tidegate.runtimes.grpc_plan import GrpcPlan


@dataclass(frozen=True, slots=True)
class Plan:
    """A server to start. `load` makes the backend; it runs on a thread of its own.

    `shell` makes the application from what `Shell` is made from; None: a `Shell`. To connections to
    `unserved_ports` nothing is said: they are ended at once. `grpc` None: none is spoken.
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
    grpc: GrpcPlan | None = None


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
    listener = bind(plan.host, _http_port(plan))
    loading = _Loading(plan.load, clock)

    from tidegate.runtimes.drain import Drain
    from tidegate.runtimes.listen import end_connections, serve
    from tidegate.runtimes.shell import Served, Shell
    from tidegate.runtimes.workers import Workers

    grpc, more_unserved = _loaded_grpc(plan)
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

    ports = (*plan.unserved_ports, *more_unserved)
    unserved = [taken for port in ports if (taken := _unserved(plan, port))]
    beside = partial(end_connections, unserved) if unserved else None
    first = None
    if grpc is not None:
        first = _opening_grpc(grpc, plan, backend, workers, drain)
    serve(
        shell,
        listener,
        drain=drain,
        clock=clock,
        on_listening=say_ready,
        beside=beside,
        first=first,
    )
    workers.close()
    backend.close()


def _http_port(plan: Plan) -> int:
    """Any that is free where the pod has a port for gRPC and none for HTTP: nobody asks there."""
    only_grpc = plan.grpc is not None and _is_own(plan.grpc.port) and not _is_own(plan.port)
    return 0 if only_grpc else plan.port


def _loaded_grpc(plan: Plan) -> tuple[GrpcPlan | None, tuple[int, ...]]:
    """The plan's gRPC with its libraries imported; or none, and the port that is left unserved."""
    wanted = plan.grpc
    if wanted is None or not _is_own(wanted.port):
        return None, ()
    from tidegate.runtimes import grpc_server

    try:
        grpc_server.load()
    except FrameworkMissing as why:
        sys.stderr.write(f"{plan.program}: no gRPC on port {wanted.port}: {why}\n")
        return None, (wanted.port,)
    return wanted, ()


def _opening_grpc(
    wanted: GrpcPlan, plan: Plan, backend: Any, workers: Any, drain: Any
) -> Callable[[], Awaitable[Callable[[], Awaitable[None]]]]:
    from tidegate.runtimes.grpc_server import open_grpc
    from tidegate.runtimes.grpc_service import Model

    model = Model(
        plan.name,
        plan.also | {plan.name},
        wanted.version,
        backend,
        workers,
        drain,
        new_id=lambda: str(uuid4()),
    )
    return lambda: open_grpc(wanted, plan.host, model)


def _is_own(port: int) -> bool:
    """Whether the pod declared the port: any other would be the machine's."""
    own = os.environ.get("TIDEGATE_PORTS")
    return own is None or str(port) in own.split(",")


def _unserved(plan: Plan, port: int) -> socket.socket | None:
    """A listener for nobody; None when the port is taken, which loses nothing, or isn't the pod's: as
    nobody declared it, nobody asks there, and it would be the machine's."""
    if not _is_own(port):
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


_forked: list[float] = []  # one number at most: when this process was asked of its zygote


def forked_at(now_s: float) -> None:
    """Told by a zygote's child: the process itself may have been made long before."""
    _forked[:] = [now_s]


def _process_began_s() -> float:
    """When this process was started, on the monotonic clock of Linux (10 ms steps if by exec)."""
    if _forked:
        return _forked[0]
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK")
