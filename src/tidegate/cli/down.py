"""`tidegate down`: everything of an engine ends, and this returns when it has."""

from __future__ import annotations

from tidegate.cli.engine import engine_or_none, gateway_lives, wait_until_gone
from tidegate.cli.errors import CliError
from tidegate.cli.options import DataDir, home_of
from tidegate.cli.tables import progress
from tidegate.kit.home import Home
from tidegate.link.keeper_call import KeeperCall

_STOP_S = 120.0  # requests under way are finished, pods get their grace


def down(*, data_dir: DataDir = None) -> int:
    """Stop the engine: control plane, pods, gateway, keeper. What was applied stays for the next start.

    Example: tidegate down
    """
    home = home_of(data_dir)
    engine = engine_or_none(home)
    if engine is None and not gateway_lives(home):
        _clear_containers(home)
        print(f"no engine runs for {home.root}")
        return 0
    if engine is None:  # parts without a keeper: a new one takes them over, and can stop them
        from tidegate.link.keeper_start import start_keeper

        keeper_pid = start_keeper(home)
    else:
        keeper_pid = engine.keeper_pid
    progress(f"stopping the engine of {home.root}: requests under way are finished first")
    KeeperCall(home, timeout_s=_STOP_S).ask("shutdown")
    if not wait_until_gone(keeper_pid, timeout_s=_STOP_S):
        raise CliError(
            f"keeper {keeper_pid} of {home.root} did not end within {_STOP_S:g} s: "
            f"look at {home.logs / 'keeper.log'}"
        )
    _clear_containers(home)
    print("stopped")
    return 0


def _clear_containers(home: Home) -> None:
    """What podman or docker keep of containers that have ended."""
    if (home.root / "containers-used").exists():
        from tidegate.node.containers.leftovers import clear

        clear(home)
