"""`python -m tidegate.runtimes.onnxserver`: an ONNX model behind the flags of KServe's servers.

--model_name=iris --model_dir=model.onnx --http_port=8080 [--nthread=2]
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

PROGRAM = "onnxserver"


def read_plan(argv: Sequence[str], environ: MutableMapping[str, str]) -> Plan:
    """Raises `StartError`s. Sets the math libraries' thread counts in `environ`."""
    flags = read_kserve_flags(argv, environ, cpus=usable_cpus())
    limit_math_threads(environ, 1)  # numpy only copies here; onnxruntime has its own setting

    def load() -> Backend:
        from tidegate.runtimes.onnx_model import load_onnx

        return load_onnx(Path(flags.model_dir), threads=flags.threads, parallel=flags.parallel)

    return flags.server(PROGRAM, load)


def main() -> int:
    return run(PROGRAM, lambda: read_plan(sys.argv[1:], os.environ), RealClock())


if __name__ == "__main__":
    sys.exit(main())
