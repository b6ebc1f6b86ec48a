"""Cycles zero -> one -> zero on a real engine, and what they leave behind."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from tidegate.client.http import Client, read_kubeconfig
from tidegate.kit.home import Home
from tidegate.testing.chaos_plan import PARTS
from tidegate.testing.chaos_processes import pods_by_mark, private_kib, zygote_pids
from tidegate.testing.engine import RunningEngine, service_document, wait_until

#: Connections of clients and to replicas come and go; a leak grows by one a cycle.
_SLACK = 4
#: Of Ingresses' own address, and the certificate for it: one engine of a machine has them, and another one gets
#: them when it goes.
_SHARED_PORTS, _SHARED_FILES = (80, 443), "pki/hosts/"
_MODEL = Path(__file__).with_name("pod_model.py")
_QUICK = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config-zygotes, namespace: tidegate-system}
data: {keep: 2s}
"""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an idle engine holds. `files`: all that lies in its home or is its in shared memory, by its
    path there; logs and the database left out, and what the model cache keeps. `rows`: objects by resource,
    without events, which stay for an hour."""

    processes: int
    listening: int
    descriptors: dict[str, int]
    private_kib: dict[str, int]
    files: frozenset[str]
    rows: dict[str, int]
    at_s: float


@dataclass(frozen=True, slots=True)
class LeakReport:
    cycles: int
    before: Footprint
    after: Footprint
    leftovers: list[str]  # one sentence each


def cycle(
    engine: RunningEngine,
    *,
    services: int,
    rounds: int,
    forked: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> LeakReport:
    """Take `services` services `rounds` times from zero to one and back; compare footprints. The first
    `forked` of them are forked from a zygote, which ends with each round.

    The first round is for warming up (code loaded, files made) and isn't counted.
    """
    engine.cli("apply", "-f", "-", stdin=_QUICK)
    names = [f"cycle-{n}" for n in range(services)]
    documents = (_document(name, forks=n < forked) for n, name in enumerate(names))
    engine.cli("apply", "-f", "-", stdin="\n---\n".join(documents))
    _all_at_zero(engine)
    _round(engine, names)
    before = footprint(engine)
    for number in range(rounds):
        _round(engine, names)
        mib = {part: private_kib(engine.pid(part)) / 1024 for part in PARTS}
        memory = ", ".join(f"{part} {size:.1f}" for part, size in mib.items())
        say(f"round {number + 1} of {rounds}: {services} services went 0 -> 1 -> 0; MiB: {memory}")
    after = footprint(engine)
    engine.cli("delete", "ksvc", *names)
    return LeakReport(services * rounds, before, after, compare(before, after))


def _document(name: str, *, forks: bool) -> str:
    scaling = {"window": "6s", "initial-scale": "1", "max-scale": "1"}
    if not forks:
        return service_document(name, scaling=scaling)
    command = ["python", "-m", "tidegate.runtimes.pythonserver", "--class", "Echo"]
    return service_document(
        name,
        scaling=scaling,
        image="tidegate/pythonserver",
        command=[*command, "--module", str(_MODEL), "--http_port", "8080"],
    )


def _round(engine: RunningEngine, names: list[str]) -> None:
    with ThreadPoolExecutor(len(names)) as pool:
        for status, _ in pool.map(engine.ask, names):
            assert status == 200
    _all_at_zero(engine)


def _all_at_zero(engine: RunningEngine) -> None:
    wait_until("no pod is left", lambda: not engine.get("pods"), within_s=120)
    wait_until("no zygote is left", lambda: not zygote_pids(engine), within_s=30)


def footprint(engine: RunningEngine) -> Footprint:
    """Of the three processes of an engine, their descendants, its home and its objects."""
    engine.refresh()
    parts = {part: engine.pid(part) for part in PARTS}
    children = psutil.Process(parts["keeper"]).children(recursive=True)
    ours = set(parts.values())
    listening = 0
    for process in (psutil.Process(pid) for pid in ours):
        listening += sum(
            c.status == psutil.CONN_LISTEN and c.laddr.port not in _SHARED_PORTS
            for c in process.net_connections("tcp")
        )
    return Footprint(
        processes=len({p.pid for p in children} - ours) + len(engine.pod_pids()),
        listening=listening,
        descriptors={part: psutil.Process(pid).num_fds() for part, pid in parts.items()},
        private_kib={part: private_kib(pid) for part, pid in parts.items()},
        files=frozenset(_files(engine.home)),
        rows=rows(engine),
        at_s=time.monotonic(),
    )


def _files(root: Path) -> Iterator[str]:
    """Folders, FIFOs, sockets and links too."""
    home = Home(root)
    for path in root.rglob("*"):
        if not path.name.startswith("state.db") and home.cache not in (path, *path.parents):
            yield str(path.relative_to(root))
    for path in home.memory.rglob("*"):
        yield str(path)


def rows(engine: RunningEngine) -> dict[str, int]:
    """How many objects there are of each resource, as the API tells."""
    found: Counter[str] = Counter()
    with Client(read_kubeconfig(Home(engine.home).kubeconfig)) as client:
        groups = [
            f"/apis/{group['preferredVersion']['groupVersion']}"
            for group in client.get("/apis")["groups"]
        ]
        for root in ("/api/v1", *groups):
            for resource in client.get(root)["resources"]:
                name = resource["name"]
                if "list" in resource["verbs"] and name != "events" and "/" not in name:
                    count = len(client.get(f"{root}/{name}")["items"])
                    if count and "metrics" not in root:
                        found[f"{name} of {root}"] = count
    return dict(found)


def compare(before: Footprint, after: Footprint) -> list[str]:
    """What is there that wasn't."""
    found = []
    if after.processes > 0:
        found.append(f"{after.processes} pod processes")
    if after.listening > before.listening:
        found.append(f"{after.listening - before.listening} listening sockets")
    for part, count in after.descriptors.items():
        if count > before.descriptors[part] + _SLACK:
            found.append(f"{part}: {before.descriptors[part]} -> {count} descriptors")
    fresh = sorted(after.files - before.files)
    found += [f"file {name}" for name in fresh if not name.startswith(_SHARED_FILES)]
    for resource, count in after.rows.items():
        was = before.rows.get(resource, 0)
        if count > was:
            found.append(f"{resource}: {was} -> {count} objects")
    return found


def left_after_down(engine: RunningEngine) -> list[str]:
    """Ends the engine; what of it is there all the same."""
    engine.cli("down")
    home = Home(engine.home)
    found = [f"process {mark} {pids}" for mark, pids in pods_by_mark(engine).items()]
    found += [f"zygote {pid}" for pid in zygote_pids(engine)]
    places = (home.run, home.pods, home.memory)
    kept = {home.settings, home.gateway_table}
    for place in places:
        found += [str(path) for path in place.rglob("*") if path not in kept]
    return [f"left after `down`: {what}" for what in found]


def growth(report: LeakReport) -> str:
    """Of memory over the cycles, a line."""
    took_s = report.after.at_s - report.before.at_s
    said = []
    for part, after in report.after.private_kib.items():
        grown = after - report.before.private_kib[part]
        said.append(f"{part} {after / 1024:.1f} MiB ({grown:+} KiB)")
    return f"private memory after {took_s:.0f} s: {', '.join(said)}"


def main() -> int:
    """`make soak`: 200 cycles if not said otherwise, some four minutes."""
    from tidegate.testing.engine import running_engine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of 20 cycles each")
    asked = parser.parse_args()
    with running_engine() as engine:
        report = cycle(
            engine,
            services=20,
            rounds=asked.rounds,
            forked=10,
            say=lambda line: print(line, flush=True),
        )
        leftovers = report.leftovers + left_after_down(engine)
    print(f"{report.cycles} cycles; left over: {leftovers or 'nothing'}")
    print(growth(report))
    return 1 if leftovers else 0


if __name__ == "__main__":
    sys.exit(main())
