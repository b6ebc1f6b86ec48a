"""`python -m tidegate.runtimes.sklearnserver`: the command line of KServe's sklearnserver image.

    --model_name=iris --model_dir=/mnt/models --http_port=8080

Naming this server (or that image) says that its pickles are trusted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.cpus import limit_math_threads, usable_cpus
from tidegate.runtimes.kserve_flags import read_kserve_flags
from tidegate.runtimes.start import Plan, run

PROGRAM = "sklearnserver"


def read_plan(argv: Sequence[str], environ: MutableMapping[str, str]) -> Plan:
    """Raises `StartError`s. Sets the math libraries' thread counts in `environ`."""
    flags = read_kserve_flags(argv, environ, cpus=usable_cpus())
    limit_math_threads(environ, flags.threads)

    def load() -> Backend:
        from tidegate.runtimes.sklearn_model import load_sklearn

        return load_sklearn(
            Path(flags.model_dir), trust=True, environ=environ, parallel=flags.parallel
        )

    return flags.server(PROGRAM, load)


def main() -> int:
    return run(PROGRAM, lambda: read_plan(sys.argv[1:], os.environ), RealClock())


if __name__ == "__main__":
    sys.exit(main())
