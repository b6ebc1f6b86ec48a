"""`tidegate completion`: the script that lets a shell complete our commands."""

from __future__ import annotations

import re
from typing import Literal

from tidegate.cli.catalog import COMMANDS
from tidegate.cli.main import app_with

#: Options whose values are names of files, or may be; fish completes those wherever it knows nothing better.
_FILES = re.compile(r":(filename|f|input|i|output|data-dir|template)' \\$", re.MULTILINE)


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    Example: source <(tidegate completion bash)

    Parameters
    ----------
    shell
        Whose.
    """
    script = app_with(list(COMMANDS.values())).generate_completion(shell=shell)
    if shell == "bash":  # where we know nothing better: names of files
        script = script.replace("complete -F ", "complete -o default -F ")
    elif shell == "zsh":
        script = _FILES.sub(r":\1:_files' \\", script)
    print(script)
    return 0
