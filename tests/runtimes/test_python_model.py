"""A user's own class as a model: what it may look like, and what is said when it doesn't."""

import pytest

from tidegate.protocols.errors import BadRequest, InferenceFailed
from tidegate.protocols.tensors import Tensor
from tidegate.protocols.v2 import Infer
from tidegate.runtimes.errors import BadFlag, ModelFileBroken, ModelFileMissing
from tidegate.runtimes.python_model import load_python
from tidegate.runtimes.pythonserver import read_plan

CODE = """
import numpy as np
from beside import factor

class Plain:
    def predict(self, instances):
        if instances == ["bad"]:
            raise ValueError("no such word")
        if instances == ["worse"]:
            raise KeyError("oops")
        return np.asarray(instances) * factor

class Knowing:
    def __init__(self, model_dir, name="n"):
        self.said = [name, model_dir]
    def predict(self, instances):
        return [self.said for _ in instances]
    def infer(self, inputs):
        return {"sum": inputs["a"] + inputs["b"]}

class Forgetful:
    def predict(self, instances):
        return [1]

class Mute: pass

class Broken:
    def __init__(self):
        raise RuntimeError("no weights")
"""


@pytest.fixture
def made(tmp_path):
    (tmp_path / "server.py").write_text(CODE)
    (tmp_path / "beside.py").write_text("factor = 3\n")

    def make(name):
        return load_python(tmp_path / "server.py", name, name="m", model_dir="/models")

    return make


def numbers(name, *values):
    return Tensor(name, "FP32", (len(values),), list(values))


def test_instances_go_in_and_predictions_of_any_array_come_out_as_lists(made):
    assert made("Plain").predict([1, 2]) == [3, 6]


def test_a_class_is_given_what_its_constructor_takes(made):
    assert made("Knowing").predict([0]) == [["m", "/models"]]


def test_tensors_go_to_infer_by_name(made):
    asked = Infer((numbers("a", 1.0, 2.0), numbers("b", 3.0, 4.0)))
    (answer,) = made("Knowing").infer(asked)
    assert (answer.name, list(answer.data)) == ("sum", [4.0, 6.0])


def test_without_infer_the_one_tensors_rows_are_instances(made):
    (answer,) = made("Plain").infer(Infer((numbers("x", 1.0, 2.0),)))
    assert (answer.name, list(answer.data)) == ("output-0", [3.0, 6.0])


def test_a_value_error_is_the_callers_and_any_other_is_a_failure(made):
    with pytest.raises(BadRequest, match="no such word"):
        made("Plain").predict(["bad"])
    with pytest.raises(KeyError):
        made("Plain").predict(["worse"])


def test_a_wrong_number_of_predictions_is_a_failure(made):
    with pytest.raises(InferenceFailed, match="1 predictions for 2 instances"):
        made("Forgetful").predict([1, 2])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("Nobody", "no class 'Nobody' .it has Broken, Forgetful", id="no class"),
        pytest.param("Mute", "Mute has no method `predict`", id="no method"),
        pytest.param("Broken", r"Broken\(\) failed with RuntimeError: no weights", id="raises"),
    ],
)
def test_a_class_that_can_not_serve_is_told_in_one_sentence(made, name, why):
    with pytest.raises(ModelFileBroken, match=why):
        made(name)


def test_a_file_that_fails_or_is_missing_is_named(tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_library\n")
    with pytest.raises(ModelFileBroken, match="No module named 'no_such_library'"):
        load_python(tmp_path / "bad.py", "A", name="m", model_dir="")
    with pytest.raises(ModelFileMissing, match="--module"):
        load_python(tmp_path / "none.py", "A", name="m", model_dir="")


def test_the_command_line_takes_its_own_two_flags_and_those_of_kserve():
    argv = ["--module", "s.py", "--class=A", "--model_name", "m", "--http_port=9000"]
    plan = read_plan(argv, {})
    assert (plan.name, plan.port) == ("m", 9000)


def test_a_port_for_grpc_is_served_as_by_kserves_servers():
    argv = ["--module=s.py", "--class=A", "--grpc_port=9001"]
    grpc = read_plan(argv, {}).grpc
    assert grpc is not None
    assert (grpc.port, grpc.speaks) == (9001, "v2")
    assert read_plan([*argv, "--enable_grpc=false"], {}).grpc is None


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        pytest.param(["--class=A"], "--module: missing", id="no module"),
        pytest.param(["--module=s.py"], "--class: missing", id="no class"),
        pytest.param(["--module"], "--module: needs a value", id="no value"),
        pytest.param(["--module=s", "--class=A", "--x=1"], "--x: not a flag", id="unknown"),
    ],
)
def test_a_wrong_command_line_is_refused_by_the_flag(argv, why):
    with pytest.raises(BadFlag, match=why):
        read_plan(argv, {})
