import pytest

from tidegate.protocols.catalog import Ask, Call, Family, read_call
from tidegate.protocols.errors import NoSuchPath, NotImplementedHere, WrongMethod


@pytest.mark.parametrize(
    ("line", "family", "call"),
    [
        ("GET /", Family.TEXT, Call(Ask.ALIVE)),
        ("GET /health", Family.TENSORS, Call(Ask.HEALTH)),
        ("GET /v1/models", Family.TENSORS, Call(Ask.V1_MODELS)),
        ("GET /v1/models", Family.TEXT, Call(Ask.OPENAI_MODELS)),
        ("GET /v1/models/iris", Family.TENSORS, Call(Ask.V1_MODEL, "iris")),
        ("POST /v1/models/iris:predict", Family.TENSORS, Call(Ask.V1_PREDICT, "iris")),
        ("POST /v1/models/a:b:predict", Family.TENSORS, Call(Ask.V1_PREDICT, "a:b")),
        ("GET /v1/models/a:b", Family.TENSORS, Call(Ask.V1_MODEL, "a:b")),
        ("GET /v1/models/a%20b", Family.TENSORS, Call(Ask.V1_MODEL, "a b")),
        ("GET /v2", Family.TENSORS, Call(Ask.V2_SERVER)),
        ("GET /v2/health/ready", Family.TENSORS, Call(Ask.V2_READY)),
        ("GET /v2/models/iris", Family.TENSORS, Call(Ask.V2_MODEL, "iris")),
        ("GET /v2/models/iris/ready", Family.TENSORS, Call(Ask.V2_MODEL_READY, "iris")),
        ("POST /v2/models/iris/infer", Family.TENSORS, Call(Ask.V2_INFER, "iris")),
        ("POST /v1/chat/completions", Family.TEXT, Call(Ask.OPENAI_CHAT)),
        ("POST /openai/v1/completions", Family.TEXT, Call(Ask.OPENAI_COMPLETIONS)),
    ],
)
def test_a_request_line_is_read(line, family, call):
    method, path = line.split(maxsplit=1)
    assert read_call(method, path, family) == call


def test_head_is_taken_where_get_is():
    assert read_call("HEAD", "/health", Family.TEXT) == Call(Ask.HEALTH)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("GET /nope", NoSuchPath),
        ("GET /v2/nope", NoSuchPath),
        ("POST /v1/chat/completions", NoSuchPath),
        ("GET /v1/models/iris:predict", WrongMethod),
        ("POST /v2/health/live", WrongMethod),
        ("POST /v1/models/iris:explain", NotImplementedHere),
        ("POST /v2/models/iris/versions/1/infer", NotImplementedHere),
        ("POST /v2/repository/models/iris/load", NotImplementedHere),
    ],
)
def test_what_a_tensor_server_does_not_answer(line, error):
    method, path = line.split(maxsplit=1)
    with pytest.raises(error):
        read_call(method, path, Family.TENSORS)


def test_a_wrong_path_is_told_which_ones_are_right():
    with pytest.raises(NoSuchPath, match="this server answers /v1/chat/completions"):
        read_call("GET", "/v2", Family.TEXT)
