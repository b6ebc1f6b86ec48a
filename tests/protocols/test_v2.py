import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.protocols.errors import BadRequest
from tidegate.protocols.tensors import INTEGER_RANGE, Tensor, TensorSpec
from tidegate.protocols.v2 import (
    Infer,
    Inferred,
    read_infer,
    render_infer,
    render_inferred,
    render_metadata,
)


def body(**changes):
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}
    return json.dumps({"inputs": [{**tensor, **changes}]}).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([1, 2, 3, 4], id="flat"),
        pytest.param([[1, 2], [3, 4]], id="nested"),
    ],
)
def test_data_may_be_flat_or_nested(data):
    (tensor,) = read_infer(body(data=data)).inputs
    assert tensor == Tensor("x", "FP32", (2, 2), [1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"data": [1, 2, 3]},
            "inputs[0].data: 3 elements don't fill the shape [2, 2], which holds 4",
            id="too few",
        ),
        pytest.param(
            {"data": [[1, 2, 3, 4]]},
            "inputs[0].data: nested lists don't have the shape [2, 2]",
            id="nested another way",
        ),
        pytest.param(
            {"data": [[1, 2], [3]]},
            "inputs[0].data: nested lists don't have the shape [2, 2]",
            id="ragged",
        ),
        pytest.param(
            {"data": [[1, 2], 3]},
            "inputs[0].data: nested lists don't have the shape [2, 2]",
            id="half nested",
        ),
        pytest.param({"shape": [-1, 2]}, "inputs[0].shape: [-1, 2] has a negative size", id="-1"),
        pytest.param(
            {"datatype": "FP16"},
            "inputs[0].datatype: FP16 can't be sent as JSON: send FP32",
            id="raw only",
        ),
        pytest.param(
            {"datatype": "INT8", "data": [1, 2, 3, 128]},
            "inputs[0].data: holds a number that INT8 can't",
            id="out of range",
        ),
        pytest.param(
            {"shape": "2,2"}, "inputs[0].shape: expected array, got str", id="shape of text"
        ),
        pytest.param(
            {"parameters": {"binary_data_size": 16}},
            "inputs[0].parameters.binary_data_size: binary tensors are not served here: "
            "send `data` as JSON",
            id="binary",
        ),
    ],
)
def test_a_wrong_tensor_is_refused_with_its_path(changes, sentence):
    with pytest.raises(BadRequest) as refused:
        read_infer(body(**changes))
    assert str(refused.value) == sentence


def test_elements_of_another_type_are_refused():
    with pytest.raises(BadRequest, match=r"^inputs\[0\]\.data: holds something that is not INT32"):
        read_infer(body(datatype="INT32", data=[1, 2, 3, 4.5]))


def test_missing_and_double_inputs_are_refused():
    with pytest.raises(BadRequest, match="object missing required field inputs"):
        read_infer(b"{}")
    with pytest.raises(BadRequest, match="inputs: needs at least one tensor"):
        read_infer(b'{"inputs": []}')
    one = json.loads(body())["inputs"]
    with pytest.raises(BadRequest, match="inputs: two tensors have the same name"):
        read_infer(json.dumps({"inputs": one + one}).encode())


def test_an_answer_carries_its_id_and_tensors():
    answer = Inferred("iris", "7", (Tensor("output-0", "INT64", (2,), [1, 1]),))
    assert render_inferred(answer) == (
        b'{"model_name":"iris","id":"7","outputs":'
        b'[{"name":"output-0","shape":[2],"datatype":"INT64","data":[1,1]}]}'
    )


def test_metadata_names_what_a_model_takes_and_gives():
    said = json.loads(
        render_metadata("m", platform="onnx", inputs=[TensorSpec("x", "FP32", (-1, 4))], outputs=[])
    )
    assert said["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]


_ELEMENTS = {
    "BOOL": st.booleans(),
    "FP32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "FP64": st.floats(allow_nan=False, allow_infinity=False),
    "BYTES": st.text(st.characters(codec="utf-8")),
} | {name: st.integers(low, high) for name, (low, high) in INTEGER_RANGE.items()}


@st.composite
def tensors(draw, name="x"):
    datatype = draw(st.sampled_from(sorted(_ELEMENTS)))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    size = math.prod(shape)
    data = draw(st.lists(_ELEMENTS[datatype], min_size=size, max_size=size))
    return Tensor(name, datatype, shape, data)


@given(tensors(), st.none() | st.text(min_size=1, max_size=5))
def test_any_request_reads_back_as_it_was_rendered(tensor, id_):
    asked = Infer((tensor,), ("y",), id_, {"priority": 1})
    assert read_infer(render_infer(asked)) == asked
