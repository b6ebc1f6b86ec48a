"""Every model server we have, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Runtime:
    """A kind of model file and the server for it."""

    name: str
    module: str  # `python -m <module>`
    suffixes: tuple[str, ...]
    extra: str  # pip install 'tidegate[<extra>]'
    runs_code: bool  # loading such a file runs what is inside: somebody must say that they trust it


CATALOG: tuple[Runtime, ...] = (
    Runtime(
        "sklearn",
        "tidegate.runtimes.sklearnserver",
        (".joblib", ".pkl", ".pickle"),
        "sklearn",
        runs_code=True,
    ),
    Runtime("onnx", "tidegate.runtimes.onnxserver", (".onnx",), "onnx", runs_code=False),
    Runtime("gguf", "tidegate.runtimes.llamaserver", (".gguf",), "gguf", runs_code=False),
)


def runtime_for(file_name: str) -> Runtime | None:
    """The server for a file, by its suffix; None when we have none."""
    suffix = PurePath(file_name).suffix.lower()
    return next((each for each in CATALOG if suffix in each.suffixes), None)


def arguments(runtime: Runtime, *, model: str, name: str, port: int) -> list[str]:
    """What goes after `python`: the module and its flags, as the real images take them."""
    if runtime.name == "gguf":
        flags = ["-m", model, "--host", "0.0.0.0", "--port", str(port), "--alias", name]
    else:
        flags = [f"--model_name={name}", f"--model_dir={model}", f"--http_port={port}"]
    return ["-m", runtime.module, *flags]
