"""CPU that one unary gRPC call costs the gateway, with grpcio at both ends.

    python benchmarks/grpc_unary.py [--rounds 5] [--seconds 3] [--connections 4] [--at-once 32]

The gateway has core 0 for itself, client and server share core 1. Closed loop over a few connections (60
bytes there, 60 bytes back); CPU is utime + stime of the gateway's process over a round, from /proc, divided
by the calls answered in it; medians count. Measured without a deadline (the same headers again and again,
which both HPACK and our memory of blocks profit from), with one (`grpc-timeout` differs in every call), and
with one call at a time per replica, so that calls queue. Needs grpcio. The budget is 600 µs.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import grpc

from tidegate.gateway.sockets import connect_unix
from tidegate.kit.home import Home
from tidegate.link.gateway import Endpoint, Revision, Route, Snapshot, Split, encode

HOST = "bench.default.localhost"
METHOD = "/bench.Bench/Echo"
MESSAGE = b"x" * 60
TICKS = os.sysconf("SC_CLK_TCK")


def pin(core):
    os.sched_setaffinity(0, {core})


async def echo(request, context):
    return request


async def server_main():
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench.Bench", {"Echo": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def start_server():
    proc = subprocess.Popen(
        [sys.executable, __file__, "--server"], stdout=subprocess.PIPE, preexec_fn=lambda: pin(1)
    )
    return proc, int(proc.stdout.readline())


def start_gateway(port, concurrency):
    home = Home(Path(tempfile.mkdtemp(prefix="tidegate-bench-")))
    home.make()
    sock = socket.create_server(("127.0.0.1", 0))
    env = {**os.environ, "TIDEGATE_HOME": str(home.root)}
    env["TIDEGATE_FDS"] = json.dumps({"gateway": sock.fileno()})
    proc = subprocess.Popen(
        [sys.executable, "-m", "tidegate.gateway"],
        env=env,
        pass_fds=[sock.fileno()],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: pin(0),
    )
    while True:
        try:
            link = connect_unix(home.gateway_socket)
            break
        except OSError:
            time.sleep(0.02)
    revision = Revision(
        key="default/bench-1",
        endpoints=(Endpoint(id="pod", host="127.0.0.1", port=port),),
        container_concurrency=concurrency,
        protocol="h2c",
    )
    route = Route(
        key="default/bench", hosts=(HOST,), splits=(Split(revision=revision.key, percent=100),)
    )
    link.sendall(encode(Snapshot(seq=1, revisions=(revision,), routes=(route,))))
    lines = link.makefile("rb")
    lines.readline(), lines.readline()  # Hello, Ack
    return proc, sock.getsockname()[1], (link, sock, home)


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(pid, port, args, deadline_s):
    """(CPU in µs per call, calls per second) of one round."""
    count = 0
    channels = [
        grpc.aio.insecure_channel(
            f"127.0.0.1:{port}",
            options=[("grpc.default_authority", HOST), ("grpc.use_local_subchannel_pool", 1)],
        )
        for _ in range(args.connections)
    ]

    async def ask(channel):
        nonlocal count
        call = channel.unary_unary(METHOD)
        while True:
            if await call(MESSAGE, timeout=deadline_s) != MESSAGE:
                raise SystemExit("the gateway gave another answer")
            count += 1

    tasks = [asyncio.create_task(ask(c)) for c in channels for _ in range(args.at_once)]
    await asyncio.sleep(0.5)
    cpu, n, begun = cpu_s(pid), count, time.monotonic()
    await asyncio.sleep(args.seconds)
    cpu, n, took = cpu_s(pid) - cpu, count - n, time.monotonic() - begun
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for channel in channels:
        await channel.close()
    return cpu / n * 1e6, n / took


def run(name, server_port, args, *, concurrency=0, deadline_s=None):
    proc, port, held = start_gateway(server_port, concurrency)
    link, sock, home = held
    try:
        rounds = [
            asyncio.run(measure(proc.pid, port, args, deadline_s)) for _ in range(args.rounds)
        ]
    finally:
        proc.terminate()
        proc.wait()
        link.close()
        sock.close()
        subprocess.run(["rm", "-rf", str(home.root)], check=True)
    cpus = [cpu for cpu, _ in rounds]
    rate = statistics.median(rate for _, rate in rounds)
    print(
        f"| {name} | {statistics.median(cpus):.0f} ({min(cpus):.0f} to {max(cpus):.0f})"
        f" | {rate:,.0f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=32, help="calls on each connection")
    parser.add_argument("--server", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.server:
        asyncio.run(server_main())
        return
    pin(1)
    print(f"Python {platform.python_version()}, grpcio {version('grpcio')}", flush=True)
    server, port = start_server()
    try:
        print("| unary call | CPU per call, µs: median (least to most) | calls/s |")
        print("| --- | --- | --- |")
        run("the same headers", port, args)
        run("a deadline in each", port, args, deadline_s=60)
        run("concurrency 1, queued", port, args, concurrency=1)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
