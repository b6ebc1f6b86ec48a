"""`python -m tidegate.runtimes.pythonserver`: your own Python class behind V1 and V2.

    --module server.py --class Sentiment --model_name=sentiment --model_dir=/mnt/models --http_port=8080

The other flags are those of KServe's servers (`kserve_flags`). `--model_dir` may be left out. What the class looks
like is in `python_model`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.cpus import limit_math_threads
from tidegate.runtimes.errors import BadFlag
from tidegate.runtimes.kserve_flags import read_kserve_flags
from tidegate.runtimes.start import Plan, run

PROGRAM = "pythonserver"


def read_plan(argv: Sequence[str], environ: MutableMapping[str, str]) -> Plan:
    """Raises `StartError`s. Sets the math libraries' thread counts in `environ`."""
    own, rest = _split(argv)
    for flag, what in (("module", "the file that holds your class"), ("class", "its name")):
        if not own.get(flag):
            raise BadFlag(f"--{flag}", f"missing: give {what}")
    if not any(word.partition("=")[0] == "--model_dir" for word in rest):
        rest = [*rest, "--model_dir="]
    flags = read_kserve_flags(rest, environ, cpus=1)
    limit_math_threads(environ, flags.threads)

    def load() -> Backend:
        from tidegate.runtimes.python_model import load_python

        return load_python(
            Path(own["module"]),
            own["class"],
            name=flags.model_name,
            model_dir=flags.model_dir,
            parallel=flags.parallel,
        )

    return flags.server(PROGRAM, load)


def _split(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Our two flags, and the others."""
    own: dict[str, str] = {}
    rest: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in ("module", "class"):
            rest.append(word)
            continue
        if not equals:
            if not words:
                raise BadFlag(word, "needs a value after it")
            value = words.pop(0)
        own[name] = value
    return own, rest


def main() -> int:
    return run(PROGRAM, lambda: read_plan(sys.argv[1:], os.environ), RealClock())


if __name__ == "__main__":
    sys.exit(main())
