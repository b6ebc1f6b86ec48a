"""Starting a keeper: by `tidegate up`, and by a control plane that lost its keeper.

The new process reads the home's settings; see `tidegate.keeper`. In the background it has a session
of its own, is nobody's child, and writes to `<logs>/keeper.log`.
"""

import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import NoReturn

import tidegate
from tidegate.kit.home import Home
from tidegate.link.keeper import FDS, MARK, PART, READY_FD
from tidegate.link.log_file import rotate

_LOG_BYTES = 10 * 2**20
_SOURCE = str(Path(tidegate.__file__).parents[1])
# No site (its .pth files cost start time and memory) and no runpy: the keeper needs the standard library and us.
_CODE = f"import sys;sys.path.insert(0,{_SOURCE!r});from tidegate.keeper.main import main;sys.exit(main())"


class KeeperNotStarted(Exception):
    """The keeper ended, or said nothing, before it served."""

    def __init__(self, home: Home, why: str) -> None:
        self.root, self.why = home.root, why
        super().__init__(why)


def keeper_command(*, detach: bool) -> list[str]:
    """The command line of a keeper; the home comes through TIDEGATE_HOME."""
    return [sys.executable, "-E", "-S", "-c", _CODE, "--detach" if detach else "--foreground"]


def start_keeper(
    home: Home, *, listening: Mapping[str, int] | None = None, timeout_s: float = 20.0
) -> int:
    """Start one in the background and wait until it serves; the pid of the engine's keeper.

    An engine that runs already is fine: its keeper's pid comes back. `listening` are descriptors of
    listening sockets the caller holds (`{"api": 5}`), used where the gateway can't give them back.
    Blocks: use a thread under asyncio. Raises `KeeperNotStarted` with the keeper's own sentence, or the
    system's where no process can be made.
    """
    try:
        return _started(home, dict(listening or {}), timeout_s)
    except OSError as why:
        raise KeeperNotStarted(home, f"no keeper can be started: {why}") from why


def _started(home: Home, fds: dict[str, int], timeout_s: float) -> int:
    home.make()
    log = home.logs / "keeper.log"
    rotate(log, _LOG_BYTES)
    reader, writer = os.pipe()
    try:
        with open(log, "ab") as out:
            intermediate = subprocess.Popen(
                keeper_command(detach=True),
                env=_environment(home) | {FDS: _pairs(fds), READY_FD: str(writer)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                pass_fds=(writer, *fds.values()),
            )
        os.close(writer)
        writer = -1
        intermediate.wait(timeout_s)
        said = _read_all(reader, timeout_s)
    except subprocess.TimeoutExpired:
        said = ""
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    verdict, _, rest = said.strip().partition(" ")
    if verdict == "ok":
        return int(rest)
    raise KeeperNotStarted(home, rest or f"the keeper ended before it served: look at {log}")


def become_keeper(home: Home) -> NoReturn:
    """Replace this process by a keeper in the foreground (log on stderr, Ctrl-C shuts down)."""
    home.make()
    command = keeper_command(detach=False)
    os.execve(command[0], command, _environment(home))


def _environment(home: Home) -> dict[str, str]:
    ours = (MARK, PART, FDS, READY_FD)
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"TIDEGATE_HOME": str(home.root)}


def _pairs(fds: Mapping[str, int]) -> str:
    return "{" + ",".join(f'"{name}":{fd}' for name, fd in fds.items()) + "}"


def _read_all(reader: int, timeout_s: float) -> str:
    """What comes until the other side closes, or until time is up."""
    got, deadline = b"", monotonic() + timeout_s
    while select.select([reader], [], [], max(0.0, deadline - monotonic()))[0]:
        data = os.read(reader, 4096)
        if not data:
            break
        got += data
    return got.decode(errors="replace")
