"""`python -m tidegate.runtimes.tritonserver`: Triton's flags and layout, for one ONNX model.

    --model-repository=/models --http-port=8000

Where `tritonserver` is installed the node starts that. This stands in for it where the repository
holds one model, `<model>/<version>/model.onnx`, or `--load-model` names one of several. Metrics aren't served: their port takes connections,
because probes may ask for that, and ends them.
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
from tidegate.runtimes.errors import ModelFileMissing
from tidegate.runtimes.grpc_plan import GrpcPlan
from tidegate.runtimes.start import Plan, run
from tidegate.runtimes.triton_flags import read_triton_flags
from tidegate.runtimes.versions import latest_version, load_version

PROGRAM = "tritonserver"


def read_plan(argv: Sequence[str], environ: MutableMapping[str, str]) -> Plan:
    """Raises `StartError`s. Reports flags without effect on stderr; sets thread counts in `environ`."""
    flags = read_triton_flags(argv)
    if flags.without_effect:
        said = ", ".join(flags.without_effect)
        sys.stderr.write(f"{PROGRAM}: no Triton here: without effect are {said}\n")
    limit_math_threads(environ, 1)
    model = model_folder(Path(flags.repository), flags.model)
    folder = latest_version(model)
    parallel = usable_cpus()

    def load() -> Backend:
        return load_version(folder, "tritonserver", environ, parallel=parallel)

    def shell(*args: Any, **more: Any) -> Any:
        from tidegate.runtimes.triton_shell import TritonShell

        return TritonShell(folder.name, *args, **more)

    return Plan(
        PROGRAM,
        model.name,
        environ.get("TIDEGATE_HOST") or "127.0.0.1",
        flags.http_port,
        load,
        shell=shell,
        unserved_ports=flags.unserved_ports,
        grpc=GrpcPlan(flags.grpc_port, "triton", folder.name) if flags.grpc_port else None,
    )


def model_folder(repository: Path, name: str | None) -> Path:
    """The folder of a model of the repository; `name` None: of its one. Raises `ModelFileMissing`."""
    if not repository.is_dir():
        raise ModelFileMissing(str(repository), "give the folder that holds the model's folder")
    found = sorted(
        each for each in repository.iterdir() if each.is_dir() and not each.name.startswith(".")
    )
    names = ", ".join(each.name for each in found)
    if name is not None:
        if name not in (each.name for each in found):
            raise ModelFileMissing(str(repository / name), f"the repository has {names or 'none'}")
        return repository / name
    if not found:
        raise ModelFileMissing(str(repository), "no model in it: it needs <model>/1/model.onnx")
    if len(found) > 1:
        why = (
            f"it holds several models ({names}), and one is served here: give each its own, or say "
            "--model-control-mode=explicit --load-model=NAME"
        )
        raise ModelFileMissing(str(repository), why)
    return found[0]


def main() -> int:
    return run(PROGRAM, lambda: read_plan(sys.argv[1:], os.environ), RealClock())


if __name__ == "__main__":
    sys.exit(main())
