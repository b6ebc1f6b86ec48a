"""A thousand Knative Services at zero: how fast they are applied and listed, and what they cost.

    python benchmarks/many_services.py [--services 1000] [--idle 60]

Applies documents with kubectl where there is one (`kubectl.1.32`, else `kubectl`), with `tidegate`
otherwise. CPU is what the engine's processes used, memory their PSS: both hold on a busy machine,
where wall times don't.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tidegate.testing.engine import CLI, RunningEngine, running_engine, wait_until

PARTS = ("keeper", "control_plane", "gateway")
#: Without it a Service begins with one replica, and a thousand of those are another benchmark.
AT_ZERO = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "config-autoscaler", "namespace": "knative-serving"},
    "data": {"allow-zero-initial-scale": "true"},
}


def service(name: str) -> dict[str, Any]:
    container = {
        "image": "python:3",
        "command": ["python", "-m", "http.server", "8080"],
        "ports": [{"containerPort": 8080}],
    }
    scaling = {"initial-scale": "0", "target": "10"}
    annotations = {f"autoscaling.knative.dev/{k}": v for k, v in scaling.items()}
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "labels": {"team": "bench"}},
        "spec": {"template": template},
    }


def client(engine: RunningEngine) -> list[str]:
    """The command that applies and gets."""
    found = shutil.which("kubectl.1.32") or _beside_kubectl() or shutil.which("kubectl")
    if found is None:
        return [*CLI]
    cache = engine.home / "kubectl-cache"
    return [found, "--kubeconfig", str(engine.home / "kubeconfig"), "--cache-dir", str(cache)]


def _beside_kubectl() -> str | None:
    """Where `kubectl` on the PATH is a dispatcher, the real ones are beside it."""
    kubectl = shutil.which("kubectl")
    beside = Path(kubectl).resolve().with_name("kubectl.1.32") if kubectl else None
    return str(beside) if beside and beside.exists() else None


def run(engine: RunningEngine, command: list[str], stdin: str | None = None) -> tuple[str, float]:
    """What it printed, and how long it took in seconds."""
    began = time.monotonic()
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=engine.environ(), check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout, time.monotonic() - began


def cpu_s(engine: RunningEngine) -> dict[str, float]:
    """User and system time of each process so far."""
    times = {part: psutil.Process(engine.pid(part)).cpu_times() for part in PARTS}
    return {part: t.user + t.system for part, t in times.items()}


def pss_kib(engine: RunningEngine) -> dict[str, float]:
    full = {part: psutil.Process(engine.pid(part)).memory_full_info() for part in PARTS}
    return {part: info.pss / 1024 for part, info in full.items()}


def difference(after: dict[str, float], before: dict[str, float]) -> str:
    parts = ", ".join(f"{part} {after[part] - before[part]:.2f}" for part in PARTS)
    return f"{sum(after.values()) - sum(before.values()):.2f} ({parts})"


def all_ready(engine: RunningEngine, command: list[str], count: int) -> Callable[[], bool]:
    def look() -> bool:
        raw = json.loads(run(engine, [*command, "get", "ksvc", "-o", "json"])[0])
        ready = [
            condition["status"]
            for item in raw["items"]
            for condition in item.get("status", {}).get("conditions", ())
            if condition["type"] == "Ready"
        ]
        return ready.count("True") == count

    return look


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds to watch doing nothing")
    args = parser.parse_args()
    documents = [service(f"svc-{n:04}") for n in range(args.services)]
    with running_engine() as engine:
        measure(engine, documents, args.idle)
    print(f"\n{platform.platform()}, Python {platform.python_version()}")
    return 0


def measure(engine: RunningEngine, documents: list[dict[str, Any]], idle_s: float) -> None:
    command, count = client(engine), len(documents)
    print(f"{count} Knative Services at zero, with {Path(command[0]).name}", flush=True)
    run(engine, [*command, "apply", "-f", "-"], json.dumps(AT_ZERO))
    run(engine, [*command, "apply", "-f", "-"], json.dumps(service("warm")))
    wait_until("the first Service ready", all_ready(engine, command, 1))
    memory, cpu = pss_kib(engine), cpu_s(engine)
    everything = "".join(f"---\n{json.dumps(document)}\n" for document in documents)

    _, took_s = run(engine, [*command, "apply", "-f", "-"], everything)
    wait_until("all ready", all_ready(engine, command, count + 1), within_s=120)
    print(f"apply                 {took_s:8.2f} s", flush=True)
    print(f"CPU until all ready   {difference(cpu_s(engine), cpu)} s")
    used = {part: kib / count for part, kib in pss_kib(engine).items()}
    before = {part: kib / count for part, kib in memory.items()}
    print(f"memory per Service    {difference(used, before)} KiB")

    listed = [run(engine, [*command, "get", "ksvc"])[1] for _ in range(5)]
    print(f"get ksvc              {min(listed):8.2f} s at best, {max(listed):.2f} s at worst")
    _, again_s = run(engine, [*command, "apply", "-f", "-"], everything)
    print(f"apply again, as is    {again_s:8.2f} s", flush=True)

    time.sleep(10)  # what the commands left to do
    cpu, began = cpu_s(engine), time.monotonic()
    time.sleep(idle_s)
    share = 100 / (time.monotonic() - began)
    idle = {part: used_s * share for part, used_s in cpu_s(engine).items()}
    print(f"idle, of a core       {difference(idle, {p: s * share for p, s in cpu.items()})} %")
    sizes = {p.name: p.stat().st_size >> 10 for p in engine.home.glob("state.db*")}
    print(f"database              {sizes} KiB")


if __name__ == "__main__":
    sys.exit(main())
