"""Parts of this engine that live although no table tells of them.

The table can't be written while the disk is full, and gateway and control plane must be started all the
same; if the keeper is killed then, the next one would start second ones beside them, which nobody would
ever end. A part carries its name in its environment, so it can be found.
"""

import os
from collections.abc import Iterable, Mapping

from tidegate.keeper import proc
from tidegate.keeper.table import Table
from tidegate.link.keeper import HOME, PART, Process


def living_parts(root: str, boot_id: str) -> list[Process]:
    """Every living process that was started as a part of the engine of this home."""
    own = os.getuid()
    found = []
    for stat in proc.all_stats().values():
        if stat.dead or stat.session != stat.pid:  # a part leads its session; its children don't
            continue
        try:
            if os.stat(f"/proc/{stat.pid}").st_uid != own:
                continue
        except OSError:
            continue
        name = proc.variable_of(stat.pid, PART)
        if name is not None and proc.variable_of(stat.pid, HOME) == root:
            found.append(Process(name, stat.pid, stat.start, boot_id))
    return found


def complete(table: Table, living: Iterable[Process], known: Mapping[str, object]) -> list[Process]:
    """Put the parts that live into the table, where it lacks them; those it didn't have. Pure.

    The newest of a name is the part; others are retired, as an old gateway is. Names that are not in
    `known` are left alone.
    """
    alive = sorted((p for p in living if p.name in known), key=lambda p: (p.start, p.pid))
    recorded = {_id(process) for process in (*table.parts.values(), *table.retired)}
    added = [process for process in alive if _id(process) not in recorded]
    for process in added:
        before = table.parts.get(process.name)
        if before is not None and any(_id(before) == _id(other) for other in alive):
            table.retired.append(before)
        table.parts[process.name] = process
    return added


def _id(process: Process) -> tuple[int, int]:
    return process.pid, process.start
