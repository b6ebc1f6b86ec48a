"""Which processes of an engine there are, told by their environment, whether or not a keeper could tell."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from tidegate.kit.home import Home
from tidegate.link.keeper import HOME, MARK
from tidegate.link.keeper_call import KeeperCall, KeeperCallFailed
from tidegate.testing.engine import RunningEngine

_ZYGOTE = "zygote/"
_MODULES = {
    "keeper": "tidegate.keeper.main",
    "gateway": "tidegate.gateway",
    "control_plane": "tidegate.app",
}


def part_pids(engine: RunningEngine, part: str) -> list[int]:
    """Living processes that are this part of this engine."""
    return list(_ours(engine, _MODULES[part]))


def fetch_pids(engine: RunningEngine) -> list[int]:
    """The processes that fetch models for it."""
    return list(_ours(engine, "tidegate.modelcache.fetch"))


def keepers_view(engine: RunningEngine) -> dict[str, list[int]]:
    """The parts as the keeper tells them; empty when none answers."""
    try:
        said = KeeperCall(Home(engine.home), timeout_s=2.0).ask("status")
    except KeeperCallFailed:
        return {}
    return {part: [said[part]["pid"]] for part in _MODULES}


def pods_by_mark(engine: RunningEngine) -> dict[str, list[int]]:
    """Pids of the pods' processes by mark (`<uid>/<container>/<attempt>`)."""
    return {m: pids for m, pids in _by_mark(engine).items() if not m.startswith(_ZYGOTE)}


def zygote_pids(engine: RunningEngine) -> list[int]:
    """Zygotes and the children that they have ready."""
    found = _by_mark(engine).items()
    return sorted(pid for mark, pids in found if mark.startswith(_ZYGOTE) for pid in pids)


def is_frozen(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def runs(pid: int, module: str) -> bool:
    """Whether a process was started with this module."""
    try:
        return any(module in arg for arg in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def variable(pid: int, name: str) -> str:
    """Of its environment; empty: none, or it is gone."""
    try:
        return psutil.Process(pid).environ().get(name, "")
    except psutil.Error:
        return ""


def private_kib(pid: int) -> int:
    """What nobody shares with it. Its proportional share would change with who else runs on this machine."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def _ours(engine: RunningEngine, module: str) -> Iterator[int]:
    for process in psutil.process_iter():
        try:
            if (
                any(module in arg for arg in process.cmdline())
                and process.environ().get(HOME) == str(engine.home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                yield process.pid
        except psutil.Error:
            continue


def _by_mark(engine: RunningEngine) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        mark = environ.get(MARK)
        if mark and environ.get("TMPDIR", "").startswith(str(engine.home)):
            found.setdefault(mark, []).append(process.pid)
    return found
