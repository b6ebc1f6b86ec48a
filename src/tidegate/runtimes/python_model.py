"""A user's own Python class as a model.

    class Sentiment:
        def __init__(self, model_dir): ...        # may take `name`, `model_dir`, or nothing
        def predict(self, instances): ...         # V1: a list in, a list (or array) of the same length out
        def infer(self, inputs): ...              # V2, optional: arrays by name in and out

Without `infer`, V2 requests go through `predict` with the rows of their one tensor. A ValueError is the
caller's to change (400); anything else that it raises is a failure (500). Calls come one at a time
unless `--max_asyncio_workers` says otherwise: most people's code is written for one thread.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tidegate.protocols.errors import BadRequest, InferenceFailed
from tidegate.protocols.tensors import Tensor
from tidegate.protocols.v2 import Infer
from tidegate.runtimes.backend import About
from tidegate.runtimes.errors import ModelFileBroken, ModelFileMissing

OUTPUT = "output-0"
_OWN_WORDS = "its own words are above"


def load_python(
    file: Path, class_name: str, *, name: str, model_dir: str, parallel: int = 1
) -> PythonModel:
    """Run the file, make the class. Raises `StartError`s; what the user's code raised is on stderr."""
    module = _run(file)
    made = getattr(module, class_name, None)
    if not inspect.isclass(made):
        classes = [key for key, each in vars(module).items() if inspect.isclass(each)]
        raise ModelFileBroken(
            str(file),
            f"it has no class {class_name!r} (it has {', '.join(sorted(classes)) or 'none'})",
            way_out="name one of them with --class",
        )
    given = {"name": name, "model_dir": model_dir}
    try:
        model = made(**_taken(made, given))
    except Exception as why:
        traceback.print_exc()
        raise ModelFileBroken(
            str(file), f"{class_name}() failed with {type(why).__name__}: {why}", way_out=_OWN_WORDS
        ) from why
    if not callable(getattr(model, "predict", None)):
        raise ModelFileBroken(
            str(file),
            f"{class_name} has no method `predict`",
            way_out="give it one: predict(self, instances) returns a list of predictions",
        )
    return PythonModel(model, parallel=parallel)


class PythonModel:
    """The user's object. `parallel` calls at once."""

    def __init__(self, model: Any, *, parallel: int) -> None:
        self._model = model
        self.about = About("python", parallel)

    def predict(self, instances: list[Any]) -> list[Any]:
        predictions = _listed(self._ask(self._model.predict, instances))
        if len(predictions) != len(instances):
            raise InferenceFailed(
                f"predict returned {len(predictions)} predictions for {len(instances)} instances"
            )
        return predictions

    def infer(self, asked: Infer) -> tuple[Tensor, ...]:
        from tidegate.runtimes.arrays import as_array, as_tensor

        if not hasattr(self._model, "infer"):
            return self._infer_by_predict(asked)
        inputs = {tensor.name: as_array(tensor) for tensor in asked.inputs}
        outputs = self._ask(self._model.infer, inputs)
        if not isinstance(outputs, Mapping):
            raise InferenceFailed(f"infer returned {type(outputs).__name__}, not arrays by name")
        unknown = [name for name in asked.outputs if name not in outputs]
        if unknown:
            known = ", ".join(map(str, outputs))
            raise BadRequest(f"no output {unknown[0]!r}: there is {known}", field="outputs")
        import numpy

        wanted = asked.outputs or tuple(outputs)
        return tuple(as_tensor(name, numpy.asarray(outputs[name])) for name in wanted)

    def close(self) -> None:
        """The object's own `close`, where it has one."""
        close = getattr(self._model, "close", None)
        if callable(close):
            close()

    def _infer_by_predict(self, asked: Infer) -> tuple[Tensor, ...]:
        from tidegate.runtimes.arrays import as_array, as_tensor

        if len(asked.inputs) > 1:
            raise BadRequest("the class has no `infer`, so it takes one tensor", field="inputs")
        unknown = [name for name in asked.outputs if name != OUTPUT]
        if unknown:
            raise BadRequest(f"no output {unknown[0]!r}: there is {OUTPUT}", field="outputs")
        import numpy

        predictions = self.predict(as_array(asked.inputs[0]).tolist())
        return (as_tensor(OUTPUT, numpy.asarray(predictions)),)

    def _ask(self, method: Any, given: Any) -> Any:
        try:
            return method(given)
        except ValueError as why:
            raise BadRequest(str(why)) from why


def _run(file: Path) -> ModuleType:
    if not file.is_file():
        raise ModelFileMissing(str(file), "give the file that holds your class with --module")
    folder = str(file.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)  # what lies beside it can be imported
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ModelFileBroken(str(file), "it is no Python file", way_out="its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # pickles of its classes name it
    try:
        spec.loader.exec_module(module)
    except Exception as why:
        traceback.print_exc()
        raise ModelFileBroken(
            str(file), f"{type(why).__name__}: {why}", way_out=_OWN_WORDS
        ) from why
    return module


def _taken(made: type, given: Mapping[str, str]) -> dict[str, str]:
    """What its constructor takes of `given`."""
    parameters = inspect.signature(made).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return dict(given)
    return {each.name: given[each.name] for each in parameters if each.name in given}


def _listed(predictions: Any) -> list[Any]:
    listed = predictions.tolist() if hasattr(predictions, "tolist") else predictions
    if not isinstance(listed, list | tuple):
        raise InferenceFailed(f"predict returned {type(predictions).__name__}, not a list")
    return [each.tolist() if hasattr(each, "tolist") else each for each in listed]
