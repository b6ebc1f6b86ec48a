"""Which zygote a container's process can be forked from. Pure.

A zygote stands for an interpreter, one of our servers, and the variables that libraries read when they are
imported. To add a server: its module here and what it imports in `runtimes.zygote.preload`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.link.keeper import SpawnSpec

PREFIX = "zygote/"  # of the keeper's names for them; no pod's uid is `zygote`
PYTHON_SERVER = "tidegate.runtimes.pythonserver"
FORKED = frozenset(
    f"tidegate.runtimes.{name}"
    for name in (
        "agent",
        "llamaserver",
        "onnxserver",
        "pythonserver",
        "sklearnserver",
        "tfserver",
        "tritonserver",
        "vllmserver",
    )
)
#: Read by the interpreter, the loader, the C library or a framework before `main` begins.
_EARLY = (
    *("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_"),
    *("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "BLIS_", "NUMEXPR_", "NPY_", "NUMBA_"),
    *("SKLEARN_", "SCIPY_", "JOBLIB_", "LOKY_", "ORT_", "GGML_", "LLAMA_LOG"),
    *("HF_", "TRANSFORMERS_", "TOKENIZERS_", "TORCH", "PYTORCH_", "TF_", "XLA_", "JAX_", "KERAS_"),
)
#: Thread counts are set again in the child.
_SET_AGAIN = frozenset({"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})


@dataclass(frozen=True, slots=True)
class Kind:
    """`early`: the variables that are part of it. `also`: modules to import beside the server's own."""

    python: str
    module: str
    early: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people: the server's name."""
        return self.module.rpartition(".")[2]

    @property
    def id(self) -> str:
        """Names it in the keeper's table, the same for every control plane."""
        text = repr((self.python, self.module, self.early, self.also))
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def kind_of(spec: SpawnSpec, *, python: str) -> Kind | None:
    """None: it isn't one of our servers, so there is nothing to fork it from."""
    if len(spec.argv) < 3 or spec.argv[:2] != (python, "-m") or spec.argv[2] not in FORKED:
        return None
    return Kind(python, spec.argv[2], early_of(spec.env))


def early_of(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables that must be there before anything is imported, sorted."""
    found = (
        (name, value)
        for name, value in env.items()
        if name.startswith(_EARLY) and name not in _SET_AGAIN
    )
    return tuple(sorted(found))


def kind_id(process_name: str) -> str:
    """`Kind.id` from the keeper's name of a zygote."""
    return process_name.removeprefix(PREFIX).partition("/")[0]
