"""Getting 500 MB from a real S3 server on loopback: the model cache beside what others use.

    python benchmarks/fetch.py [--rounds 5] [--megabytes 500]

`rclone serve s3` holds one object of random bytes. Each round runs every way once, in an order that
changes; each is a process of its own (curl, a Python that does only this, `cp`), the target is new every time. The time of the Python ways begins
when their imports are done, that of curl and cp when the process starts; ours holds the start of its fetching process. Ours lists, verifies (sha256), syncs to disk and publishes; the others don't. "second start" is ours with
the model in the cache; bytes over loopback are looked at. CPU is that of the process and its children, without the server's.
Peers live in .venv-peers (`make peers-venv`); those that aren't installed are skipped, which is said.
"""

import argparse
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers/bin/python"
KEY, SECRET = "AKTIDEGATEBENCHKEY00", "SKTIDEGATEBENCHKEY00"

OURS = """
import asyncio, sys, time
from pathlib import Path
from tidegate.kit.realtime import RealClock
from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.source import Access, Secrets, Source
access = Access(endpoint=sys.argv[1], secrets=Secrets(access_key="{key}", secret_key="{secret}"))
cache = ModelCache(Path(sys.argv[2]), clock=RealClock())
began = time.perf_counter()
snapshot = asyncio.run(cache.ensure(Source(sys.argv[3], access)))
print(time.perf_counter() - began, snapshot.read_bytes)
"""
BOTO3 = """
import sys, time, boto3
began = time.perf_counter()
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                  aws_access_key_id="{key}", aws_secret_access_key="{secret}")
s3.download_file("models", "big.bin", sys.argv[2])
print(time.perf_counter() - began)
"""
S3FS = """
import sys, time, s3fs
began = time.perf_counter()
fs = s3fs.S3FileSystem(key="{key}", secret="{secret}", client_kwargs=dict(endpoint_url=sys.argv[1]))
fs.get("models/big.bin", sys.argv[2])
print(time.perf_counter() - began)
"""
KSERVE = """
import os, sys, time
os.environ.update(AWS_ENDPOINT_URL=sys.argv[1], AWS_ACCESS_KEY_ID="{key}",
                  AWS_SECRET_ACCESS_KEY="{secret}", AWS_DEFAULT_REGION="us-east-1", S3_USE_HTTPS="0")
from kserve_storage import Storage
began = time.perf_counter()
Storage.download("s3://models/big.bin", sys.argv[2])
print(time.perf_counter() - began)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fetch-bench-", dir=os.environ.get("TMPDIR")) as folder:
        work = Path(folder)
        (work / "store/models").mkdir(parents=True)
        big = work / "store/models/big.bin"
        with big.open("wb") as file:
            for _ in range(asked.megabytes):
                file.write(random.randbytes(1_000_000))
        server, url = start_server(work)
        try:
            measure(work, url, big, asked.rounds)
        finally:
            server.terminate()
            server.wait()
    return 0


def start_server(work: Path) -> tuple[subprocess.Popen[bytes], str]:
    program = shutil.which("rclone") or str(Path(sys.executable).with_name("rclone"))
    log = work / "rclone.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [program, "serve", "s3", str(work / "store"), "--addr", "127.0.0.1:0",
             "--auth-key", f"{KEY},{SECRET}", "-v"],
            stdout=out, stderr=out,
        )  # fmt: skip
    for _ in range(200):
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return server, found[0]
        time.sleep(0.1)
    raise SystemExit(f"rclone did not start: {log.read_text()}")


def signed_url(url: str) -> str:
    """What curl is given; signed by obstore, as any tool would."""
    from datetime import timedelta

    import obstore
    from obstore.store import S3Store

    store = S3Store(
        "models",
        endpoint=url,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    return obstore.sign(store, "GET", "big.bin", timedelta(hours=1))


def ways(url: str, big: Path) -> dict[str, Callable[[Path], list[str]]]:
    """Name -> the command that gets the object into a new folder."""

    def python(program: str, text: str, *after: str) -> Callable[[Path], list[str]]:
        code = text.replace("{key}", KEY).replace("{secret}", SECRET)
        return lambda target: [program, "-c", code, url, str(target / "out"), *after]

    found: dict[str, Callable[[Path], list[str]]] = {
        "tidegate": python(sys.executable, OURS, "s3://models/big.bin")
    }
    if shutil.which("curl"):
        presigned = signed_url(url)
        found["curl"] = lambda target: ["curl", "-sf", "-o", str(target / "out"), presigned]
    for name, module, text in (
        ("boto3", "boto3", BOTO3),
        ("kserve-storage", "kserve_storage", KSERVE),
        ("s3fs", "s3fs", S3FS),
    ):
        known = (
            PEERS.exists()
            and not subprocess.run(
                [PEERS, "-c", f"import {module}"], capture_output=True, check=False
            ).returncode
        )
        if known:
            found[name] = python(str(PEERS), text)
        else:
            print(f"{name} is left out: not in {PEERS.parent.parent.name} (make peers-venv)")
    found["cp"] = lambda target: ["cp", str(big), str(target / "out")]
    found["cp, synced"] = lambda target: ["sh", "-c", f"cp {big} {target}/out && sync {target}/out"]
    found["tidegate, local file"] = python(sys.executable, OURS, str(big))
    return found


def measure(work: Path, url: str, big: Path, rounds: int) -> None:
    commands = ways(url, big)
    seconds: dict[str, list[float]] = {name: [] for name in (*commands, "tidegate, second start")}
    cpu: dict[str, list[float]] = {name: [] for name in seconds}
    subprocess.run(commands["tidegate"](work / "warm"), check=True, capture_output=True)
    for number in range(rounds):
        order = list(commands)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            target = work / "target"
            target.mkdir()
            took, used = timed(commands[name](target))
            seconds[name].append(took)
            cpu[name].append(used)
            if name == "tidegate":
                seconds["tidegate, second start"].append(second_start(commands[name](target), work))
            subprocess.run(["chmod", "-R", "u+w", target], check=True)
            shutil.rmtree(target)
    report(seconds, cpu, big.stat().st_size)


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds from start to end, and seconds of CPU in the processes that it took."""
    began, before = time.perf_counter(), children_cpu()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    took = time.perf_counter() - began
    return float(said[0]) if command[0].endswith("python") else took, children_cpu() - before


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def second_start(command: list[str], work: Path) -> float:
    log = work / "rclone.log"
    before = network_bytes()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert said[1] == "0", f"the second start read {said[1]} bytes"
    assert log.exists()
    assert network_bytes() - before < 1_000_000
    return float(said[0])


def network_bytes() -> int:
    """What went over loopback so far, whoever sent it."""
    line = next(x for x in Path("/proc/net/dev").read_text().splitlines() if "lo:" in x)
    return int(line.split(":")[1].split()[0])


def report(seconds: dict[str, list[float]], cpu: dict[str, list[float]], size: int) -> None:
    ours = statistics.median(seconds["tidegate"])
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}")
    print(f"{size / 1e6:.0f} MB, load average {load:.1f} at the end")
    print()
    print("| way | seconds: median (least to most) | MB/s | its CPU, seconds | ours is faster by |")
    print("| --- | --- | --- | --- | --- |")
    for name, some in seconds.items():
        middle = statistics.median(some)
        used = f"{statistics.median(cpu[name]):.2f}" if cpu[name] else "-"
        rate = f"{size / 1e6 / middle:,.0f}" if "second" not in name else "-"
        print(
            f"| {name} | {middle:.2f} ({min(some):.2f} to {max(some):.2f}) | {rate} | {used} | {middle / ours:.2f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
