"""The real machine as the agent sees it: listeners, connections, programs."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

from tidegate.keeper.proc import read_stat
from tidegate.link.keeper import MARK, Process
from tidegate.node.listen_table import _from_proc, listening_sockets
from tidegate.node.listeners import Holder, holder_of, listening_of
from tidegate.node.machine import HttpGet, LocalMachine

pytestmark = pytest.mark.live
MACHINE = LocalMachine()

LISTENER = """
import os, socket, sys, time
def serve():
    s = socket.create_server((sys.argv[2], 0)); print(s.getsockname()[1], flush=True); time.sleep(1000)
how = sys.argv[1]
if how == "self":
    serve()
if os.fork() == 0:
    if how == "gone":
        os.setsid()
    serve()
if how == "child":
    time.sleep(1000)
"""


@contextmanager
def pod(how: str, address: str = "127.0.0.1"):
    """(port, process) of a pod whose leader, child or runaway child listens."""
    name = f"test-{os.getpid()}-{how}"
    leader = subprocess.Popen(
        [sys.executable, "-c", LISTENER, how, address],
        env={MARK: name},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert leader.stdout is not None
    start = read_stat(leader.pid).start
    port = int(leader.stdout.readline())
    process = Process(name, leader.pid, start, "")
    try:
        yield port, process
    finally:
        for pid in [leader.pid, *filter(lambda pid: _marked(pid, name), _pids())]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        leader.wait()
        leader.stdout.close()


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _marked(pid: int, name: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{MARK}={name}".encode() in file.read().split(b"\0")
    except OSError:
        return False


@pytest.mark.parametrize("how", ["self", "child", "gone"])
def test_the_listener_is_found_wherever_in_the_pod_it_is(how):
    with pod(how) as (port, process):
        assert holder_of(port, process) is Holder.POD
        assert listening_of(process) == ((port, False),)


def test_a_pod_that_listens_beyond_loopback_is_told_apart():
    with pod("self", "0.0.0.0") as (port, process):
        assert listening_of(process) == ((port, True),)
        assert holder_of(port, process) is Holder.POD


def test_a_stranger_is_not_the_pod_and_a_free_port_is_nobodys():
    with pod("self") as (_, process), socket.create_server(("127.0.0.1", 0)) as mine:
        port = mine.getsockname()[1]
        assert holder_of(port, process) is Holder.STRANGER
        assert not MACHINE.port_is_free(port)
        mine.close()
        assert holder_of(port, process) is Holder.NOBODY
        assert MACHINE.port_is_free(port)


def test_the_kernels_two_answers_agree():
    with (
        socket.create_server(("127.0.0.1", 0)),
        socket.create_server(("0.0.0.0", 0)),
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True),
    ):
        for _ in range(5):  # others on this machine come and go
            if sorted(listening_sockets()) == sorted(_from_proc()):
                return
        raise AssertionError("sock_diag and /proc/net tell different things")


async def answer(reply: bytes, **request) -> tuple[bool, str, bytes]:
    got = []

    async def serve(reader, writer):
        got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await MACHINE.http_get(HttpGet(port=port, **request), timeout_s=2)
    return outcome.ok, outcome.detail, got[0]


@pytest.mark.parametrize(
    ("reply", "ok", "detail"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True, ""),
        (b"HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n", True, ""),
        (b"HTTP/1.1 503 No\r\n\r\n", False, "HTTP probe failed with statuscode: 503"),
        (b"SSH-2.0-x\r\n", False, "malformed HTTP response"),
        (b"", False, "EOF"),
    ],
)
async def test_an_http_probe_reads_the_status(reply, ok, detail):
    got_ok, got_detail, _ = await answer(reply)
    assert got_ok is ok
    assert detail in got_detail


async def test_an_http_probe_asks_as_the_kubelet_does():
    headers = (("X-Mine", "1"), ("Host", "model.example"))
    _, _, asked = await answer(b"HTTP/1.1 200 OK\r\n\r\n", path="/healthz", headers=headers)
    assert asked.startswith(b"GET /healthz HTTP/1.1\r\nHost: model.example\r\n")
    assert b"User-Agent: kube-probe/" in asked
    assert b"X-Mine: 1\r\n" in asked


async def test_a_probe_that_gets_no_answer_ends_in_time():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        outcome = await MACHINE.http_get(HttpGet(port=port), timeout_s=0.05)
        assert "no answer within 0.05s" in outcome.detail
        assert (await MACHINE.tcp_open(port, timeout_s=1)).ok
    refused = await MACHINE.tcp_open(port, timeout_s=1)
    assert refused.detail == f"dial tcp 127.0.0.1:{port}: connection refused"


async def test_a_program_is_judged_by_its_exit_and_ended_with_its_children_in_time():
    async def run(*argv: str, timeout_s: float = 5.0):
        return await MACHINE.run(argv, {"PATH": "/usr/bin:/bin"}, "/", timeout_s=timeout_s)

    assert (await run("/bin/sh", "-c", "exit 0")).ok
    failed = await run("/bin/sh", "-c", "echo why; exit 3")
    assert (failed.ok, failed.detail) == (False, "why")
    slow = await run("/bin/sh", "-c", "sleep 1000 & wait", timeout_s=0.1)
    assert "command timed out" in slow.detail
    assert not (await run("/no/such")).ok


def test_the_machine_knows_its_size():
    facts = MACHINE.facts()
    assert facts.cpu_milli > 0
    assert facts.memory_bytes > 2**28
    assert facts.hostname == facts.hostname.lower()
