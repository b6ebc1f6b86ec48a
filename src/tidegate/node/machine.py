"""What the agent asks of the machine besides processes: ports, connections, programs, its size.

`Machine` is the Protocol; `LocalMachine` is this one. Tests bring one of their own.
"""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import shutil
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidegate.link.keeper import Process
from tidegate.node.containers.strays import end_marked
from tidegate.node.gpus import real_cards
from tidegate.node.listeners import Holder, holder_of, listening_of
from tidegate.node.shortage import is_short
from tidegate.policy.gpu_cards import Card

LOOPBACK = "127.0.0.1"
_OUTPUT_BYTES = 10 * 1024  # of an exec probe, as the kubelet keeps


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one probe or hook. `detail` says what went wrong, for an event. `made` False: this machine was
    short of something and could not even try, which says nothing about who was to be asked."""

    ok: bool
    detail: str = ""
    made: bool = True


def _failed(what: str, why: OSError) -> Outcome:
    return Outcome(False, f"{what}: {why.strerror or why}", made=not is_short(why.errno))


@dataclass(frozen=True, slots=True)
class HttpGet:
    """One request without a body to a port of this machine; a GET if nothing else is said."""

    port: int
    path: str = "/"
    https: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine's size and names. `memory_bytes` and `cpu_milli` respect cgroup limits."""

    hostname: str
    cpu_milli: int
    memory_bytes: int
    architecture: str
    kernel: str
    os_image: str
    boot_id: str
    machine_id: str


class Machine(Protocol):
    """Every call is bounded; none raises for what it looks at."""

    def facts(self) -> Facts: ...

    def cards(self) -> tuple[Card, ...]:
        """Its GPUs."""
        ...

    def port_is_free(self, number: int) -> bool: ...

    def find_program(self, name: str, path: str) -> str | None:
        """The full path of a program, or None."""
        ...

    def holder(self, port: int, process: Process) -> Holder: ...

    def listening(self, process: Process) -> tuple[tuple[int, bool], ...]: ...

    async def tcp_open(self, port: int, *, timeout_s: float) -> Outcome: ...

    async def http_get(self, request: HttpGet, *, timeout_s: float) -> Outcome: ...

    async def grpc_health(self, port: int, service: str, *, timeout_s: float) -> Outcome: ...

    async def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str, *, timeout_s: float
    ) -> Outcome: ...


class LocalMachine:
    """`Machine` over Linux' own interfaces."""

    def facts(self) -> Facts:
        uname = os.uname()
        return Facts(
            hostname=uname.nodename.lower(),
            cpu_milli=_cpu_milli(),
            memory_bytes=_memory_bytes(),
            architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(uname.machine, uname.machine),
            kernel=uname.release,
            os_image=_os_image(),
            boot_id=_text("/proc/sys/kernel/random/boot_id"),
            machine_id=_text("/etc/machine-id"),
        )

    def cards(self) -> tuple[Card, ...]:
        return real_cards()

    def port_is_free(self, number: int) -> bool:
        """Bound on all addresses without SO_REUSEADDR: also a port in TIME_WAIT is left alone,
        since many servers could not bind it."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("0.0.0.0", number))
            except OSError:
                return False
        return True

    def find_program(self, name: str, path: str) -> str | None:
        return shutil.which(name, path=path)

    def holder(self, port: int, process: Process) -> Holder:
        """Nobody, as far as it can be seen: where there are no descriptors, one looks again."""
        try:
            return holder_of(port, process)
        except OSError:
            return Holder.NOBODY

    def listening(self, process: Process) -> tuple[tuple[int, bool], ...]:
        try:
            return listening_of(process)
        except OSError:
            return ()

    async def tcp_open(self, port: int, *, timeout_s: float) -> Outcome:
        """A refusal on loopback is known at once, without a turn of the loop: this is asked often."""
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        except OSError as why:
            return _failed(f"dial tcp {LOOPBACK}:{port}", why)
        with sock:
            sock.setblocking(False)
            code = sock.connect_ex((LOOPBACK, port))
            if code == errno.EINPROGRESS:
                try:
                    async with asyncio.timeout(timeout_s):
                        await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
                except TimeoutError:
                    return Outcome(False, f"dial tcp {LOOPBACK}:{port}: i/o timeout")
                except OSError as why:
                    code = why.errno or errno.ECONNREFUSED
                else:
                    code = 0
        if code == 0:
            return Outcome(True)
        return Outcome(False, f"dial tcp {LOOPBACK}:{port}: {os.strerror(code).lower()}")

    async def http_get(self, request: HttpGet, *, timeout_s: float) -> Outcome:
        try:
            async with asyncio.timeout(timeout_s):
                status = await _get(request)
        except TimeoutError:
            return Outcome(False, f"Get {_url(request)}: no answer within {timeout_s:g}s")
        except (OSError, ValueError, asyncio.IncompleteReadError) as why:
            made = not (isinstance(why, OSError) and is_short(why.errno))
            what = f"Get {_url(request)}: {str(why) or type(why).__name__}"
            return Outcome(False, what, made=made)
        if 200 <= status < 400:
            return Outcome(True)
        return Outcome(False, f"HTTP probe failed with statuscode: {status}")

    async def grpc_health(self, port: int, service: str, *, timeout_s: float) -> Outcome:
        try:
            from tidegate.node.grpc_health import grpc_health  # HPACK, which few need

            problem = await grpc_health(port, service, timeout_s=timeout_s)
        except OSError as why:
            return _failed(f"error: health rpc to {LOOPBACK}:{port}", why)
        return Outcome(problem is None, problem or "")

    async def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str, *, timeout_s: float
    ) -> Outcome:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(env),
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as why:
            return _failed(argv[0], why)
        try:
            async with asyncio.timeout(timeout_s):
                output, _ = await process.communicate()
        except TimeoutError:
            return Outcome(False, f"command timed out: {' '.join(argv)!r} after {timeout_s:g}s")
        finally:
            if process.returncode is None:  # timed out or cancelled: its children as well
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                await process.wait()
                await asyncio.to_thread(end_marked, env)
        text = output[-_OUTPUT_BYTES:].decode(errors="replace").strip()
        return Outcome(process.returncode == 0, text or f"exit status {process.returncode}")


async def _get(request: HttpGet) -> int:
    """The status code; the body is not read. Raises OSError, ValueError."""
    context = None
    if request.https:  # as the kubelet: a probe does not verify certificates
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(LOOPBACK, request.port, ssl=context)
    try:
        headers = {"Host": f"{LOOPBACK}:{request.port}", "User-Agent": "kube-probe/1.32"}
        headers |= {"Accept": "*/*", "Connection": "close", **dict(request.headers)}
        if request.method != "GET":
            headers["Content-Length"] = "0"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode())
        line = await reader.readline()
        words = line.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise ValueError(f"malformed HTTP response {line[:40]!r}" if line else "EOF")
        return int(words[1])
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _url(request: HttpGet) -> str:
    return f'"{"https" if request.https else "http"}://{LOOPBACK}:{request.port}{request.path}"'


def _cpu_milli() -> int:
    cores = len(os.sched_getaffinity(0)) * 1000
    quota, _, period = _text("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        return min(cores, int(quota) * 1000 // int(period))
    return cores


def _memory_bytes() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _text("/sys/fs/cgroup/memory.max")
    return min(total, int(limit)) if limit.isdecimal() else total


def _os_image() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return "Linux"


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
