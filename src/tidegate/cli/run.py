"""`tidegate run`: from a model file, or a command, to a service; the document is shown, not hidden."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from cyclopts import Parameter

from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import DataDir, Namespace, home_of
from tidegate.cli.places import placed
from tidegate.cli.run_documents import Wanted, command_service, model_service
from tidegate.cli.yaml_text import to_yaml


def run(
    *target: str,
    name: str | None = None,
    namespace: Namespace = "default",
    min_scale: int | None = None,
    max_scale: int | None = None,
    concurrency: int | None = None,
    port: int = 8080,
    env: Annotated[list[str] | None, Parameter(name=["--env", "-e"])] = None,
    dry_run: bool = False,
    data_dir: DataDir = None,
) -> int:
    """Serve a model file (*.joblib, *.pkl, *.onnx, *.gguf), or a command that listens on $PORT.

    Writes the Knative Service, prints it and applies it. A pickle is code: run only files you trust.

    Example: tidegate run iris.joblib --max-scale 4

    Example: tidegate run --name echo -- python app.py

    Parameters
    ----------
    target
        A model file; or, after --, a command with its arguments.
    name
        Name of the service (default: from the file).
    min_scale
        Replicas kept without traffic (0 when not given).
    max_scale
        Replicas at most.
    concurrency
        Requests at a time in one replica (0: no limit).
    port
        Port that the server listens on, as its document says it; each replica gets a free one.
    env
        NAME=VALUE; may be given several times.
    dry_run
        Only print the document.
    """
    wanted = Wanted(
        name=name,
        namespace=namespace,
        min_scale=min_scale,
        max_scale=max_scale,
        concurrency=concurrency,
        port=port,
        env=_environment(env or []),
    )
    document = _document(target, wanted)
    print(to_yaml(document), end="", flush=True)
    if not dry_run:
        _apply(document, data_dir)
    return 0


def _apply(document: dict[str, Any], data_dir: str | None) -> None:
    """Raises `CliError`."""
    from tidegate.cli.apply import apply_document, explained
    from tidegate.cli.cluster import Cluster
    from tidegate.cli.documents import Document
    from tidegate.model.errors import ApiError

    made = Document("(this command)", 1, document, {})
    try:
        done = apply_document(Cluster(home_of(data_dir)), made)
    except ApiError as why:
        raise CliError(explained(made, why)) from why
    print(f"---\n# {done}", flush=True)
    print(f"# `tidegate url {made.name}` says where it answers", file=sys.stderr)


def _document(target: tuple[str, ...], wanted: Wanted) -> dict[str, Any]:
    found = bool(target) and shutil.which(target[0]) is not None
    if len(target) == 1:
        file = Path(target[0])
        if (
            file.is_file() and file.suffix
        ):  # whether it may be executed or not: on some disks all may
            file = placed(file)
            return model_service(PurePosixPath(file), wanted, beside=os.listdir(file.parent))
        if file.is_dir() and not found:
            raise CliError(f"{file}: a folder; name the model file in it")
        if file.suffix and not file.exists() and not found:
            raise CliError(f"{file}: no such model file")
    return command_service(target, os.getcwd(), wanted, found=found)


def _environment(pairs: list[str]) -> dict[str, str]:
    out = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise Usage(f"--env {pair!r}: write NAME=VALUE")
        out[key] = value
    return out
