"""The processes of pods: spawned, adopted, signalled, ended, forgotten.

Every change is in the table on disk before anybody is told of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tidegate.keeper import proc
from tidegate.keeper.errors import (
    CannotRun,
    HasEnded,
    KeeperError,
    NoSuchProcess,
    StillRuns,
)
from tidegate.keeper.fork import Newborn, Plan, fork, limits_from
from tidegate.keeper.leader import Leader, OnKilled
from tidegate.keeper.loop import Loop
from tidegate.keeper.output import (
    LogFile,
    Output,
    fifo_folder,
    make_fifos,
    remove_fifos,
    remove_other_fifos,
)
from tidegate.keeper.sweep import Sweeper
from tidegate.keeper.table import Entry, Table, ended_unknown
from tidegate.keeper.zygotes import Zygotes
from tidegate.link.keeper import MARK, ZYGOTE_FD, Process, SpawnSpec
from tidegate.link.newborn import Cradle

OnSpawned = Callable[[Process | KeeperError], None]


@dataclass(slots=True)
class _Pod:
    leader: Leader
    output: Output | None
    born: bool = False  # exec has happened
    spawners: list[OnSpawned] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What pods need of the engine. `save` writes the table; `ended` tells the subscribers."""

    loop: Loop
    sweeper: Sweeper
    table: Table
    folder: Path
    boot_id: str
    limits: Mapping[int, tuple[int, int]]  # those the keeper itself was started with
    now_ns: Callable[[], int]
    save: Callable[[], None]
    ended: Callable[[Process], None]


class Pods:
    """Owned by the loop. Names are `SpawnSpec.name`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._pods: dict[str, _Pod] = {}
        self._zygotes = Zygotes(around.loop)
        self._expected: dict[str, list[OnSpawned]] = {}  # asked of a zygote, not born yet

    @property
    def running(self) -> list[str]:
        return list(self._pods)

    @property
    def pids(self) -> set[int]:
        return {pod.leader.process.pid for pod in self._pods.values()}

    def spawn(self, spec: SpawnSpec, then: OnSpawned) -> None:
        """Start it; `then` is called once it runs or failed. Raises `CannotRun`, `ZygoteFailed`."""
        pod = self._pods.get(spec.name)
        if pod is not None and not pod.born:
            pod.spawners.append(then)
        elif spec.name in self._expected:
            self._expected[spec.name].append(then)
        elif spec.name in self._around.table.entries:
            then(self._around.table.entries[spec.name].process)
        else:
            self._begin(spec, then)

    def expect_no_more(self) -> None:
        """Children that zygotes were asked for and that have not come yet never run."""
        self._zygotes.cancel_all()

    def adopt(self) -> None:
        """Take over what the keeper before left in the table: watch the living, end the others."""
        remove_other_fifos(self._around.folder, self._around.table.entries)
        for entry in list(self._around.table.entries.values()):
            if not entry.process.ended:
                self._adopt(entry)
        self._save_or_report()

    def signal(self, name: str, number: int) -> None:
        """To its process group. Raises `NoSuchProcess`, `HasEnded`."""
        self._known(name)
        pod = self._pods.get(name)
        if pod is None:
            raise HasEnded(name)
        pod.leader.signal(number)

    def kill_tree(self, name: str, then: OnKilled) -> None:
        """SIGKILL to all of it. One that has ended has nothing left. Raises `NoSuchProcess`."""
        self._known(name)
        pod = self._pods.get(name)
        if pod is None:
            then([])
        else:
            pod.leader.kill(then)

    def forget(self, name: str) -> None:
        """Raises `StillRuns`. A name that is not there: nothing to do."""
        if name in self._pods:
            raise StillRuns(name)
        if name in self._around.table.entries:
            self._around.table.drop(name)
            self._save_or_report()

    def _known(self, name: str) -> Process:
        try:
            return self._around.table.entries[name].process
        except KeyError:
            raise NoSuchProcess(name) from None

    def _begin(self, spec: SpawnSpec, then: OnSpawned) -> None:
        plan, output = self._prepare(spec)
        name = spec.name
        if spec.zygote is None:
            try:
                child = self._fork(spec, plan)
            except OSError as why:
                output.discard()
                raise CannotRun(f"Can't make a process: {why}", why.errno) from why
            self._record(spec, child, output, [then])
            return

        def born(result: Newborn | KeeperError) -> None:
            waiting = self._expected.pop(name)
            if isinstance(result, Newborn):
                self._record(spec, result, output, waiting)
                return
            output.discard()
            for spawner in waiting:
                spawner(result)

        try:
            self._zygotes.fork(spec.zygote, plan, patience_s=spec.patience_s, then=born)
        except KeeperError:
            output.discard()
            raise
        self._expected[name] = [then]

    def _prepare(self, spec: SpawnSpec) -> tuple[Plan, Output]:
        around = self._around
        limits = {**around.limits, **limits_from(spec.limits)}
        folder = fifo_folder(around.folder, spec.name)
        try:
            make_fifos(folder)
            output = self._output(spec.name, spec.log, spec.log_bytes)
        except OSError as why:
            remove_fifos(folder)
            raise CannotRun(f"Can't take the output of {spec.name!r}: {why}", why.errno) from why
        cradle = Cradle(output.path("stdout"), output.path("stderr"), spec.cwd, limits)
        return Plan(spec.argv, {**spec.env, MARK: spec.name}, cradle), output

    def _fork(self, spec: SpawnSpec, plan: Plan) -> Newborn:
        """Raises OSError."""
        if not spec.forks:
            return fork(plan)
        with self._zygotes.open(spec.name) as theirs:
            fd = theirs.fileno()
            plan = replace(plan, env={**plan.env, ZYGOTE_FD: str(fd)}, keep_fds=(fd,))
            try:
                return fork(plan)
            except OSError:
                self._zygotes.close(spec.name)
                raise

    def _record(
        self, spec: SpawnSpec, child: Newborn, output: Output, spawners: list[OnSpawned]
    ) -> None:
        """Into the table, then it may run."""
        around = self._around
        process = Process(spec.name, child.pid, child.start, around.boot_id)
        pod = self._put(process, child.pidfd, output)
        pod.spawners = spawners
        around.table.put(Entry(process, spec.log, spec.log_bytes))
        try:
            around.save()
        except OSError as why:
            child.channel.close()  # it never runs: see `link.newborn`
            self._undo(pod, CannotRun(f"Can't record {spec.name!r}: {why}", why.errno))
            return
        around.loop.watch(child.channel.fileno(), lambda _: self._born(pod, child))
        child.release()

    def _born(self, pod: _Pod, child: Newborn) -> None:
        self._around.loop.unwatch(child.channel.fileno())
        failure = child.outcome()
        if pod.leader.process.name not in self._pods:
            return  # killed before it began: `_ended` has answered
        if failure is not None:
            self._undo(pod, failure)
            return
        self._start(pod)
        self._answer(pod, pod.leader.process)

    def _undo(self, pod: _Pod, failure: KeeperError) -> None:
        """Of a child that ended before exec."""
        process = pod.leader.process
        pod.leader.abandon()
        if pod.output is not None:
            pod.output.discard()
        del self._pods[process.name]
        self._zygotes.close(process.name)
        self._around.table.drop(process.name)
        self._save_or_report()
        self._answer(pod, failure)

    def _start(self, pod: _Pod) -> None:
        pod.born = True
        if pod.output is not None:
            pod.output.start()
        pod.leader.watch()

    def _answer(self, pod: _Pod, answer: Process | KeeperError) -> None:
        spawners, pod.spawners = pod.spawners, []
        for then in spawners:
            then(answer)

    def _adopt(self, entry: Entry) -> None:
        around, process = self._around, entry.process
        if process.boot_id != around.boot_id:
            remove_fifos(fifo_folder(around.folder, process.name))
            around.table.put(Entry(ended_unknown(process), entry.log, entry.log_bytes))
            return
        try:
            output = self._output(process.name, entry.log, entry.log_bytes)
        except OSError as why:
            around.loop.report(f"the output of {process.name} is lost: {why}")
            output = None
        # Without a pidfd its leader is gone: what it left behind is to be swept.
        self._start(self._put(process, proc.open_pidfd(process.pid, process.start), output))

    def _put(self, process: Process, pidfd: int | None, output: Output | None) -> _Pod:
        leader = Leader(
            process,
            pidfd,
            mark=process.name,
            loop=self._around.loop,
            sweeper=self._around.sweeper,
            on_end=self._ended,
        )
        pod = self._pods[process.name] = _Pod(leader, output)
        return pod

    def _output(self, name: str, log: str, log_bytes: int) -> Output:
        file = LogFile(log, log_bytes)
        try:
            folder = fifo_folder(self._around.folder, name)
            return Output(folder, file, self._around.loop, self._around.now_ns)
        except OSError:
            file.close()
            raise

    def _ended(self, process: Process) -> None:
        pod = self._pods.pop(process.name)
        self._zygotes.close(process.name)
        if pod.output is not None:
            pod.output.finish()
        entry = self._around.table.entries[process.name]
        self._around.table.put(Entry(process, entry.log, entry.log_bytes))
        self._save_or_report()
        self._answer(pod, process)
        self._around.ended(process)

    def _save_or_report(self) -> None:
        """Where nothing can be taken back. A keeper that reads the older table finds out by itself."""
        try:
            self._around.save()
        except OSError as why:
            self._around.loop.report(f"the process table is not on disk: {why}")
