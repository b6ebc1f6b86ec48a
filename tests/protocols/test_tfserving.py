import json

import pytest

from tidegate.protocols.errors import BadRequest, NoSuchPath, NotImplementedHere, WrongMethod
from tidegate.protocols.tensors import TensorSpec
from tidegate.protocols.tfserving import (
    NoServable,
    TfAsk,
    TfCall,
    TfPredict,
    read_tf_call,
    read_tf_predict,
    render_metadata,
    render_status,
    render_tf_predictions,
)


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("GET /v1/models/m", TfCall(TfAsk.STATUS, "m")),
        ("GET /v1/models/m/versions/3", TfCall(TfAsk.STATUS, "m", "3")),
        ("GET /v1/models/m/metadata", TfCall(TfAsk.METADATA, "m")),
        ("POST /v1/models/m:predict", TfCall(TfAsk.PREDICT, "m")),
        ("POST /v1/models/m/versions/3:predict", TfCall(TfAsk.PREDICT, "m", "3")),
    ],
)
def test_paths_of_tensorflow_serving(line, call):
    assert read_tf_call(*line.split()) == call


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("GET /", NoSuchPath),
        ("GET /v1/models", NoSuchPath),
        ("POST /v1/models/m:explain", NoSuchPath),
        ("GET /v1/models/m:predict", WrongMethod),
        ("POST /v1/models/m:classify", NotImplementedHere),
        ("POST /v1/models/m/labels/stable:predict", NotImplementedHere),
    ],
)
def test_what_is_not_served_says_so(line, error):
    with pytest.raises(error):
        read_tf_call(*line.split())


def test_rows_are_answered_as_rows():
    asked = read_tf_predict(b'{"signature_name":"serving_default","instances":[[1],[2]]}')
    assert asked == TfPredict([[1], [2]], by_column=False)
    assert render_tf_predictions(asked, [3, 4]) == b'{"predictions":[3,4]}'


def test_columns_are_answered_as_columns():
    asked = read_tf_predict(b'{"inputs":{"a":[1,2],"b":[3,4]}}')
    assert asked == TfPredict([{"a": 1, "b": 3}, {"a": 2, "b": 4}], by_column=True)
    assert render_tf_predictions(asked, [5, 6]) == b'{"outputs":[5,6]}'
    named = [{"x": 1, "y": 2}, {"x": 3, "y": 4}]
    assert json.loads(render_tf_predictions(asked, named)) == {
        "outputs": {"x": [1, 3], "y": [2, 4]}
    }
    assert read_tf_predict(b'{"inputs":[[1]]}').instances == [[1]]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "Unrecognized request format"),
        (b"{}", 'either "instances" or "inputs"'),
        (b'{"instances":[],"inputs":[]}', "not both"),
        (b'{"instances":1}', "must be a list"),
        (b'{"inputs":1}', "must be a list"),
        (b'{"inputs":{"a":1}}', "a list for each name"),
        (b'{"inputs":{"a":[1],"b":[1,2]}}', "of one length"),
        (b'{"instances":[],"signature_name":"x"}', 'Serving signature name: "x" not found'),
    ],
)
def test_a_wrong_body_is_the_callers_to_change(body, why):
    with pytest.raises(BadRequest, match=why):
        read_tf_predict(body)


def test_status_and_metadata_are_tensorflow_servings():
    assert json.loads(render_status("7", ready=True)) == {
        "model_version_status": [
            {
                "version": "7",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    told = json.loads(render_metadata("m", "7", [TensorSpec("x", "FP32", (-1, 4))], []))
    assert told["model_spec"] == {"name": "m", "signature_name": "", "version": "7"}
    signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {
            "dim": [{"size": "-1", "name": ""}, {"size": "4", "name": ""}],
            "unknown_rank": False,
        },
        "name": "x:0",
    }


def test_unknown_models_are_told_in_its_words():
    assert str(NoServable(TfCall(TfAsk.STATUS, "m"))) == "Could not find any versions of model m"
    assert str(NoServable(TfCall(TfAsk.PREDICT, "m", "2"))) == (
        "Servable not found for request: Specific(m, 2)"
    )
