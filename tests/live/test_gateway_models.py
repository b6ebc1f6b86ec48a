"""One OpenAI API for all models on the gateway's own address."""

import asyncio
import json

import pytest

from tidegate.link.gateway import Sample, Wake
from tidegate.testing.gateway import gateway, replica, request, revision, route

pytestmark = pytest.mark.live

OURS = "127.0.0.1:8080"
CHAT = "/openai/v1/chat/completions"
ROUTES = (
    route(("default/a", 1), key="default/a", host="a.example", path_prefix=None, models=("a",)),
    route(
        ("default/b", 1),
        key="default/b",
        host="b.example",
        path_prefix=None,
        models=("b", "c"),
        openai_path="/openai/v1",
    ),
)


def asking(model: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "hi"}], "model": model}).encode()


async def test_the_model_field_chooses_the_service_and_the_path_is_where_that_has_the_api(tmp_path):
    async with gateway(tmp_path) as gate, replica("a") as a, replica("b") as b:
        control = await gate.control()
        await control.tell(
            revision(a, key="default/a"), revision(b, key="default/b"), routes=ROUTES
        )
        wire = await gate.client()
        for model in ("a", "b", "c"):
            answer = await wire.ask("POST", CHAT, body=asking(model), host=OURS)
            assert (answer.status, answer.body) == (200, asking(model))
        assert [got.line for got in a.got] == ["POST /v1/chat/completions HTTP/1.1"]
        assert {got.line for got in b.got} == {f"POST {CHAT} HTTP/1.1"}
        assert [json.loads(got.body)["model"] for got in b.got] == ["b", "c"]


async def test_the_models_are_listed(tmp_path):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision(key="default/a"), revision(key="default/b"), routes=ROUTES)
        listed = json.loads((await gate.ask(path="/openai/v1/models", host=OURS)).body)
        assert listed["object"] == "list"
        assert [(one["id"], one["owned_by"]) for one in listed["data"]] == [
            ("a", "default/a"),
            ("b", "default/b"),
            ("c", "default/b"),
        ]
        one = await gate.ask(path="/openai/v1/models/c", host=OURS)
        assert json.loads(one.body)["id"] == "c"
        head = await gate.ask("HEAD", "/openai/v1/models", host=OURS)
        assert (head.status, head.body) == (200, b"")


async def test_a_body_in_pieces_waits_until_its_model_is_seen_and_wakes_it_at_zero(tmp_path):
    large = json.dumps({"messages": ["x" * 3_000_000], "model": "a"}).encode()
    async with gateway(tmp_path) as gate, replica("a") as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision(key="default/a"), routes=ROUTES)
        wire = await gate.client()
        head, _, _ = request("POST", CHAT, body=large, host=OURS).partition(b"\r\n\r\n")
        await wire.send(head + b"\r\n\r\n" + large[:2_000_000])
        await wire.send(large[2_000_000:])
        asked = tasks.create_task(wire.answer())
        assert (await control.hear(Wake)).revision == "default/a"
        await control.hear(Sample, lambda sample: sample.waiting == 1)  # seconds are observed now
        await control.change(revision(pod, key="default/a"))
        assert (await asked).status == 200
        assert pod.got[0].body == large
        sample = await control.hear(Sample, lambda sample: bool(sample.latency_buckets))
        assert sample.revision == "default/a"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        pytest.param("POST", CHAT, asking("gpt"), 404, "no-model", id="unknown model"),
        pytest.param("POST", CHAT, b"{}", 400, "no-model-field", id="no field"),
        pytest.param("POST", CHAT, b"", 400, "no-model-field", id="no body"),
        pytest.param("GET", CHAT, b"", 400, "no-model-field", id="nothing to say it in"),
        pytest.param("GET", "/openai/v1/models/x", b"", 404, "no-model", id="unknown, asked for"),
        pytest.param("DELETE", "/openai/v1/models/a", b"", 405, "models-are-read", id="delete"),
        pytest.param("POST", CHAT, b"x" * 5000, 413, "body-too-large", id="too large"),
        pytest.param("PUT", CHAT, b"x" * 9000, 413, "body-too-large", id="too large in chunks"),
        pytest.param("POST", "/openai/v2/x", b"{}", 404, "no-route", id="another version"),
    ],
)
async def test_what_can_not_be_served_is_told_with_the_way_out(
    tmp_path, method, path, body, status, reason
):
    async with gateway(tmp_path, model_body_bytes=4096) as gate:
        control = await gate.control()
        await control.tell(revision(key="default/a"), routes=ROUTES)
        wire = await gate.client()
        whole = request(method, path, body=body, host=OURS)
        if method == "PUT":  # the same in chunks
            head = f"PUT {path} HTTP/1.1\r\nHost: {OURS}\r\nTransfer-Encoding: chunked\r\n\r\n"
            whole = head.encode() + b"%x\r\n" % len(body) + body + b"\r\n"
        await wire.send(whole)
        answer = await wire.answer()
        assert (answer.status, answer.reason) == (status, reason)


async def test_another_host_has_no_such_api(tmp_path):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision(key="default/a"), routes=ROUTES)
        answer = await gate.ask("POST", CHAT, body=asking("a"), host="nobody.example")
        assert (answer.status, answer.reason) == (404, "no-route")


async def test_a_client_that_leaves_or_is_slow_frees_what_was_held(tmp_path):
    async with gateway(tmp_path, model_body_s=0.5, model_bytes=6000) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod, key="default/a"), routes=ROUTES)
        leaver, slow = await gate.client(), await gate.client()
        cut = request("POST", CHAT, body=b"x" * 5000, host=OURS)[:-2500]
        await leaver.send(cut)
        leaver.close()
        await slow.send(cut)
        assert (await slow.answer()).reason in ("body-timeout", "body-too-large")
        answer = await gate.ask("POST", CHAT, body=asking("a"), host=OURS)
        assert answer.status == 200


async def test_tokens_of_answers_are_counted_in_one_piece_and_as_they_stream(tmp_path):
    async def speak(asked, wire):
        if b"stream" in asked.body:
            events = b"".join(
                b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n' for _ in range(3)
            )
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            await wire.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events))
            return
        body = b'{"choices":[],"usage":{"completion_tokens":39}}'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        await wire.send(head % len(body) + body)

    async with gateway(tmp_path) as gate, replica("a", speak) as a:
        control = await gate.control()
        await control.tell(revision(a, key="default/a"), routes=ROUTES[:1])
        await control.hear(Sample)  # from here on each second is observed
        wire = await gate.client()
        for body in (b'{"model":"a"}', b'{"model":"a","stream":true}'):
            answer = await wire.ask("POST", "/v1/chat/completions", body=body, host="a.example")
            assert answer.status == 200
        total = 0
        while total < 42:
            total += (await control.hear(Sample, lambda sample: sample.tokens > 0)).tokens
        assert total == 42
