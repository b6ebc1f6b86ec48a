"""How fast one replica becomes twenty, and what one more costs in memory, forked and fresh.

Scales a Deployment of the iris example from 1 to N and waits until all are ready; PSS is what `/proc/PID/smaps_rollup`
says when each replica has answered one prediction, summed and divided by their number.

    python benchmarks/replicas.py [--replicas 20] [--fresh 4] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from http.client import HTTPConnection
from pathlib import Path

from tidegate.testing.engine import RunningEngine, running_engine, wait_until

MODEL = Path(__file__).parents[1] / "examples" / "iris" / "build" / "model.joblib"
BODY = b'{"instances": [[6.8,2.8,4.8,1.4],[6.0,3.4,4.5,1.6]]}'


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--replicas", type=int, default=20)
    parser.add_argument("--fresh", type=int, default=4, help="replicas that are started by exec")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with running_engine() as engine:
        forked = [scale(engine, "forked", args.replicas) for _ in range(args.rounds)]
        fresh = [scale(engine, "fresh", args.fresh) for _ in range(args.rounds)]
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"load average: {os.getloadavg()[0]:.1f}")
    for name, count, found in (("forked", args.replicas, forked), ("fresh", args.fresh, fresh)):
        times = ", ".join(f"{ready_s:.2f}" for ready_s, _ in found)
        pss = statistics.median(mib for _, mib in found)
        print(f"{name}: 1 to {count} all ready after {times} s; {pss:.1f} MiB PSS each")
    ratio = statistics.median(m for _, m in forked) / statistics.median(m for _, m in fresh)
    print(f"memory of one more forked replica: {ratio:.2f} of a fresh one's")
    return 0


def scale(engine: RunningEngine, name: str, count: int) -> tuple[float, float]:
    """Seconds from the scale's write until all are ready, and MiB of each."""
    engine.cli("apply", "-f", "-", stdin=document(name, 1))
    wait_until("one is ready", lambda: len(ready(engine, name)) == 1, within_s=120)
    time.sleep(1)  # the zygote makes its next child ahead
    engine.cli("apply", "-f", "-", stdin=document(name, count))
    began = created(engine, name)
    wait_until("all are ready", lambda: len(ready(engine, name)) == count, within_s=300)
    pods = ready(engine, name)
    stages = [pod["status"]["tidegate"]["stages"]["ready"] for pod in pods]
    seen = sorted(pod["status"]["tidegate"]["stages"]["seen"] for pod in pods)
    took_s = max(stages) - (seen[1] if began else seen[0])
    for pod in pods:
        predict(pod["status"]["tidegate"]["ports"][0]["localPort"])
    mib = sum(pss_kib(pod["metadata"]["uid"]) for pod in pods) / 1024 / len(pods)
    engine.cli("delete", "deployment", name)
    wait_until("all are gone", lambda: not engine.get("pods"), within_s=120)
    return took_s, mib


def created(engine: RunningEngine, name: str) -> bool:
    """The second pod is there: the first one was before."""
    wait_until("a second pod", lambda: len(engine.get("pods")) > 1, within_s=60)
    return True


def document(name: str, replicas: int) -> str:
    annotations = {"tidegate.dev/zygote": "never"} if name == "fresh" else {}
    container = {
        "name": "main",
        "image": "kserve/sklearnserver",
        "args": ["--model_name=iris", f"--model_dir={MODEL}", "--http_port=8080"],
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "1m"}},
    }
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}, "annotations": annotations},
                    "spec": {"containers": [container]},
                },
            },
        }
    )


def ready(engine: RunningEngine, name: str) -> list[dict]:
    return [
        pod
        for pod in engine.get("pods")
        if pod["metadata"]["labels"].get("app") == name
        and "ready" in pod.get("status", {}).get("tidegate", {}).get("stages", {})
        and "deletionTimestamp" not in pod["metadata"]
    ]


def predict(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/models/iris:predict", BODY)
    connection.getresponse().read()
    connection.close()


def pss_kib(uid: str) -> int:
    mark = f"TIDEGATE_POD={uid}/".encode()
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if mark in (entry / "environ").read_bytes():
                rollup = (entry / "smaps_rollup").read_text()
                total += int(rollup.partition("Pss:")[2].split()[0])
        except OSError:
            continue
    return total


if __name__ == "__main__":
    raise SystemExit(main())
