"""Random kill -9 of an engine's processes under load, and what must hold all the same.

`python -m tidegate.testing.chaos --seed 7 --seconds 300`: the same seed makes the same plan. Services
of three kinds are asked all the time: one that is always there, one that swings between zero and a few
replicas, one that sleeps and is woken. Meanwhile keeper, gateway, control plane and pods are killed,
alone and together, and templates are changed.

Holds on the way: one process per container, ever; parts that were killed come back. Holds at the end:
no request failed that no kill explains, every service answers, counts are what the documents say, and
nothing is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

from tidegate.kit.home import Home
from tidegate.link.keeper_call import KeeperCall, KeeperCallFailed
from tidegate.testing.chaos_clients import Clients, Failure, Habit, Kill, unexplained
from tidegate.testing.engine import EngineProblem, RunningEngine, service_document, wait_until
from tidegate.testing.leaks import compare, footprint

PARTS = {
    "keeper": "tidegate.keeper.main",
    "gateway": "tidegate.gateway",
    "control_plane": "tidegate.app",
}
_BACK_S = 20.0  # for parts to be there again; usually one second, on a busy machine some more
_SERVICES = {
    "steady": {"min-scale": "2", "max-scale": "3", "window": "6s"},
    "swing": {"max-scale": "3", "window": "6s", "target": "2"},
    "sleepy": {"max-scale": "1", "window": "6s"},
}
_HABITS = (
    Habit("steady", clients=4),
    Habit(
        "steady", clients=2, path="/sleep/2"
    ),  # longer than most things take that go on around it
    Habit("swing", clients=4, on_s=4, every_s=24, path="/sleep/0.05"),
    Habit("sleepy", clients=1, on_s=0.1, every_s=20),
)
_QUICK_ZERO = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config-autoscaler, namespace: knative-serving}
data: {scale-to-zero-grace-period: "6s"}
"""


@dataclass(frozen=True, slots=True)
class Step:
    """After a pause: kill these, one shortly after the other, or change a template ("deploy")."""

    after_s: float
    what: tuple[str, ...]
    apart_s: float = 0.0


def plan(seed: int) -> Iterator[Step]:
    """The steps of a seed, without end. Pure."""
    dice = random.Random(seed)
    alone = ("keeper", "gateway", "control_plane", "pod", "deploy")
    while True:
        after_s = dice.uniform(0.3, 4.0)
        roll = dice.random()
        if roll < 0.7:
            what: tuple[str, ...] = (dice.choice(alone),)
        elif roll < 0.95:
            what = tuple(dice.sample(alone, 2))
        else:
            what = tuple(dice.sample(tuple(PARTS), 3))
        yield Step(after_s, what, dice.choice((0.0, dice.uniform(0.0, 0.5))))


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
    broken: list[str] = field(default_factory=list)


class Chaos:
    """One run over an engine that is up and has no services."""

    def __init__(
        self, engine: RunningEngine, seed: int, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.report = ChaosReport(seed)
        self._engine, self._say = engine, say
        self._dice = random.Random(seed)
        self._hit: set[str] = set()  # pods are killed once: a crash loop is held back for long
        self._killed: dict[str, int] = {}  # the last pid of each part that was killed
        self._outages: list[tuple[float, float]] = []  # all three dead: nobody holds the sockets
        self._version = 0

    def run(self, seconds: float) -> ChaosReport:
        """Break things for so long, then look at what is left."""
        engine, report = self._engine, self.report
        engine.cli("apply", "-f", "-", stdin=_QUICK_ZERO)
        self._warm_up()
        before = footprint(engine)
        self._apply(_SERVICES)
        with Clients(engine.gateway, _HABITS) as clients:
            end_s = time.monotonic() + seconds
            for step in plan(report.seed):
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
        self._settle()
        self._clean_up()
        report.broken += [f"left over: {what}" for what in compare(before, footprint(engine))]
        return report

    # --- before and after

    def _warm_up(self) -> None:
        """One service there and gone: files and connections that stay are not leaks."""
        self._apply({"first": {"max-scale": "1", "window": "6s"}})
        self._engine.cli("delete", "ksvc", "first")
        wait_until("no pod is left", lambda: not self._engine.get("pods"), within_s=60)

    def _apply(self, services: dict[str, dict[str, str]]) -> None:
        for name, scaling in services.items():
            self._engine.cli("apply", "-f", "-", stdin=service_document(name, scaling=scaling))
        for name in services:
            self._answers(name)

    def _answers(self, name: str) -> None:
        try:
            wait_until(f"{name} answers", lambda: self._engine.ask(name)[0] == 200)
        except (EngineProblem, OSError) as why:
            self.report.broken.append(f"{name} does not answer: {why}")

    def _settle(self) -> None:
        """Without load or kills: counts as the documents say, and every service answers."""
        engine = self._engine
        wanted = {"steady": 2, "swing": 0, "sleepy": 0}
        try:
            wait_until(f"pods are {wanted}", lambda: self._counts() == Counter(wanted), within_s=90)
        except EngineProblem as why:
            self.report.broken.append(f"{why}; there are {dict(self._counts())}")
        self._look_for_copies()
        for name in _SERVICES:
            self._answers(name)
        engine.refresh()

    def _nobody_was_there(self, failure: Failure) -> bool:
        return any(a <= failure.ended_s and failure.sent_s <= b for a, b in self._outages)

    def _clean_up(self) -> None:
        engine = self._engine
        engine.cli("delete", "ksvc", *_SERVICES)
        try:
            wait_until("no pod is left", lambda: not engine.get("pods"), within_s=60)
            wait_until("no pod process is left", lambda: not self._pods(), within_s=5)
        except EngineProblem as why:
            self.report.broken.append(str(why))

    def _counts(self) -> Counter[str]:
        """Pods by service, those that are going too."""
        labels = (pod["metadata"]["labels"] for pod in self._engine.get("pods"))
        return Counter(one.get("serving.knative.dev/service", "?") for one in labels)

    # --- steps

    def _take(self, step: Step) -> None:
        self.report.steps += 1
        began_s = time.monotonic()
        for what in step.what:
            if what == "deploy":
                self._deploy()
            else:
                self._kill(what)
            time.sleep(step.apart_s)
        if set(PARTS) <= set(step.what):  # perhaps nobody is left who could start anybody
            self._up()
            self._outages.append((began_s, time.monotonic()))
        self._all_back()
        took_s = time.monotonic() - began_s - step.apart_s * len(step.what)
        self.report.slowest_return_s = max(self.report.slowest_return_s, took_s)
        self._look_for_copies()
        self._say(f"{self.report.steps:4}  {' + '.join(step.what)}: all there after {took_s:.1f} s")

    def _kill(self, part: str) -> None:
        service = ""
        if part == "pod":
            found = [pod for pod in self._pods().items() if pod[0] not in self._hit]
            if not found:
                return
            mark, pids = self._dice.choice(sorted(found))
            self._hit.add(mark)
            pid, service = pids[0], _service_of(pids[0])
        else:
            pids = self._part(part)
            if not pids:
                return
            pid = pids[0]
        self._killed[part] = pid
        self.report.kills.append(Kill(time.monotonic(), part, pid, service))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it ended just before
            self.report.kills.pop()

    def _deploy(self) -> None:
        """A new revision of the steady service; a control plane that is just dead is asked again."""
        self._version += 1
        document = service_document(
            "steady", scaling=_SERVICES["steady"], environ={"VERSION": str(self._version)}
        )
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
        runs: dict[str, list[str]] = {}
        for mark, pids in self._pods().items():
            runs.setdefault(mark.rpartition("/")[0], []).extend(f"{mark}={pid}" for pid in pids)
        self.report.broken += [
            f"a second copy of a container: {copies}" for copies in runs.values() if len(copies) > 1
        ]

    # --- who is there

    def _part(self, part: str) -> list[int]:
        return [pid for pid in part_pids(self._engine, part) if pid != self._killed.get(part)]

    def _pods(self) -> dict[str, list[int]]:
        """Pids by mark (`<uid>/<container>/<attempt>`)."""
        found: dict[str, list[int]] = {}
        for pid in self._engine.pod_pids():
            try:
                mark = psutil.Process(pid).environ()["TIDEGATE_POD"]
            except (psutil.Error, KeyError):
                continue
            found.setdefault(mark, []).append(pid)
        return found


def keepers_view(engine: RunningEngine) -> dict[str, list[int]]:
    """The parts as the keeper tells them; empty when none answers."""
    try:
        said = KeeperCall(Home(engine.home), timeout_s=2.0).ask("status")
    except KeeperCallFailed:
        return {}
    return {part: [said[part]["pid"]] for part in PARTS}


def part_pids(engine: RunningEngine, part: str) -> list[int]:
    """Living processes that are this part of this engine, whether or not a keeper could tell."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(PARTS[part] in arg for arg in process.cmdline()) and (
                process.environ().get("TIDEGATE_HOME") == str(engine.home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def _service_of(pid: int) -> str:
    try:
        return psutil.Process(pid).environ().get("K_CONFIGURATION", "")
    except psutil.Error:
        return ""


def main() -> int:
    """`make chaos`."""
    from tidegate.testing.engine import running_engine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seconds", type=float, default=180.0)
    asked = parser.parse_args()
    print(f"seed {asked.seed}, {asked.seconds:g} s", flush=True)
    with running_engine() as engine:
        report = Chaos(engine, asked.seed, lambda line: print(line, flush=True)).run(asked.seconds)
    kills = Counter(kill.part for kill in report.kills)
    print(f"{report.steps} steps, kills: {dict(kills)}")
    print(
        f"requests: {report.ok} served, {report.explained} lost with what was killed, "
        f"{report.refused} refused while nobody was there"
    )
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
