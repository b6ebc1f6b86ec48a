"""Files and folders of the command line, as documents and other processes may name them."""

from __future__ import annotations

from pathlib import Path


def placed(path: Path) -> Path:
    """Absolute, and without `..`, which no volume may have. Links that `..` doesn't come after stay."""
    made = path.absolute()
    if ".." not in made.parts:
        return made
    return made.resolve() if made.name == ".." else made.parent.resolve() / made.name
