"""`tidegate kubeconfig`: the way in for kubectl and client libraries."""

from __future__ import annotations

from tidegate.cli.errors import CliError
from tidegate.cli.options import DataDir, home_of


def kubeconfig(*, data_dir: DataDir = None) -> int:
    """Print the path of the engine's kubeconfig.

    Example: kubectl --kubeconfig "$(tidegate kubeconfig)" get ksvc
    """
    home = home_of(data_dir)
    if not home.kubeconfig.exists():
        raise CliError(f"{home.root} has no kubeconfig yet: `tidegate up` writes it")
    print(home.kubeconfig)
    return 0
