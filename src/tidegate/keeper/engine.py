"""The keeper, wired: one loop that owns the table, the pods, the parts and the control socket."""

import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import tidegate
from tidegate.keeper import proc
from tidegate.keeper.errors import BadRequest, KeeperError, Stopping
from tidegate.keeper.leader import reap_orphans
from tidegate.keeper.listen import address_of
from tidegate.keeper.lock import Lock
from tidegate.keeper.loop import Loop
from tidegate.keeper.parts import CONTROL_PLANE, GATEWAY, Backstage, Parts, PartSpec
from tidegate.keeper.pods import Pods, Surroundings
from tidegate.keeper.regain import living, regain
from tidegate.keeper.requests import name_of, part_of, signal_of, spec_of
from tidegate.keeper.server import Answer, Connection, Server
from tidegate.keeper.settings import read_settings, write_addresses
from tidegate.keeper.shutdown import Shutdown
from tidegate.keeper.strays import complete, living_parts
from tidegate.keeper.sweep import Sweeper
from tidegate.keeper.table import load, wire_list, write_whole
from tidegate.kit.home import Home
from tidegate.link.keeper import Process, to_wire
from tidegate.link.unix import listen_unix

_REAP_AGAIN_S = 1.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class World:
    """What the entry point hands in. `given`: listening sockets that the starter held."""

    monotonic: Callable[[], float]
    now_ns: Callable[[], int]
    report: Callable[[str], None]
    environ: Mapping[str, str]
    given: Mapping[str, int]


class Engine:
    """Holds `lock` from the first line on. Making it serves; `run` goes on until shutdown is done."""

    def __init__(self, home: Home, lock: Lock, world: World) -> None:
        self._home, self._lock, self._world = home, lock, world
        self._loop = Loop(world.monotonic, world.report)
        self._shutdown: Shutdown | None = None
        self._stop_waiters: list[Answer] = []
        limits = _raise_own_limits()
        boot_id = proc.boot_id()
        self._table, complaint = load(home.processes)
        if complaint:
            world.report(complaint)
        settings = read_settings(home.settings)
        for stray in complete(
            self._table, living_parts(str(home.root), boot_id), known=settings.parts
        ):
            world.report(f"the {stray.name} (pid {stray.pid}) lives and was not recorded: adopted")
        self._sockets = regain(
            settings.addresses,
            settings.optional,
            given=world.given,
            gateway=home.sockets_socket,
            alive=living(self._table.parts, self._table.retired, boot_id),
            monotonic=world.monotonic,
            report=world.report,
        )
        write_addresses(
            home.settings,
            settings,
            {name: address_of(sock) for name, sock in self._sockets.items()},
        )
        sweeper = Sweeper(self._loop)
        self._server = Server(listen_unix(home.keeper_socket), self._loop, self._ask)
        self._pods = Pods(
            Surroundings(
                loop=self._loop,
                sweeper=sweeper,
                table=self._table,
                folder=home.pods,
                boot_id=boot_id,
                limits=limits,
                now_ns=world.now_ns,
                save=self._save,
                ended=self._ended,
            )
        )
        self._parts = Parts(
            self._part_specs(settings.parts),
            Backstage(
                loop=self._loop,
                sweeper=sweeper,
                table=self._table,
                boot_id=boot_id,
                environ=world.environ,
                save=self._save,
                started=self._part_started,
            ),
        )
        self._wakeup = self._listen_to_signals()
        self._pods.adopt()
        self._parts.adopt()

    def run(self) -> None:
        self._loop.run()
        self._server.close()
        self._loop.close()

    # --- requests

    def _ask(
        self, client: Connection, op: str, fields: Mapping[str, object], answer: Answer
    ) -> None:
        match op:
            case "status":
                answer(self._status())
            case "subscribe":
                client.subscribed = True
                answer({"processes": wire_list(self._table.entries)})
            case "spawn":
                self._refuse_when_stopping()
                self._pods.spawn(spec_of(fields), lambda result: answer(_process(result)))
            case "signal":
                self._pods.signal(name_of(fields), signal_of(fields))
                answer({})
            case "kill_tree":
                self._pods.kill_tree(name_of(fields), lambda result: answer(_killed(result)))
            case "forget":
                self._pods.forget(name_of(fields))
                answer({})
            case "restart":
                self._refuse_when_stopping()
                part = part_of(fields, (GATEWAY, CONTROL_PLANE))
                self._parts.restart(part, lambda result: answer(_pid(result)))
            case "shutdown":
                self._stop_waiters.append(answer)
                self._stop()
            case _:
                raise BadRequest(f"there is no op {op!r}")

    def _refuse_when_stopping(self) -> None:
        if self._shutdown is not None:
            raise Stopping

    def _status(self) -> dict[str, object]:
        return {
            "keeper": {"pid": os.getpid()},
            "gateway": {"pid": self._parts.pid(GATEWAY)},
            "control_plane": {"pid": self._parts.pid(CONTROL_PLANE)},
            "version": tidegate.__version__,
            "listening": {name: address_of(sock) for name, sock in self._sockets.items()},
            "processes": len(self._table.entries),
            "stopping": self._shutdown is not None,
        }

    # --- events

    def _ended(self, process: Process) -> None:
        self._server.publish({"event": "exited", "process": to_wire(process)})
        if self._shutdown is not None:
            self._shutdown.look()

    def _part_started(self, part: str, pid: int, restarts: int) -> None:
        self._server.publish({"event": "part", "part": part, "pid": pid, "restarts": restarts})

    def _save(self) -> None:
        write_whole(self._home.processes, self._table.render())

    def _part_specs(self, argvs: Mapping[str, tuple[str, ...]]) -> dict[str, PartSpec]:
        fds = {name: sock.fileno() for name, sock in self._sockets.items()}
        logs = self._home.logs
        return {
            GATEWAY: PartSpec(GATEWAY, argvs[GATEWAY], logs / "gateway.log", fds),
            # The gateway's socket too, though it never accepts on it: whoever lives longest has them
            # all, and connections wait in the backlog instead of being refused.
            CONTROL_PLANE: PartSpec(
                CONTROL_PLANE, argvs[CONTROL_PLANE], logs / "control-plane.log", fds
            ),
        }

    # --- signals

    def _listen_to_signals(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, _note)
        self._loop.watch(ours.fileno(), lambda _: self._signalled(ours.recv(4096)))
        return theirs

    def _signalled(self, numbers: bytes) -> None:
        if any(number in numbers for number in _STOP_SIGNALS):
            self._stop()
        if signal.SIGCHLD in numbers:
            self._reap()

    def _reap(self) -> None:
        try:
            reap_orphans(self._pods.pids | self._parts.pids)
        except OSError:
            self._loop.after(_REAP_AGAIN_S, self._reap)

    # --- the end

    def _stop(self) -> None:
        if self._shutdown is None:
            self._shutdown = Shutdown(self._loop, self._pods, self._parts, self._close)
            self._shutdown.begin()

    def _close(self) -> None:
        """All is gone: leave nothing behind, then say so."""
        home = self._home
        self._server.stop_listening()
        for sock in self._sockets.values():
            sock.close()
        for path in home.run.iterdir():  # also what those left half made who were killed
            if path not in (home.settings, home.lock) and not path.is_dir():
                path.unlink(missing_ok=True)
        with suppress(OSError):
            (home.pods / ".output").rmdir()
        if home.memory.exists():
            from shutil import rmtree  # only now: the keeper stays small

            rmtree(home.memory, ignore_errors=True)
        self._lock.release()
        for answer in self._stop_waiters:
            answer({})
        self._loop.stop()


def _process(result: Process | KeeperError) -> Mapping[str, object] | KeeperError:
    return result if isinstance(result, KeeperError) else {"process": to_wire(result)}


def _killed(result: list[int] | KeeperError) -> Mapping[str, object] | KeeperError:
    return result if isinstance(result, KeeperError) else {"killed": result}


def _pid(result: int | KeeperError) -> Mapping[str, object] | KeeperError:
    return result if isinstance(result, KeeperError) else {"pid": result}


def _note(number: int, frame: object) -> None:
    """The wakeup descriptor has told the loop already."""


def _raise_own_limits() -> dict[int, tuple[int, int]]:
    """Four descriptors a pod: take all we may. What pods get instead: the limit we were given."""
    given = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (given[1], given[1]))
    return {resource.RLIMIT_NOFILE: given}
