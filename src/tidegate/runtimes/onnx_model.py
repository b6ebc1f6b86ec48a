"""ONNX models through onnxruntime, on the CPU.

V1 over ONNX: with one input, instances are rows of that input; with several, each instance is an
object of input name to value. With one output a prediction is its row; with several it is an
object of output name to value, as TensorFlow Serving answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.protocols.errors import BadRequest, NotImplementedHere
from tidegate.protocols.tensors import Tensor, TensorSpec
from tidegate.protocols.v2 import Infer
from tidegate.runtimes.backend import About
from tidegate.runtimes.errors import FrameworkMissing, ModelFileBroken
from tidegate.runtimes.model_files import one_model_file

SUFFIXES = (".onnx",)
_DATATYPE_OF: Mapping[str, str] = {
    "tensor(bool)": "BOOL",
    "tensor(float)": "FP32",
    "tensor(float16)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
    **{
        f"tensor({sign.lower()}int{bits})": f"{sign}INT{bits}"
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    },
}


def load_onnx(path: Path, *, threads: int = 1, parallel: int = 1) -> OnnxModel:
    """The model at `path`, a file or a folder that holds exactly one. Raises `StartError`s.

    `threads` work on one request; they block while idle instead of spinning, because several
    replicas share the machine's cores.
    """
    file = one_model_file(path, SUFFIXES)
    try:
        import onnxruntime
    except ImportError as why:
        raise FrameworkMissing(why.name or "onnxruntime", extra="onnx") from why
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; its warnings are about graph fusions
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    except Exception as why:
        raise ModelFileBroken(
            str(file),
            str(why).splitlines()[0],
            way_out="check that it is ONNX of an opset that this onnxruntime reads",
        ) from why
    return OnnxModel(session, parallel=parallel)


class OnnxModel:
    """A session. onnxruntime lets several threads run one session."""

    def __init__(self, session: Any, *, parallel: int) -> None:
        self._session = session
        self._inputs = {each.name: each for each in session.get_inputs()}
        self._outputs = [each.name for each in session.get_outputs()]
        self.about = About(
            "onnx", parallel, _specs(session.get_inputs()), _specs(session.get_outputs())
        )

    def predict(self, instances: list[Any]) -> list[Any]:
        from tidegate.runtimes.arrays import instances_array

        if len(self._inputs) == 1:
            (name,) = self._inputs
            columns = {name: instances}
        else:
            columns = self._columns(instances)
        feeds = {
            name: self._cast(name, instances_array(rows), field="instances")
            for name, rows in columns.items()
        }
        results = [_rows(each) for each in self._run(feeds, self._outputs)]
        if len(results) == 1:
            return results[0]
        return [dict(zip(self._outputs, row, strict=True)) for row in zip(*results, strict=True)]

    def infer(self, asked: Infer) -> tuple[Tensor, ...]:
        from tidegate.runtimes.arrays import as_array, as_tensor

        feeds = {}
        for at, tensor in enumerate(asked.inputs):
            if tensor.name not in self._inputs:
                names = ", ".join(self._inputs)
                raise BadRequest(
                    f"no input {tensor.name!r}: the model takes {names}", field=f"inputs[{at}].name"
                )
            feeds[tensor.name] = self._cast(tensor.name, as_array(tensor), field=f"inputs[{at}]")
        served = [each.name for each in self.about.outputs]
        wanted = list(asked.outputs) or served
        for name in wanted:
            if name not in self._outputs:
                raise BadRequest(
                    f"no output {name!r}: the model gives {', '.join(served)}", field="outputs"
                )
            if name not in served:
                raise NotImplementedHere(f"output {name!r} is not a tensor: V1 can carry it")
        results = self._run(feeds, wanted)
        return tuple(as_tensor(name, array) for name, array in zip(wanted, results, strict=True))

    def close(self) -> None:
        """The session is freed with the process."""

    def _columns(self, instances: list[Any]) -> dict[str, list[Any]]:
        names = list(self._inputs)
        for at, row in enumerate(instances):
            if not isinstance(row, dict) or set(row) != set(names):
                raise BadRequest(
                    f"expected an object with the keys {', '.join(names)}", field=f"instances[{at}]"
                )
        return {name: [row[name] for row in instances] for name in names}

    def _cast(self, name: str, array: Any, *, field: str) -> Any:
        """The array in the type of the model's input, with as many dimensions as it wants."""
        spec = self._inputs[name]
        if len(array.shape) != len(spec.shape):
            raise BadRequest(
                f"{name} has the shape {list(array.shape)}, the model takes {list(spec.shape)}",
                field=field,
            )
        kind = spec.type.removeprefix("tensor(").removesuffix(")")
        numpy_kind = {"float": "float32", "double": "float64", "string": "object"}.get(kind, kind)
        try:
            return array.astype(numpy_kind)
        except (ValueError, TypeError) as why:
            raise BadRequest(f"{name} takes {kind}: {why}", field=field) from why

    def _run(self, feeds: dict[str, Any], outputs: list[str]) -> list[Any]:
        missing = [name for name in self._inputs if name not in feeds]
        if missing:
            raise BadRequest(f"the input {missing[0]!r} is missing", field="inputs")
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

        try:
            results: list[Any] = self._session.run(outputs, feeds)
        except InvalidArgument as why:
            raise BadRequest(str(why).partition(" : ")[2] or str(why)) from why
        return results


def _specs(ports: list[Any]) -> tuple[TensorSpec, ...]:
    """Named and unknown dimensions are -1; sequences and maps have no place in V2's metadata."""
    return tuple(
        TensorSpec(
            port.name,
            _DATATYPE_OF[port.type],
            tuple(size if isinstance(size, int) else -1 for size in port.shape),
        )
        for port in ports
        if port.type in _DATATYPE_OF
    )


def _rows(result: Any) -> list[Any]:
    """One value per instance: an array's rows, or the maps that classifiers give."""
    rows = result.tolist() if hasattr(result, "tolist") else result
    if not isinstance(rows, list):
        return [rows]
    return [{str(k): v for k, v in row.items()} if isinstance(row, dict) else row for row in rows]
