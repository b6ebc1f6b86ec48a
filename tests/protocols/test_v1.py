import pytest

from tidegate.protocols.errors import BadRequest, ModelNotReady, UnknownModel
from tidegate.protocols.v1 import (
    Predict,
    read_predict,
    render_error,
    render_model,
    render_models,
    render_predict,
    render_predictions,
)


def test_instances_are_read_as_they_came():
    asked = read_predict(b'{"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}')
    assert asked == Predict([[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]])


def test_inputs_mean_the_same_and_win_over_instances():
    assert read_predict(b'{"instances": [1], "inputs": [2]}') == Predict([2])


def test_a_rendered_request_reads_back_the_same():
    asked = Predict([{"a": 1}, [None, "x", 1.5]])
    assert read_predict(render_predict(asked)) == asked


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param(b"{", "Unrecognized request format: Input data was truncated", id="cut off"),
        pytest.param(
            b"[1]",
            "Unrecognized request format: the body is a JSON list, not an object",
            id="not an object",
        ),
        pytest.param(b'{"instances": 3}', 'Expected "instances" to be a list', id="a number"),
        pytest.param(b'{"inputs": {}}', 'Expected "inputs" to be a list', id="inputs an object"),
        pytest.param(
            b"{}",
            'The body has neither "instances" nor "inputs": send {"instances": [[...], ...]}',
            id="neither key",
        ),
    ],
)
def test_a_wrong_body_is_refused_with_a_sentence(body, sentence):
    with pytest.raises(BadRequest) as refused:
        read_predict(body)
    assert str(refused.value) == sentence
    assert refused.value.code == 400


def test_bodies_are_kserves_to_the_byte():
    assert render_predictions([1, 1]) == b'{"predictions":[1,1]}'
    assert render_models(["iris"]) == b'{"models":["iris"]}'
    assert render_model("iris", ready=True) == b'{"name":"iris","ready":true}'
    assert render_error(UnknownModel("no")) == b'{"error":"Model with name no does not exist."}'
    assert render_error(ModelNotReady("m")) == b'{"error":"Model with name m is not ready."}'


def test_a_prediction_that_is_no_number_reads_as_null():
    assert render_predictions([float("nan")]) == b'{"predictions":[null]}'
