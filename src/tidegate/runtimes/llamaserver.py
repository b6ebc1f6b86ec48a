"""`python -m tidegate.runtimes.llamaserver`: the command line of llama.cpp's server image.

-m model.gguf --host 0.0.0.0 --port 8080 --alias smollm2 -c 4096 -np 2
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.cpus import cpus_for
from tidegate.runtimes.llama_flags import read_llama_flags
from tidegate.runtimes.start import Plan, run

PROGRAM = "llamaserver"


def read_plan(argv: Sequence[str], environ: Mapping[str, str]) -> Plan:
    """Raises `StartError`s."""
    flags = read_llama_flags(argv, environ, cpus=cpus_for(environ))

    def load() -> Backend:
        from tidegate.runtimes.gguf_model import load_gguf

        return load_gguf(flags)

    return Plan(
        PROGRAM,
        flags.alias,
        flags.host,
        flags.port,
        load,
        also=frozenset({flags.model, PurePath(flags.model).name}),
        api_keys=frozenset(flags.api_keys),
    )


def main() -> int:
    return run(PROGRAM, lambda: read_plan(sys.argv[1:], os.environ), RealClock())


if __name__ == "__main__":
    sys.exit(main())
