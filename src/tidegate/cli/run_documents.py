"""The Knative Service that `tidegate run` writes for a model file or a command. Pure.

Images name runtimes as the documents for a cluster do: the same document runs there once the model
is on a volume of the cluster.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tidegate.cli.errors import Usage

_MOUNT = "/mnt/models"
_PYTHON = re.compile(r"python(3(\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for. None: leave it to the defaults of the engine."""

    name: str | None = None
    namespace: str = "default"
    min_scale: int | None = None
    max_scale: int | None = None
    concurrency: int | None = None  # containerConcurrency: requests at a time in one replica
    port: int = 8080
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Runtime:
    """How a kind of model file is served."""

    image: str
    args: tuple[str, ...]  # with {name}, {port}, {file}, {model}: the folder, or the file in it


_KSERVE = ("--model_name={name}", "--model_dir={model}", "--http_port={port}")
_SKLEARN = _Runtime("kserve/sklearnserver:v0.15.0", _KSERVE)
_RUNTIMES: Mapping[str, _Runtime] = {
    ".joblib": _SKLEARN,
    ".pkl": _SKLEARN,
    ".onnx": _Runtime("tidegate/onnxserver", _KSERVE),
    ".gguf": _Runtime(
        "ghcr.io/ggml-org/llama.cpp:server",
        ("-m", _MOUNT + "/{file}", "--host", "0.0.0.0", "--port", "{port}", "--alias", "{name}"),
    ),
}


def model_service(
    file: PurePosixPath, wanted: Wanted, *, beside: Sequence[str] = ()
) -> dict[str, Any]:
    """The document for a model file given by its absolute path. Raises `Usage`.

    `beside`: the names of the folder's other files. KServe's servers take a folder with one model in
    it; where there are several, the file itself is named, which ours take as well.
    """
    runtime = _RUNTIMES.get(file.suffix.lower())
    if runtime is None:
        kinds = ", ".join(f"*{suffix}" for suffix in _RUNTIMES)
        raise Usage(
            f"{file}: no runtime for {file.suffix or 'a file without a suffix'}: "
            f"there are {kinds}; for anything else write `tidegate run -- COMMAND ...`"
        )
    name = wanted.name or service_name(file.stem)
    same = (n for n in beside if _RUNTIMES.get(PurePosixPath(n).suffix.lower()) is runtime)
    model = f"{_MOUNT}/{file.name}" if any(n != file.name for n in same) else _MOUNT
    container = {
        "image": runtime.image,
        "args": [
            part.format(name=name, port=wanted.port, file=file.name, model=model)
            for part in runtime.args
        ],
        "ports": [{"containerPort": wanted.port}],
        "volumeMounts": [{"name": "model", "mountPath": _MOUNT, "readOnly": True}],
    }
    folder = {"name": "model", "hostPath": {"path": str(file.parent), "type": "Directory"}}
    return _service(name, container, wanted, volumes=[folder])


def command_service(
    command: Sequence[str], folder: str, wanted: Wanted, *, found: bool = True
) -> dict[str, Any]:
    """The document for a command that serves HTTP on $PORT. `folder` is where it runs, `found`
    whether this machine has the program.

    What Python starts gets an image that a cluster has too; any other program runs from the folder,
    which stands in the image's place and means something on this machine only. Raises `Usage`.
    """
    if not command:
        raise Usage(
            "nothing to run: `tidegate run model.joblib` or `tidegate run -- python app.py`"
        )
    program = PurePosixPath(command[0]).name
    is_python = _PYTHON.fullmatch(program) is not None
    if not is_python and not found:
        raise Usage(
            f"{command[0]!r} is neither a model file nor a program of this machine: "
            "give a file that is there, or `tidegate run -- COMMAND ...` with a command on the PATH"
        )
    scripts = [PurePosixPath(part).stem for part in command[1:] if not part.startswith("-")]
    name = wanted.name or service_name(scripts[0] if scripts else program)
    container: dict[str, Any] = {
        "image": "python:3" if is_python else folder,
        "command": list(command),
        "workingDir": folder,
        "ports": [{"containerPort": wanted.port}],
    }
    return _service(name, container, wanted)


def service_name(text: str) -> str:
    """A name that the API takes, made from a file's: lower case, digits and dashes, 63 at most."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")
    if name and not name[0].isalpha():
        name = f"m-{name}"[:63].rstrip("-")
    return name or "model"


def _service(
    name: str, container: dict[str, Any], wanted: Wanted, *, volumes: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    scale = {"min-scale": wanted.min_scale, "max-scale": wanted.max_scale}
    annotations = {
        f"autoscaling.knative.dev/{key}": str(n) for key, n in scale.items() if n is not None
    }
    if wanted.env:
        container["env"] = [{"name": key, "value": value} for key, value in wanted.env.items()]
    spec: dict[str, Any] = {}
    if wanted.concurrency is not None:
        spec["containerConcurrency"] = wanted.concurrency
    spec["containers"] = [container]
    if volumes:
        spec["volumes"] = list(volumes)
    template: dict[str, Any] = {"metadata": {"annotations": annotations}} if annotations else {}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": wanted.namespace},
        "spec": {"template": {**template, "spec": spec}},
    }
