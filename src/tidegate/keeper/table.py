"""What the keeper knows, as the next keeper reads it. Pure, but for `save` and `load`.

`<run>/processes.json` holds the processes of pods (running, or ended and not yet forgotten), the two
parts, and old gateways that still finish requests. It is written whole, by rename, before a child
may exec; each entry is rendered once, so a thousand of them cost a join.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tidegate.link.keeper import Process, process_from_wire, to_wire

VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A pod's process and where its output goes."""

    process: Process
    log: str
    log_bytes: int


@dataclass(slots=True)
class Table:
    """Owned by the engine. Change it through `put`, `drop` and the two part fields, then save it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    parts: dict[str, Process] = field(default_factory=dict)
    retired: list[Process] = field(default_factory=list)
    _rendered: dict[str, str] = field(default_factory=dict)

    def put(self, entry: Entry) -> None:
        self.entries[entry.process.name] = entry
        self._rendered[entry.process.name] = json.dumps(
            {"process": to_wire(entry.process), "log": entry.log, "log_bytes": entry.log_bytes}
        )

    def drop(self, name: str) -> None:
        del self.entries[name], self._rendered[name]

    def render(self) -> str:
        """The file's text."""
        parts = json.dumps({name: to_wire(process) for name, process in self.parts.items()})
        retired = json.dumps([to_wire(process) for process in self.retired])
        return (
            f'{{"version": {VERSION}, "parts": {parts}, "retired": {retired}, "processes": [\n'
            + ",\n".join(self._rendered.values())
            + "\n]}\n"
        )


def parse(text: str) -> Table:
    """Raises ValueError, KeyError or TypeError for what `render` did not write."""
    raw = json.loads(text)
    if raw["version"] != VERSION:
        raise ValueError(f"version {raw['version']}, this keeper reads {VERSION}")
    table = Table(
        parts={name: process_from_wire(process) for name, process in raw["parts"].items()},
        retired=[process_from_wire(process) for process in raw["retired"]],
    )
    for item in raw["processes"]:
        table.put(Entry(process_from_wire(item["process"]), item["log"], item["log_bytes"]))
    return table


def ended_unknown(process: Process) -> Process:
    """The process, ended in a way that we were not told."""
    return replace(process, ended=True, code=None, signal=None)


def exit_of(process: Process, status: int | None) -> Process:
    """The process as it ended. `status` as waitpid gives it; None: not our child, unknown."""
    if status is None:
        return ended_unknown(process)
    if os.WIFSIGNALED(status):
        return replace(process, ended=True, code=None, signal=os.WTERMSIG(status))
    return replace(process, ended=True, code=os.WEXITSTATUS(status), signal=None)


def write_whole(path: Path, text: str) -> None:
    """By rename, so that a reader finds the old text or the new one. Not synced: it need not
    outlive the machine's boot."""
    fresh = f"{path}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = text.encode()
        while data:
            data = data[os.write(fd, data) :]
        os.replace(fresh, path)
    except OSError:
        os.unlink(fresh)  # on a full disk it would take what room there is
        raise
    finally:
        os.close(fd)


def load(path: Path) -> tuple[Table, str | None]:
    """The table of the keeper before, and what was wrong with it (then it is empty)."""
    try:
        return parse(path.read_text()), None
    except FileNotFoundError:
        return Table(), None
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        return Table(), f"{path} is not readable, its processes are unknown now: {why!r}"


def wire_list(entries: Mapping[str, Entry]) -> list[dict[str, object]]:
    """The processes as `subscribe` answers them."""
    return [to_wire(entry.process) for entry in entries.values()]
