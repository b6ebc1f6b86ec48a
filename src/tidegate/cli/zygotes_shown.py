"""The zygotes of an engine as `tidegate status` shows them: read from the keeper's table and from /proc."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tidegate.kit.home import Home
from tidegate.link.keeper_call import KeeperCall, KeeperCallFailed

_PREFIX = "zygote/"


@dataclass(frozen=True, slots=True)
class ShownZygote:
    """`kind` is the server's name and what tells it from others of that server. `pss_kib` None: not ours to read."""

    kind: str
    pid: int
    pss_kib: int | None

    @property
    def memory(self) -> str:
        return memory_text(self.pss_kib)


def zygotes_of(home: Home) -> list[ShownZygote]:
    """Those that run now; none when the keeper doesn't answer."""
    try:
        processes = KeeperCall(home).ask("subscribe")["processes"]
    except KeeperCallFailed:
        return []
    return [
        ShownZygote(each["name"].split("/")[1], each["pid"], pss_kib(each["pid"]))
        for each in processes
        if each["name"].startswith(_PREFIX) and not each["ended"]
    ]


def memory_text(pss_kib: int | None) -> str:
    """Empty for None."""
    return "" if pss_kib is None else f"{pss_kib / 1024:.0f} MiB"


def pss_kib(pid: int) -> int | None:
    """What a process has of memory, shared pages by its share; None: gone, or not ours to read."""
    with suppress(OSError, ValueError, IndexError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.partition("Pss:")[2].split()[0])
    return None
