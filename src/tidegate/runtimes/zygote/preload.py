"""What each runtime needs imported before its children are forked, and what forbids forking.

To add a runtime: a line in `RUNTIMES` (and one in `node.zygote_kinds`, which asks for it); the conformance
suite (tests/live/test_zygotes.py) forks it and predicts. Importing may be all that ever happens here, so a library
that starts threads when it is imported can't be in the table: onnxruntime starts one (1.31: telemetry).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module

SHELL = (
    "tidegate.runtimes.start",
    "tidegate.runtimes.drain",
    "tidegate.runtimes.listen",
    "tidegate.runtimes.shell",
    "tidegate.runtimes.workers",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.lifespan.off",
    "concurrent.futures.thread",
    "encodings.idna",  # the first getaddrinfo
)
_NUMPY = ("numpy", "tidegate.runtimes.arrays")
_SKLEARN = (
    "joblib",
    "joblib.numpy_pickle",
    "tidegate.runtimes.sklearn_model",
    "threadpoolctl",
    "sklearn",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
)
_GGUF = ("tidegate.runtimes.gguf_model", "tempfile", "xllamacpp")
_ONNX = ("tidegate.runtimes.onnx_model",)
_VERSIONS = ("tidegate.runtimes.versions", *_ONNX, "tidegate.runtimes.sklearn_model", "joblib")

RUNTIMES: Mapping[str, tuple[str, ...]] = {
    "tidegate.runtimes.sklearnserver": (*SHELL, *_NUMPY, *_SKLEARN),
    "tidegate.runtimes.onnxserver": (*SHELL, *_NUMPY, *_ONNX),
    "tidegate.runtimes.llamaserver": (*SHELL, *_GGUF),
    "tidegate.runtimes.vllmserver": (*SHELL, *_GGUF),
    "tidegate.runtimes.tfserver": (*SHELL, *_NUMPY, *_VERSIONS, "tidegate.runtimes.tf_shell"),
    "tidegate.runtimes.tritonserver": (
        *SHELL,
        *_NUMPY,
        *_VERSIONS,
        "tidegate.runtimes.triton_shell",
    ),
    "tidegate.runtimes.agent": (
        *SHELL[1:],
        "tidegate.runtimes.agent.__main__",
        "tidegate.runtimes.agent.upstream",
    ),
    "tidegate.runtimes.pythonserver": (*SHELL, "tidegate.runtimes.python_model"),
}
"""Module of the server -> what to import. Names that can't be imported are left out: the child will say
in its own words what is missing."""


class CannotFork(Exception):
    """No child of this process would be sound. The sentence says why."""


def preload(names: Iterable[str]) -> list[str]:
    """Import them; a sentence for each that failed. Raises `CannotFork` for one that started a thread."""
    failed = []
    for name in names:
        try:
            import_module(name)
        except ImportError as why:
            failed.append(f"{name} is left to the children: {why}")
        except Exception as why:  # noqa: BLE001 - a library's own mistake: the child meets it again
            failed.append(f"{name} is left to the children: {type(why).__name__}: {why}")
        check_alone(f"importing {name}")
    return failed


def check_alone(doing: str) -> None:
    """Raises `CannotFork` when there is a thread beside ours."""
    started = len(os.listdir("/proc/self/task")) - 1
    if started > 0:
        raise CannotFork(f"{doing} starts {started} thread(s), which no fork takes along")


def main_of(module: str) -> str:
    """The module whose `main` a `python -m <module>` runs: a package's is in its `__main__`."""
    found = import_module(module)
    return f"{module}.__main__" if hasattr(found, "__path__") else module


def server_of(module: str) -> object:
    return sys.modules[main_of(module)]
