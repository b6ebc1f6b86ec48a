"""scikit-learn models from .joblib, .pkl or .pickle, as KServe's sklearnserver serves them.

A pickle is code: loading one runs whatever its author put inside. So it takes a `trust=True` that
somebody said out loud: a document says it by naming KServe's sklearn image (or runtime), which
does nothing but load pickles; `tidegate run` asks for `--trust`.
Source: kserve python/sklearnserver/sklearnserver/model.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tidegate.protocols.errors import BadRequest, NotImplementedHere
from tidegate.protocols.tensors import Tensor
from tidegate.protocols.v2 import Infer
from tidegate.runtimes.backend import About
from tidegate.runtimes.errors import FrameworkMissing, ModelFileBroken, NotTrusted
from tidegate.runtimes.model_files import one_model_file

MAP_FROM_BYTES = 4 * 2**20
"""Mapping costs a system call an array; below this size sharing saves nothing."""
SUFFIXES = (".joblib", ".pkl", ".pickle")
OUTPUT = "output-0"  # KServe's name for the one output of a scikit-learn model


def load_sklearn(
    path: Path, *, trust: bool, environ: Mapping[str, str], parallel: int = 1
) -> SklearnModel:
    """The model at `path`, a file or a folder that holds exactly one.

    PREDICT_PROBA=true in `environ` predicts probabilities, as in KServe. Raises `StartError`s.
    """
    file = one_model_file(path, SUFFIXES)
    if not trust:
        raise NotTrusted(str(file))
    try:
        import joblib
        import sklearn  # noqa: F401 - so that its absence is told apart from a broken file
    except ImportError as why:
        raise FrameworkMissing(why.name or "scikit-learn", extra="sklearn") from why
    try:
        model = _load(joblib, file)
    except ModuleNotFoundError as why:
        raise ModelFileBroken(
            str(file), str(why), way_out=f"install {why.name}, which the pickle was made with"
        ) from why
    except Exception as why:
        raise ModelFileBroken(
            str(file),
            f"{type(why).__name__}: {why}",
            way_out="write it again with joblib.dump under the scikit-learn installed here",
        ) from why
    if not hasattr(model, "predict"):
        raise ModelFileBroken(
            str(file),
            f"it holds a {type(model).__name__}, which can't predict",
            way_out="dump the fitted estimator itself",
        )
    probabilities = environ.get("PREDICT_PROBA", "false").lower() == "true"
    return SklearnModel(model, probabilities=probabilities, parallel=parallel)


def _load(joblib: Any, file: Path) -> Any:
    """With large arrays mapped, copied only where somebody writes: replicas share the rest. What was
    written compressed has to be unpacked, and trees copy their nodes into memory of their own."""
    if file.suffix != ".joblib" or file.stat().st_size < MAP_FROM_BYTES:
        return joblib.load(file)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*mmap_mode.*not compatible with compressed.*")
        return joblib.load(file, mmap_mode="c")


class SklearnModel:
    """A fitted estimator. Predicting only reads it, so threads need no lock."""

    def __init__(self, model: Any, *, probabilities: bool, parallel: int) -> None:
        wants = probabilities and hasattr(model, "predict_proba")
        self._predict = model.predict_proba if wants else model.predict
        self.about = About("sklearn", parallel)

    def predict(self, instances: list[Any]) -> list[Any]:
        """Raises `BadRequest` with the estimator's own sentence when it can't read the rows."""
        if instances and _has_names(instances[0]):
            return _listed(self._run(_frame(instances)))
        from tidegate.runtimes.arrays import instances_array

        return _listed(self._run(instances_array(instances)))

    def infer(self, asked: Infer) -> tuple[Tensor, ...]:
        """The first input, as in KServe; a second one would be silently unused, so it is refused."""
        from tidegate.runtimes.arrays import as_array, as_tensor

        if len(asked.inputs) > 1:
            raise BadRequest("a scikit-learn model takes one tensor", field="inputs")
        unknown = [name for name in asked.outputs if name != OUTPUT]
        if unknown:
            raise BadRequest(f"no output {unknown[0]!r}: there is {OUTPUT}", field="outputs")
        import numpy as np

        return (as_tensor(OUTPUT, np.asarray(self._run(as_array(asked.inputs[0])))),)

    def close(self) -> None:
        """Nothing to free but memory."""

    def _run(self, rows: Any) -> Any:
        try:
            return self._predict(rows)
        except (ValueError, TypeError) as why:
            # Estimators check their input with these two: wrong number of features, NaN, text.
            raise BadRequest(str(why)) from why


def _has_names(instance: object) -> bool:
    return isinstance(instance, dict) or (
        isinstance(instance, list) and bool(instance) and isinstance(instance[0], dict)
    )


def _frame(instances: list[Any]) -> Any:
    """Rows with named columns as a pandas frame; pandas comes with no extra of ours."""
    try:
        pandas = import_module("pandas")
    except ImportError as why:
        raise NotImplementedHere(
            "instances with named columns need pandas in the server's Python (pip install pandas); "
            "or send rows of plain values"
        ) from why
    rows = [row for each in instances for row in (each if isinstance(each, list) else [each])]
    return pandas.DataFrame(rows)


def _listed(predictions: Any) -> list[Any]:
    """JSON-ready values: numpy and sparse results have `tolist`, lists are lists already."""
    listed = predictions.tolist() if hasattr(predictions, "tolist") else list(predictions)
    return listed if isinstance(listed, list) else [listed]
