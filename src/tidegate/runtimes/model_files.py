"""Finding the one model file in a folder."""

from __future__ import annotations

from pathlib import Path

from tidegate.runtimes.errors import ModelFileMissing


def one_model_file(path: Path, suffixes: tuple[str, ...]) -> Path:
    """`path` if it is a file, else the only file in it with one of `suffixes`.

    Raises `ModelFileMissing` for none and for several: guessing which one was meant would serve
    the wrong model without a word. Hidden entries (`..data` of a ConfigMap volume) don't count.
    """
    kinds = ", ".join(suffixes)
    if path.is_file():
        return path
    if not path.is_dir():
        raise ModelFileMissing(str(path), f"give a {kinds} file, or the folder that holds it")
    found = sorted(
        entry
        for entry in path.iterdir()
        if entry.name.endswith(suffixes) and not entry.name.startswith(".") and entry.is_file()
    )
    if not found:
        raise ModelFileMissing(str(path), f"the folder holds no file that ends in {kinds}")
    if len(found) > 1:
        names = ", ".join(entry.name for entry in found)
        raise ModelFileMissing(str(path), f"the folder holds several ({names}): leave one")
    return found[0]
