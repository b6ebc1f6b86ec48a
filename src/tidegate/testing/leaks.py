"""Cycles zero -> one -> zero on a real engine, and what they leave behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from tidegate.testing.engine import RunningEngine, service_document, wait_until


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an idle engine holds. Files are relative to its home, logs and the database left out."""

    processes: int
    listening: int
    descriptors: dict[str, int]
    files: frozenset[str]


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
    say: Callable[[str], None] = lambda _: None,
) -> LeakReport:
    """Take `services` services `rounds` times from zero to one and back; compare footprints.

    The first round is for warming up (code loaded, files made) and isn't counted.
    """
    names = [f"cycle-{n}" for n in range(services)]
    engine.cli("apply", "-f", "-", stdin="\n---\n".join(map(_document, names)))
    _all_at_zero(engine)
    _round(engine, names)
    before = footprint(engine)
    for number in range(rounds):
        _round(engine, names)
        say(f"round {number + 1} of {rounds}: {services} services went 0 -> 1 -> 0")
    after = footprint(engine)
    engine.cli("delete", "ksvc", *names)
    return LeakReport(services * rounds, before, after, compare(before, after))


def _document(name: str) -> str:
    return service_document(name, scaling={"window": "6s", "initial-scale": "1", "max-scale": "1"})


def _round(engine: RunningEngine, names: list[str]) -> None:
    with ThreadPoolExecutor(len(names)) as pool:
        for status, _ in pool.map(engine.ask, names):
            assert status == 200
    _all_at_zero(engine)


def _all_at_zero(engine: RunningEngine) -> None:
    wait_until("no pod is left", lambda: not engine.get("pods"), within_s=120)


def footprint(engine: RunningEngine) -> Footprint:
    """Of the three processes of an engine, their descendants and their home."""
    engine.refresh()
    parts = {part: engine.pid(part) for part in ("keeper", "gateway", "control_plane")}
    children = psutil.Process(parts["keeper"]).children(recursive=True)
    ours = set(parts.values())
    listening = 0
    for process in (psutil.Process(pid) for pid in ours):
        listening += sum(c.status == psutil.CONN_LISTEN for c in process.net_connections("tcp"))
    files = {
        str(path.relative_to(engine.home))
        for path in engine.home.rglob("*")
        if path.is_file() and not path.name.startswith("state.db")
    }
    return Footprint(
        processes=len({p.pid for p in children} - ours) + len(engine.pod_pids()),
        listening=listening,
        descriptors={part: psutil.Process(pid).num_fds() for part, pid in parts.items()},
        files=frozenset(files),
    )


#: Connections of clients and to replicas come and go; a leak grows by one a cycle.
_SLACK = 4


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
    found += [f"file {name}" for name in sorted(after.files - before.files)]
    return found


def main() -> int:
    """`python -m tidegate.testing.leaks`: 200 cycles, about six minutes."""
    from tidegate.testing.engine import running_engine

    with running_engine() as engine:
        report = cycle(engine, services=20, rounds=10, say=lambda line: print(line, flush=True))
    print(f"{report.cycles} cycles; left over: {report.leftovers or 'nothing'}")
    print(f"before: {report.before}\nafter:  {report.after}")
    return 1 if report.leftovers else 0


if __name__ == "__main__":
    sys.exit(main())
