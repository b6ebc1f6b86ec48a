"""The layout `<model>/<version>/<files>` of TensorFlow Serving and Triton, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tidegate.runtimes.backend import Backend
from tidegate.runtimes.errors import ModelFileMissing, NotTrusted

TRUST = "TIDEGATE_TRUST"
"""The variable by which a document says that a model's pickle may run its code."""


def latest_version(base: Path) -> Path:
    """The folder of the highest number, as TF Serving and Triton choose by default.

    Raises `ModelFileMissing`."""
    if not base.is_dir():
        raise ModelFileMissing(str(base), "give a folder with one folder a version, such as 1/")
    found = [each for each in base.iterdir() if each.name.isdigit() and each.is_dir()]
    if not found:
        raise ModelFileMissing(str(base), "no versions in it: it needs a folder such as 1/")
    return max(found, key=lambda each: int(each.name))


def load_version(
    folder: Path, program: str, environ: Mapping[str, str], *, parallel: int
) -> Backend:
    """The ONNX or scikit-learn model in a version's folder.

    `program` is the server that could load anything else, for the error. Raises `StartError`s.
    """
    from tidegate.runtimes.onnx_model import SUFFIXES as ONNX
    from tidegate.runtimes.onnx_model import load_onnx
    from tidegate.runtimes.sklearn_model import SUFFIXES as PICKLES
    from tidegate.runtimes.sklearn_model import load_sklearn

    names = [each.name for each in folder.iterdir() if each.is_file()]
    if any(name.endswith(ONNX) for name in names):
        return load_onnx(folder, parallel=parallel)
    pickles = [name for name in names if name.endswith(PICKLES)]
    if pickles:
        if environ.get(TRUST, "").lower() != "true":
            raise NotTrusted(str(folder / pickles[0]), way=f"{TRUST}=true in the container's env")
        return load_sklearn(folder, trust=True, environ=environ, parallel=parallel)
    what = "a TensorFlow SavedModel" if "saved_model.pb" in names else "no .onnx or .joblib file"
    raise ModelFileMissing(
        str(folder),
        f"it holds {what}, and {program}, which could load other formats, is not installed: "
        "convert the model to ONNX, or install it",
    )
