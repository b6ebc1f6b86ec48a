"""`tidegate completion`: the script that lets a shell complete our commands."""

from __future__ import annotations

from typing import Literal

from tidegate.cli.catalog import COMMANDS
from tidegate.cli.main import app_with


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    Example: source <(tidegate completion bash)
    """
    print(app_with(list(COMMANDS.values())).generate_completion(shell=shell))
    return 0
