"""`python -m tidegate.runtimes.tfserver`: TensorFlow Serving's flags, REST and gRPC, without it.

    --model_name=bert --model_base_path=/models/bert --rest_api_port=8501 --port=8500

Where `tensorflow_model_server` is installed the node starts that. This stands in for it where the
version's folder holds an ONNX or scikit-learn model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.cpus import limit_math_threads, usable_cpus
from tidegate.runtimes.grpc_plan import GrpcPlan
from tidegate.runtimes.start import Plan, run
from tidegate.runtimes.tf_flags import read_tf_flags
from tidegate.runtimes.versions import latest_version, load_version

PROGRAM = "tfserver"


def read_plan(argv: Sequence[str], environ: MutableMapping[str, str]) -> Plan:
    """Raises `StartError`s. Reports flags without effect on stderr; sets thread counts in `environ`."""
    flags = read_tf_flags(argv)
    if flags.without_effect:
        said = ", ".join(flags.without_effect)
        sys.stderr.write(f"{PROGRAM}: no TensorFlow here: without effect are {said}\n")
    limit_math_threads(environ, 1)
    folder = latest_version(Path(flags.base_path))
    parallel = usable_cpus()

    def load() -> Backend:
        return load_version(folder, "tensorflow_model_server", environ, parallel=parallel)

    def shell(*args: Any, **more: Any) -> Any:
        from tidegate.runtimes.tf_shell import TensorFlowShell

        return TensorFlowShell(folder.name, *args, **more)

    return Plan(
        PROGRAM,
        flags.name,
        environ.get("TIDEGATE_HOST") or "127.0.0.1",
        flags.rest_port,
        load,
        shell=shell,
        grpc=GrpcPlan(flags.grpc_port, "tensorflow", folder.name) if flags.grpc_port else None,
    )


def main() -> int:
    return run(PROGRAM, lambda: read_plan(sys.argv[1:], os.environ), RealClock())


if __name__ == "__main__":
    sys.exit(main())
