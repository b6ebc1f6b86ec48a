import json

import msgspec
import pytest

from tidegate.protocols.errors import BadRequest, UnknownModel
from tidegate.protocols.openai import (
    ChatPiece,
    ChatPieceChoice,
    Delta,
    TextChoice,
    TextPiece,
    Usage,
    read_chat,
    read_completion,
    render_error,
    render_event,
    render_models,
    render_whole,
    without_usage,
)
from tidegate.protocols.openai_whole import join_chat, join_text

HELLO = [{"role": "user", "content": "hello"}]


def chat(**fields):
    return json.dumps({"model": "m", "messages": HELLO, **fields}).encode()


def piece(index=0, finish=None, usage=msgspec.UNSET, **delta):
    choices = [ChatPieceChoice(index=index, delta=Delta(**delta), finish_reason=finish)]
    return ChatPiece(id="c1", created=5, model="m", choices=choices, usage=usage)


def test_what_we_do_not_read_still_reaches_the_model():
    asked = read_chat(chat(grammar="root ::= x", max_tokens=4))
    assert (asked.model, asked.stream) == ("m", False)
    assert asked.body["grammar"] == "root ::= x"


def test_a_stream_counts_tokens_only_when_asked():
    assert not read_chat(chat(stream=True)).include_usage
    assert read_chat(chat(stream=True, stream_options={"include_usage": True})).include_usage
    assert not read_chat(chat(stream=True, stream_options={})).include_usage


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"messages": []}, "messages: expected array of length >= 1"),
        ({"messages": [{"content": "x"}]}, "messages[0]: object missing required field role"),
        ({"temperature": "hot"}, "temperature: expected float | null, got str"),
        ({"n": 0}, "n: expected int >= 1"),
        (
            {"stream_options": {"include_usage": True}},
            "stream_options: only makes sense with stream: true",
        ),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(fields, sentence):
    with pytest.raises(BadRequest) as refused:
        read_chat(chat(**fields))
    assert str(refused.value) == sentence


def test_a_completion_needs_a_prompt():
    with pytest.raises(BadRequest, match="object missing required field prompt"):
        read_completion(b'{"model": "m"}')
    assert read_completion(b'{"prompt": "x"}').model is None


def test_an_event_is_one_data_line_that_reads_back():
    sent = piece(role="assistant", content=None)
    line = render_event(sent)
    assert line.startswith(b"data: {")
    assert line.endswith(b"}\n\n")
    assert msgspec.json.decode(line[6:], type=ChatPiece) == sent
    assert json.loads(line[6:])["choices"][0]["delta"] == {"role": "assistant", "content": None}


def test_an_error_is_openais_object():
    said = json.loads(render_error(UnknownModel("gpt")))
    assert said["error"] == {
        "message": "Model with name gpt does not exist.",
        "type": "not_found_error",
        "param": None,
        "code": 404,
    }


def test_models_are_a_list_with_the_time_they_were_loaded():
    (model,) = json.loads(render_models(["m"], created=5))["data"]
    assert (model["id"], model["created"]) == ("m", 5)


def test_joined_pieces_are_the_whole_chat():
    usage = Usage(3, 2, 5)
    last = ChatPiece(id="c1", created=5, model="m", choices=[], usage=usage)
    whole = join_chat(
        [
            piece(role="assistant", content=None),
            piece(content="Hel"),
            piece(content="lo"),
            piece(finish="stop"),
            last,
        ]
    )
    (choice,) = whole.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "Hello")
    assert (choice.finish_reason, whole.usage) == ("stop", usage)
    assert "logprobs" not in json.loads(render_whole(whole))["choices"][0]


def test_choices_that_arrive_mixed_are_joined_apart():
    whole = join_chat(
        [piece(1, content="b"), piece(0, content="a"), piece(1, content="B"), piece(0, content="A")]
    )
    assert [(each.index, each.message.content) for each in whole.choices] == [(0, "aA"), (1, "bB")]


def test_a_tool_call_is_joined_from_its_arguments():
    def call(**function):
        return [{"index": 0, "function": function}]

    first = [{"index": 0, "id": "t1", "type": "function", "function": {"name": "f"}}]
    whole = join_chat(
        [
            piece(tool_calls=first),
            piece(tool_calls=call(arguments='{"x":')),
            piece(tool_calls=call(arguments="1}"), finish="tool_calls"),
        ]
    )
    (choice,) = whole.choices
    assert choice.message.content is None
    assert choice.message.tool_calls == [
        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    ]


def test_usage_of_several_prompts_is_added_up():
    def ended(index):
        choices = [TextChoice(index=index, text="x", finish_reason="length")]
        return TextPiece(id="t", created=1, model="m", choices=choices, usage=Usage(1, 2, 3))

    assert join_text([ended(0), ended(1)]).usage == Usage(2, 4, 6)


def test_usage_can_be_left_out_of_a_piece():
    counted = piece(content="x", usage=Usage(1, 1, 2))
    assert "usage" not in json.loads(render_event(without_usage(counted))[6:])
