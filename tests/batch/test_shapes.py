"""Rows as requests, answers as lines."""

import json

import pytest

from tidegate.batch.errors import BadPlan
from tidegate.batch.shapes import BadAnswer, Failure, Shape, check_shape, detect
from tidegate.batch.template import BadRow, BadTemplate, columns_of, parse_template


def body(shape: Shape, *rows):
    return json.loads(shape.request(rows).body)


@pytest.mark.parametrize(
    ("row", "protocol"),
    [
        ({"custom_id": "a", "url": "/v1/embeddings", "body": {}}, "openai"),
        ({"instances": [[1]]}, "v1"),
        ({"inputs": []}, "v2"),
        ({"messages": []}, "chat"),
        ({"instances": 3}, "raw"),
        ([1, 2], "raw"),
        ("text", "raw"),
    ],
)
def test_the_first_row_tells_the_protocol(row, protocol):
    assert detect(row) == protocol


def test_v1_takes_several_rows_in_one_request_and_shares_the_answer_out():
    shape = Shape("v1", "iris", columns=("a", "b"))
    request = shape.request([{"a": 1, "b": 2, "c": 9}, {"a": 3, "b": 4}])
    assert request.path == "/v1/models/iris:predict"
    assert json.loads(request.body) == {"instances": [[1, 2], [3, 4]]}
    assert shape.kept(2, b'{"predictions": [7, 8]}', 200, "") == [7, 8]


@pytest.mark.parametrize(
    "answer", [b'{"predictions": [7]}', b'{"predictions": 7}', b"{}", b"oops", b""]
)
def test_an_answer_that_does_not_fit_its_rows_is_told(answer):
    with pytest.raises(BadAnswer, match="predictions"):
        Shape("v1", "iris").kept(2, answer, 200, "")


@pytest.mark.parametrize("answer", [b'{"score": 1}', b"oops", b""])
def test_a_v1_answer_without_predictions_fails_its_row_also_when_the_row_is_alone(answer):
    with pytest.raises(BadAnswer, match=r"no predictions for 1 instance$"):
        Shape("v1", "iris").kept(1, answer, 200, "")


def test_a_row_with_instances_is_a_request_already():
    assert body(Shape("v1", "m"), {"instances": [[1], [2]]}) == {"instances": [[1], [2]]}


def test_v2_makes_a_tensor_of_columns():
    shape = Shape("v2", "m", columns=("x", "y"))
    assert body(shape, {"x": 1, "y": 2}, {"x": 3, "y": 4})["inputs"] == [
        {"name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}
    ]
    assert shape.kept(2, b'{"outputs": [{"data": [1, 2, 3, 4]}]}', 200, "") == [[1, 2], [3, 4]]
    with pytest.raises(BadRow, match="no number"):
        shape.request([{"x": "a", "y": 1}])


def test_chat_says_a_column_and_keeps_a_path():
    shape = Shape("chat", "m", columns=("q",), keep=("choices", "0", "message", "content"))
    assert body(shape, {"q": "hi"}) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
    }
    answer = {"choices": [{"message": {"content": "ho"}}]}
    assert shape.kept(1, json.dumps(answer).encode(), 200, "") == ["ho"]
    with pytest.raises(BadAnswer, match="choices"):
        shape.kept(1, b"{}", 200, "")


def test_a_template_keeps_types_where_a_hole_is_all_and_writes_text_elsewhere():
    template = parse_template('{"x": "{{a}}", "t": ["is {{ b.c }}, {{a}}"]}')
    shape = Shape("raw", "m", template=template)
    assert body(shape, {"a": [1, 2], "b": {"c": "so"}}) == {"x": [1, 2], "t": ["is so, [1,2]"]}
    with pytest.raises(BadRow, match="no column b"):
        shape.request([{"a": 1}])
    with pytest.raises(BadTemplate):
        parse_template("{{a}}")


def test_missing_columns_are_named_with_those_there_are():
    with pytest.raises(BadRow, match=r"no column b, c \(its columns: a, d\)"):
        Shape("v1", "m", columns=("a", "b", "c")).request([{"a": 1, "d": 2}])


def test_openai_lines_go_to_their_url_and_come_back_in_openais_shape():
    shape = Shape("openai", "m", path="/openai", run_id="b1")
    row = {"custom_id": "x", "method": "POST", "url": "/v1/embeddings", "body": {"input": "a"}}
    request = shape.request([row])
    assert (request.path, json.loads(request.body)) == ("/openai/v1/embeddings", {"input": "a"})
    [kept] = shape.kept(1, b'{"data": []}', 200, "req-1")
    assert json.loads(shape.line(3, row, kept)) == {
        "id": "batch_req_b1_3",
        "custom_id": "x",
        "response": {"status_code": 200, "request_id": "req-1", "body": {"data": []}},
        "error": None,
    }
    failed = json.loads(shape.failed_line(3, row, Failure("no", 400, b'{"error": 1}')))
    assert failed["response"]["status_code"] == 400
    assert failed["error"] is None  # the answer says why
    failed = json.loads(shape.failed_line(3, row, Failure("no answer", code="no_answer")))
    assert (failed["response"], failed["error"]["code"]) == (None, "no_answer")


@pytest.mark.parametrize(
    "row",
    ["x", {"url": "/v1/x"}, {"body": {}, "url": "v1"}, {"body": {}, "url": "/a", "method": "GET"}],
)
def test_what_is_no_openai_line_is_refused(row):
    with pytest.raises(BadRow):
        Shape("openai", "m").request([row])


def test_only_tensors_carry_several_rows():
    check_shape(Shape("v1", "m"), 8)
    check_shape(Shape("raw", "m"), 1)
    with pytest.raises(BadPlan, match="V1"):
        check_shape(Shape("chat", "m"), 2)


def test_lines_say_the_row_its_id_and_if_asked_the_row_itself():
    shape = Shape("raw", "m", id_column="k", with_input=True)
    assert json.loads(shape.line(1, {"k": "a"}, 5)) == {
        "row": 1,
        "id": "a",
        "input": {"k": "a"},
        "output": 5,
    }


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param([1, 2], "the row is no object with columns a, b", id="a list"),
        pytest.param("ab", "the row is no object with columns a, b", id="text"),
        pytest.param({"a": 1}, r"it has no column b \(its columns: a\)", id="one is missing"),
        pytest.param({}, r"it has no column a, b \(its columns: none\)", id="all are missing"),
    ],
)
def test_a_row_without_the_columns_says_what_it_has(row, told):
    with pytest.raises(BadRow, match=told):
        columns_of(row, ["a", "b"])
