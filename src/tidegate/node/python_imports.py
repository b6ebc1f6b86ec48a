"""What a user's Python file imports at its top: what its zygote can have ready.

The file itself is never run in a zygote: it may read the container's environment, load a model, start threads.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Sequence
from pathlib import Path

_MOST_BYTES = 2**20
#: Importing these starts threads, which no fork takes along: they are left to the children.
_START_THREADS = frozenset({"onnxruntime", "tensorflow", "jax", "ray", "grpc", "vllm"})


def imports_for(argv: Sequence[str], cwd: str) -> tuple[str, ...]:
    """For a `python -m tidegate.runtimes.pythonserver` command line. Nothing that can't be read is an error
    here: the server will say it."""
    file = module_file(argv)
    if file is None:
        return ()
    path = Path(cwd, file)
    try:
        if path.stat().st_size > _MOST_BYTES:
            return ()
        text = path.read_text()
        beside = {*_names(path.parent), *_names(Path(cwd))}
    except (OSError, UnicodeDecodeError):
        return ()
    return imported(text, beside=beside)


def module_file(argv: Sequence[str]) -> str | None:
    """The value of `--module`."""
    for at, word in enumerate(argv):
        if word.startswith("--module="):
            return word.partition("=")[2]
        if word == "--module" and at + 1 < len(argv):
            return argv[at + 1]
    return None


def imported(text: str, *, beside: Collection[str]) -> tuple[str, ...]:
    """Modules that the text imports at its top level, sorted; those that lie beside it left out. Pure."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            found.add(node.module)
    return tuple(
        name
        for name in sorted(found - {"__future__"})
        if (top := name.partition(".")[0]) not in beside and top not in _START_THREADS
    )


def _names(folder: Path) -> set[str]:
    return {name.partition(".")[0] for name in os.listdir(folder)}
