"""Cold starts by stage, and the platform's own share of them.

Applies several copies of each example at zero and asks them in turn, so that each has gone back to
zero before its next turn. The platform's share is everything but the time between the spawn of the
model server and its listening on the port: gateway, wake, autoscaler, controllers, scheduler, volumes,
fork, probing, routing, and the answer to a cheap request.

Servers of ours are forked from a zygote, which the first round starts; `iris-fresh` is the same document with
the annotation that forbids it. With iris beside iris-fresh the factor between them is shown.

    python benchmarks/cold_start.py [--rounds N] [--copies N] [--only iris,iris-fresh]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tidegate.testing.engine import RunningEngine, running_engine, service_document, wait_until

EXAMPLES = Path(__file__).parents[1] / "examples"
BODY = b'{"instances": [[6.8,2.8,4.8,1.4],[6.0,3.4,4.5,1.6]]}'
STAGES = ("bound", "spawned", "listening", "ready", "first byte")


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Milliseconds of each stage, counted from the end of the one before."""

    stages: dict[str, float]

    @property
    def total_ms(self) -> float:
        return sum(self.stages.values())

    @property
    def platform_ms(self) -> float:
        return self.total_ms - self.stages["listening"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=6)
    parser.add_argument("--only", help="some of the cases: tiny, iris, iris-fresh, chat")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # pods would compile their modules each time
    rows = {}
    with running_engine() as engine:
        for name, document, path, body in cases():
            if args.only is not None and name not in args.only.split(","):
                continue
            print(f"{name}: {args.copies} copies, {args.rounds} rounds", flush=True)
            rows[name] = measure(engine, name, document, path, body, args)
    report(rows)
    return 0


def cases() -> list[tuple[str, str, str, bytes | None]]:
    tiny = service_document("tiny", scaling={"window": "6s", "max-scale": "1"})
    return [
        ("tiny", tiny, "/", None),
        ("iris", built("iris"), "/v1/models/iris:predict", BODY),
        ("iris-fresh", never_forked(built("iris")), "/v1/models/iris:predict", BODY),
        ("chat", built("chat"), "/v1/models", None),
    ]


def never_forked(document: str) -> str:
    """The same, each process started by exec; under a name of its own."""
    parts = list(YAML(typ="safe", pure=True).load_all(document))
    for part in parts:
        if part["kind"] == "Service":
            part["metadata"]["name"] = "iris-fresh"
            meta = part["spec"]["template"].setdefault("metadata", {})
            meta.setdefault("annotations", {})["tidegate.dev/zygote"] = "never"
    return "\n---\n".join(json.dumps(part) for part in parts)


def built(example: str) -> str:
    path = EXAMPLES / example / "build" / f"{example}.yaml"
    if not path.exists():
        sys.exit(f"{path.name} is not there: run `python examples/{example}/prepare.py`")
    return path.read_text()


def measure(
    engine: RunningEngine,
    name: str,
    document: str,
    path: str,
    body: bytes | None,
    args: argparse.Namespace,
) -> list[ColdStart]:
    copies = [f"{name}-{n}" for n in range(args.copies)]
    for copy in copies:
        engine.cli("apply", "-f", "-", stdin=renamed(document, name, copy))
    try:
        wait_until("everything at zero", lambda: not engine.get("pods"), within_s=120)
        found = []
        for number in range(args.rounds + 1):
            for copy in copies:
                wait_until(f"{copy} at zero", lambda c=copy: not pods_of(engine, c), within_s=60)
                start = one(engine, copy, path, body)
                if number:  # the first round warms the disk cache
                    found.append(start)
        return found
    finally:
        engine.cli("delete", "ksvc", *copies)


def renamed(document: str, name: str, copy: str) -> str:
    """The example under another name, with the shortest window, one replica, and no cpu request
    (several copies may run at once)."""
    text = re.sub(rf'(\bname"?: "?){name}\b(?!-)', rf"\g<1>{copy}", document)
    text = re.sub(r'(autoscaling.knative.dev/window"?: )"\d+s"', r'\g<1>"6s"', text)
    return re.sub(r"(\bcpu: )\S+", r"\g<1>10m", text)


def pods_of(engine: RunningEngine, service: str) -> list[dict]:
    return [
        pod
        for pod in engine.get("pods")
        if pod["metadata"]["labels"].get("serving.knative.dev/service") == service
    ]


def one(engine: RunningEngine, service: str, path: str, body: bytes | None) -> ColdStart:
    began = time.monotonic()
    status, answer = engine.ask(service, path, body=body)
    ended = time.monotonic()
    if status != 200:
        sys.exit(f"{service}: {status} {answer[:300]!r}")
    (pod,) = pods_of(engine, service)
    seen = pod["status"]["tidegate"]["stages"]
    marks = [began, seen["seen"], seen["spawned"], seen["listening"], seen["ready"], ended]
    steps = [(b - a) * 1000 for a, b in itertools.pairwise(marks)]
    return ColdStart(dict(zip(STAGES, steps, strict=True)))


def report(rows: dict[str, list[ColdStart]]) -> None:
    print(f"\n{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    head = "".join(f"{stage:>14}" for stage in STAGES)
    print(f"{'ms, p50 (p95)':<14}{'n':>4}{head}{'total':>16}{'platform share':>18}")
    for name, found in rows.items():
        cells = "".join(f"{both([s.stages[stage] for s in found]):>14}" for stage in STAGES)
        total, share = both([s.total_ms for s in found]), both([s.platform_ms for s in found])
        print(f"{name:<14}{len(found):>4}{cells}{total:>16}{share:>18}")
    if {"iris", "iris-fresh"} <= set(rows):
        fresh, forked = (
            statistics.median(s.total_ms for s in rows[name]) for name in ("iris-fresh", "iris")
        )
        print(f"forked instead of fresh: {fresh / forked:.1f} times as fast (p50 of the whole)")
    print(f"load average: {os.getloadavg()[0]:.1f}")
    print(json.dumps({n: [s.stages for s in f] for n, f in rows.items()}), file=sys.stderr)


def both(values: list[float]) -> str:
    p95 = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
    return f"{statistics.median(values):.1f} ({p95:.1f})"


if __name__ == "__main__":
    sys.exit(main())
