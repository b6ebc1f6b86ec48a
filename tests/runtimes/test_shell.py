import asyncio
import json
import threading

import pytest

from tidegate.protocols.errors import BadRequest

HELLO = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}


async def test_v1_and_v2_give_what_the_model_gives(stage, doubling_model):
    call = stage(doubling_model()).call
    one = await call("POST /v1/models/m:predict", {"instances": [1, 2]})
    assert (one.status, one.body) == (200, b'{"predictions":[2,4]}')
    tensor = {"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    two = await call("POST /v2/models/m/infer", {"inputs": [tensor]})
    assert two.json == {
        "model_name": "m",
        "id": "made",
        "outputs": [{"name": "doubled", "shape": [2], "datatype": "INT64", "data": [2, 4]}],
    }


async def test_an_id_is_echoed(stage, doubling_model):
    tensor = {"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}
    call = stage(doubling_model()).call
    answer = await call("POST /v2/models/m/infer", {"id": "7", "inputs": [tensor]})
    assert answer.json["id"] == "7"


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        ("GET /v1/models/no", 404, "Model with name no does not exist."),
        ("POST /v1/models/no:predict", 404, "Model with name no does not exist."),
        ("POST /v2/models/no/infer", 404, "Model with name no does not exist."),
        ("DELETE /v1/models/m", 405, "/v1/models/m does not take DELETE: send GET."),
        ("POST /v1/models/m:predict", 400, "Unrecognized request format: Input data was truncated"),
    ],
)
async def test_errors_are_kserves_object(stage, doubling_model, line, status, error):
    answer = await stage(doubling_model()).call(line)
    assert (answer.status, answer.json) == (status, {"error": error})


async def test_a_wrong_method_names_the_right_one(stage, doubling_model):
    answer = await stage(doubling_model()).call("GET /v2/models/m/infer")
    assert answer.headers["allow"] == "POST"


async def test_a_model_that_breaks_is_a_500_and_is_reported(stage, doubling_model, caplog):
    call = stage(doubling_model(fails=ZeroDivisionError("by zero"))).call
    answer = await call("POST /v1/models/m:predict", {"instances": [1]})
    assert (answer.status, answer.json) == (500, {"error": "ZeroDivisionError: by zero"})
    assert "/v1/models/m:predict failed" in caplog.text


async def test_a_body_over_the_limit_is_refused(stage, doubling_model):
    call = stage(doubling_model(), max_body_bytes=30).call
    answer = await call("POST /v1/models/m:predict", {"instances": [1] * 100})
    assert answer.status == 413


async def test_health_answers_while_a_prediction_computes(stage, doubling_model):
    gate = threading.Event()
    model = doubling_model(gate)
    it = stage(model)
    predicting = asyncio.ensure_future(it.call("POST /v1/models/m:predict", {"instances": [1]}))
    await asyncio.to_thread(model.entered.wait, 10)
    health = await it.call("GET /v2/health/ready")
    assert (health.status, predicting.done()) == (200, False)
    gate.set()
    assert (await predicting).json == {"predictions": [2]}


async def test_short_predictions_leave_the_thread_and_large_bodies_never_do(stage, doubling_model):
    model = doubling_model()
    call = stage(model).call
    for _ in range(20):
        await call("POST /v1/models/m:predict", {"instances": [1]})
    await call("POST /v1/models/m:predict", {"instances": [1] * 5000})
    assert model.threads[0].startswith("model")
    assert threading.current_thread().name in model.threads[1:20]
    assert model.threads[-1].startswith("model")


async def test_a_draining_server_is_not_ready_and_still_answers(stage, doubling_model):
    it = stage(doubling_model())
    it.drain.begin()
    for line in (
        "GET /health",
        "GET /v1/models/m",
        "GET /v2/health/ready",
        "GET /v2/models/m/ready",
    ):
        answer = await it.call(line)
        assert (answer.status, answer.json) == (503, {"error": "Model with name m is not ready."})
    assert (await it.call("GET /v2/health/live")).status == 200
    late = await it.call("POST /v1/models/m:predict", {"instances": [1]})
    assert (late.status, late.headers["connection"]) == (200, "close")


async def test_a_request_counts_as_in_flight_until_it_is_answered(stage, doubling_model):
    gate = threading.Event()
    model = doubling_model(gate)
    it = stage(model)
    assert it.drain.in_flight == 0
    predicting = asyncio.ensure_future(it.call("POST /v1/models/m:predict", {"instances": [1]}))
    await asyncio.to_thread(model.entered.wait, 10)
    assert it.drain.in_flight == 1
    gate.set()
    await predicting
    assert it.drain.in_flight == 0


@pytest.mark.parametrize("prefix", ["", "/openai"])
async def test_a_chat_is_answered_whole(stage, counting_model, prefix):
    answer = await stage(counting_model()).call(f"POST {prefix}/v1/chat/completions", HELLO)
    assert answer.json["choices"][0]["message"] == {"role": "assistant", "content": "0 1 2 "}
    assert answer.json["usage"]["completion_tokens"] == 3


def events(answer):
    return [json.loads(part[6:]) for part in answer.parts[:-1]]


async def test_a_chat_is_streamed_and_done(stage, counting_model):
    answer = await stage(counting_model()).call(
        "POST /v1/chat/completions", {**HELLO, "stream": True}
    )
    assert answer.headers["content-type"] == "text/event-stream"
    texts = [each["choices"][0]["delta"].get("content") for each in events(answer)]
    assert texts == ["0 ", "1 ", "2 ", None]
    assert answer.parts[-1] == b"data: [DONE]\n\n"


async def test_usage_ends_the_stream_only_when_asked(stage, counting_model):
    wanted = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    answer = await stage(counting_model()).call("POST /v1/chat/completions", wanted)
    assert (events(answer)[-1]["choices"], events(answer)[-1]["usage"]["completion_tokens"]) == (
        [],
        3,
    )


async def test_events_go_out_as_they_are_made(stage, counting_model):
    gate = threading.Event()
    seen = []

    def on_part(part):
        seen.append(part)
        gate.set()  # the second piece is made only after the first was sent

    body = {**HELLO, "stream": True}
    call = stage(counting_model(gate)).call
    answer = await call("POST /v1/chat/completions", body, on_part=on_part)
    assert len(answer.parts) == 5


@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_who_hangs_up_frees_the_model(stage, counting_model, stream):
    gate, hang_up = threading.Event(), asyncio.Event()
    model = counting_model(gate)
    it = stage(model)
    body = {**HELLO, "max_tokens": 100, "stream": stream}
    calling = asyncio.ensure_future(
        it.call("POST /v1/chat/completions", body, hang_up=hang_up, gone=gate.set)
    )
    await asyncio.to_thread(model.entered.wait, 10)
    hang_up.set()
    answer = await calling
    assert model.said == 2
    assert b"[DONE]" not in answer.body
    assert it.drain.in_flight == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_before_the_first_piece_is_a_plain_answer(stage, counting_model, stream):
    call = stage(counting_model(fails=BadRequest("too long", field="messages"))).call
    answer = await call("POST /v1/chat/completions", {**HELLO, "stream": stream})
    assert answer.status == 400
    assert answer.json["error"]["param"] == "messages"


async def test_the_model_field_must_name_this_model(stage, counting_model):
    call = stage(counting_model(), also=frozenset({"file.gguf"})).call
    assert (await call("POST /v1/chat/completions", {**HELLO, "model": "gpt-4"})).status == 404
    for name in ("m", "file.gguf"):
        assert (await call("POST /v1/chat/completions", {**HELLO, "model": name})).status == 200


async def test_a_key_is_asked_for_where_there_is_one(stage, counting_model):
    call = stage(counting_model(), api_keys=frozenset({"secret"})).call
    assert (await call("POST /v1/chat/completions", HELLO)).status == 401
    keyed = await call(
        "POST /v1/chat/completions", HELLO, headers=[(b"authorization", b"Bearer secret")]
    )
    assert keyed.status == 200
    assert (await call("GET /health")).status == 200
