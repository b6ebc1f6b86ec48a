"""How many CPUs this process may use, and keeping math libraries to that."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from math import ceil
from pathlib import Path

_POOL_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def usable_cpus(cgroups: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc/self")) -> int:
    """CPUs by affinity and by the cgroup (v2) quota of this process and its parents, at least 1.

    `os.cpu_count` counts the machine: a pod limited to one CPU on 64 would start 64 threads.
    """
    cpus = len(os.sched_getaffinity(0))
    for limit in _quotas(cgroups, proc):
        cpus = min(cpus, limit)
    return max(1, cpus)


def cpus_for(environ: Mapping[str, str], usable: int | None = None) -> int:
    """CPUs for one server: those it may use, and no more than OMP_NUM_THREADS where that is set.

    The node sets it to the container's CPU limit. Threads beyond it that wait for each other by
    spinning, as llama.cpp's do, make one another many times slower. `usable` None: looked up.
    """
    said = environ.get("OMP_NUM_THREADS", "")
    cpus = usable_cpus() if usable is None else usable
    return min(cpus, int(said)) if said.isdigit() and int(said) > 0 else cpus


def _quotas(cgroups: Path, proc: Path) -> list[int]:
    try:
        lines = (proc / "cgroup").read_text().splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder, found = cgroups / own.lstrip("/"), []
    while True:
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                found.append(max(1, ceil(int(quota) / int(period))))
        except (OSError, ValueError):
            pass  # the root has no cpu.max, and cgroup v1 has no such file
        if folder == cgroups or cgroups not in folder.parents:
            return found
        folder = folder.parent


def limit_math_threads(environ: MutableMapping[str, str], threads: int) -> None:
    """Set the thread counts of OpenMP, OpenBLAS and MKL where the document didn't.

    The libraries read these once, when they load. Those that are loaded already (in a zygote, with one thread)
    are told.
    """
    for name in _POOL_VARIABLES:
        environ.setdefault(name, str(threads))
    if "numpy" in sys.modules:
        _tell_loaded(environ)


def _tell_loaded(environ: Mapping[str, str]) -> None:
    said = {name: environ.get(name, "") for name in _POOL_VARIABLES}
    openmp, openblas, mkl = (int(text) if text.isdigit() else 1 for text in said.values())
    if (openmp, openblas, mkl) == (1, 1, 1):
        return  # as they were loaded
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # without scikit-learn nothing of ours computes in them
        return
    pools = ThreadpoolController()
    pools.select(user_api="openmp").limit(limits=openmp)
    pools.select(internal_api="openblas").limit(limits=openblas)
    pools.select(internal_api="mkl").limit(limits=mkl)
