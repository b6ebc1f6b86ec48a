"""The suite that every backend passes, the tests' fakes included."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tidegate.protocols.errors import BadRequest
from tidegate.protocols.openai import read_chat, read_completion
from tidegate.protocols.openai_whole import join_chat, join_text
from tidegate.protocols.tensors import Tensor
from tidegate.protocols.v2 import Infer
from tidegate.runtimes.catalog import CATALOG

FLOWERS = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]


@pytest.fixture(params=["sklearn", "onnx"])
def flowers(request):
    """A backend that tells iris flowers apart, and the name of its input and output."""
    if request.param == "sklearn":
        return request.getfixturevalue("sklearn_model"), "input-0", "output-0"
    return request.getfixturevalue("onnx_model"), "X", "label"


def kinds(predictions):
    """The class of each, whether a model answers with it alone or beside its probabilities."""
    return [each["label"] if isinstance(each, dict) else each for each in predictions]


def tensor(name, rows):
    flat = [value for row in rows for value in row]
    return Tensor(name, "FP32", (len(rows), len(rows[0])), flat)


def test_every_real_backend_is_in_the_catalog(sklearn_model, onnx_model, gguf_model):
    names = {model.about.platform for model in (sklearn_model, onnx_model, gguf_model)}
    assert names == {each.name for each in CATALOG}


def test_one_prediction_for_each_instance(flowers):
    model, _, _ = flowers
    assert kinds(model.predict(FLOWERS)) == [1, 1]
    assert kinds(model.predict(FLOWERS[:1])) == [1]


def test_tensors_give_the_same_as_instances(flowers):
    model, x, y = flowers
    (answer,) = model.infer(Infer((tensor(x, FLOWERS),), (y,)))
    assert answer == Tensor(y, "INT64", (2,), [1, 1])


def test_no_outputs_named_means_all(flowers):
    model, x, y = flowers
    answers = model.infer(Infer((tensor(x, FLOWERS),)))
    assert y in [each.name for each in answers]
    assert all(len(each.data) for each in answers)


@pytest.mark.parametrize(
    "instances",
    [
        pytest.param([[1.0, 2.0]], id="too few values"),
        pytest.param([[1.0, 2.0, 3.0, 4.0], [1.0]], id="ragged"),
        pytest.param([["a", "b", "c", "d"]], id="text"),
        pytest.param([1.0], id="no rows"),
    ],
)
def test_wrong_instances_are_the_callers_to_change(flowers, instances):
    model, _, _ = flowers
    with pytest.raises(BadRequest) as refused:
        model.predict(instances)
    assert len(str(refused.value)) > 15


def test_an_unknown_output_is_refused_by_name(flowers):
    model, x, _ = flowers
    with pytest.raises(BadRequest, match="no output 'nope'"):
        model.infer(Infer((tensor(x, FLOWERS),), ("nope",)))


def test_threads_may_predict_at_once(flowers):
    model, _, _ = flowers
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: kinds(model.predict(FLOWERS)), range(40)))
    assert answers == [[1, 1]] * 40


@pytest.fixture(params=["gguf", "fake"])
def talker(request):
    """A backend that generates text."""
    if request.param == "gguf":
        return request.getfixturevalue("gguf_model")
    return request.getfixturevalue("counting_model")()


def asked(tokens):
    body = b'{"messages":[{"role":"user","content":"Say hello"}],"max_tokens":%d}'
    return read_chat(body % tokens)


def test_pieces_join_to_a_counted_answer(talker):
    pieces = []
    talker.chat(asked(3), lambda piece: pieces.append(piece) or True)
    whole = join_chat(pieces)
    assert whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 3


def test_a_prompt_is_completed(talker):
    pieces = []
    request = read_completion(b'{"prompt": "Once upon a", "max_tokens": 2}')
    talker.complete(request, lambda piece: pieces.append(piece) or True)
    whole = join_text(pieces)
    assert whole.choices[0].text
    assert whole.choices[0].finish_reason == "length"


def test_a_caller_who_has_gone_stops_the_generation(talker):
    pieces = []
    talker.chat(asked(200), lambda piece: pieces.append(piece) or len(pieces) < 3)
    assert 3 <= len(pieces) <= 5  # one that was being made, and the fake's count, may still come


def test_a_prompt_that_does_not_fit_is_the_callers_to_change(gguf_model):
    body = b'{"messages":[{"role":"user","content":"%s"}]}' % (b"long " * 600)
    with pytest.raises(BadRequest, match="exceeds the available context size"):
        gguf_model.chat(read_chat(body), lambda piece: True)


def test_what_llama_cpp_can_not_read_is_the_callers_to_change(gguf_model):
    body = b'{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"nope"}}'
    with pytest.raises(BadRequest, match="response_format"):
        gguf_model.chat(read_chat(body), lambda piece: True)
