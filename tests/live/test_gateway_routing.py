"""Where the gateway sends requests: rules, parts of hosts, sticky and shadowed splits; what it counts."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from tidegate.link.gateway import RouteSample, Rule, Sample, Shadow, Split, Sticky, Wake
from tidegate.routing.latency import edges_ms, merged
from tidegate.testing.gateway import (
    HOST,
    Request,
    Wire,
    gateway,
    replica,
    request,
    revision,
    route,
    say_ok,
)

pytestmark = pytest.mark.live

MAIN, CANARY = "default/main", "default/canary"


async def until(claim):
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0.01)


async def test_a_canary_by_header_cookie_and_weight_as_nginx_has_it(tmp_path):
    canary_rules = (
        Rule(header="X-Canary", values=("always",), revision=CANARY),
        Rule(header="X-Canary", values=("never",), revision=MAIN),
        Rule(cookie="canary", values=("always",), revision=CANARY),
    )
    async with gateway(tmp_path) as gate, replica("m") as main, replica("c") as canary:
        control = await gate.control()
        await control.tell(
            revision(main, key=MAIN),
            revision(canary, key=CANARY),
            routes=[route((MAIN, 9), (CANARY, 1), rules=canary_rules)],
        )
        wire = await gate.client()
        for extra, each in (
            ("X-Canary: always\r\n", (0, 5)),
            ("X-Canary: never\r\nCookie: canary=always\r\n", (5, 0)),
            ("X-Canary: other\r\nCookie: canary=always\r\n", (0, 5)),
            ("", (9, 1)),
        ):
            before = len(main.got), len(canary.got)
            for _ in range(sum(each)):
                assert (await wire.ask(extra=extra)).status == 200
            assert (len(main.got) - before[0], len(canary.got) - before[1]) == each, extra


async def test_headers_of_a_split_and_of_the_revision_reach_the_replica(tmp_path):
    tagged = Split(
        revision=MAIN, percent=1, headers=(("Knative-Serving-Tag", "blue"), ("X-Way", "1"))
    )
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(
            revision(pod, key=MAIN, headers=(("X-Revision", "r"),)), routes=[route(tagged)]
        )
        for body in (b"", b"x" * 10):
            assert (await gate.ask("POST", body=body)).status == 200
        for got in pod.got:
            seen = [got.header(name) for name in ("knative-serving-tag", "x-way", "x-revision")]
            assert seen == ["blue", "1", "r"]


async def test_who_sends_the_same_head_again_gets_what_holds_now(tmp_path):
    async with gateway(tmp_path) as gate, replica("m") as main, replica("c") as canary:
        control = await gate.control()
        await control.tell(
            revision(main, key=MAIN, headers=(("X-Of", "main"),)),
            revision(canary, key=CANARY, headers=(("X-Of", "canary"),)),
            routes=[route((MAIN, 50), (CANARY, 50))],
        )
        wire = await gate.client()
        for _ in range(6):
            assert (await wire.ask("POST", body=b"x")).status == 200
        assert [got.header("x-of") for got in main.got] == ["main"] * 3
        assert [got.header("x-of") for got in canary.got] == ["canary"] * 3
        await control.change(revision(main, key=MAIN, headers=(("X-Of", "changed"),)))
        for _ in range(2):
            assert (await wire.ask("POST", body=b"x")).status == 200
        assert main.got[-1].header("x-of") == "changed"
        assert (await wire.ask("POST", path="/default/hello/p", host="127.0.0.1")).status == 200
        assert (main.got + canary.got)[-1].line.split(" ")[1] in ("/", "/p")


async def test_parts_of_a_host_have_services_of_their_own_and_nothing_is_cut(tmp_path):
    async with gateway(tmp_path) as gate, replica("r") as root, replica("a") as api:
        control = await gate.control()
        await control.tell(
            revision(root, key=MAIN),
            revision(api, key=CANARY),
            routes=[
                route((MAIN, 1), key="root", path="/", path_prefix=None),
                route((CANARY, 1), key="api", path="/api", path_prefix=None),
                route((CANARY, 1), key="any", path="/any", path_prefix=None, host=""),
            ],
        )
        for path in ("/api", "/api/v1?x=1", "/apis", "/other/../api/v2"):
            assert (await gate.ask(path=path)).status == 200
        assert [got.line.split(" ")[1] for got in api.got] == [
            "/api",
            "/api/v1?x=1",
            "/other/../api/v2",
        ]
        assert [got.line.split(" ")[1] for got in root.got] == ["/apis"]
        assert (await gate.ask(path="/any/x", host="nobody.example")).status == 200
        assert (await gate.ask(path="/none", host="nobody.example")).status == 404


async def test_a_caller_stays_with_its_split_by_the_cookie_it_was_given(tmp_path):
    async with gateway(tmp_path) as gate, replica("m") as main, replica("c") as canary:
        control = await gate.control()
        await control.tell(
            revision(main, key=MAIN),
            revision(canary, key=CANARY),
            routes=[route((MAIN, 80), (CANARY, 20), sticky=Sticky(cookie="seen"))],
        )
        wire = await gate.client()
        cookies = []
        for _ in range(20):
            answer = await wire.ask()
            cookie, _, more = (answer.header("set-cookie") or "").partition(";")
            assert cookie.startswith("seen=")
            assert "Path=/" in more
            cookies.append(cookie)
        assert (len(main.got), len(canary.got)) == (16, 4)
        for cookie in cookies:
            before = len(canary.got)
            went = set()
            for _ in range(3):
                answer = await wire.ask(extra=f"Cookie: {cookie}\r\n")
                assert answer.header("set-cookie") is None
                went.add(len(canary.got) > before)
                before = len(canary.got)
            assert len(went) == 1, "one caller was sent to both"
        assert len(canary.got) == 4 + 4 * 3


async def test_a_share_of_requests_is_copied_and_its_answers_are_nobodys(tmp_path):
    async def fail(got: Request, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad")

    async with gateway(tmp_path) as gate, replica("m") as main, replica("s", fail) as shadow:
        control = await gate.control()
        await control.tell(
            revision(main, key=MAIN),
            revision(shadow, key=CANARY),
            routes=[route((MAIN, 1), shadow=(Shadow(revision=CANARY, percent=50),))],
        )
        wire = await gate.client()
        for number in range(20):
            answer = await wire.ask("POST", f"/p?{number}", body=b"body %d" % number)
            assert (answer.status, answer.body) == (200, b"body %d" % number)
        await until(lambda: len(shadow.got) == 10)
        assert len(main.got) == 20
        originals = {(got.line, got.body) for got in main.got}
        assert {(got.line, got.body) for got in shadow.got} <= originals
        assert {got.header("tidegate-shadow") for got in shadow.got} == {"true"}
        assert {got.header("tidegate-shadow") for got in main.got} == {None}
        told = await control.hear(RouteSample, lambda sample: sample.requests > 0)
        assert told.errors == 0


async def test_a_shadow_that_hangs_or_is_not_there_neither_delays_nor_fails_anybody(tmp_path):
    async def hang(got: Request, wire: Wire) -> None:
        await asyncio.sleep(3600)

    shadows = (Shadow(revision=CANARY, percent=100), Shadow(revision="default/gone", percent=100))
    async with (
        gateway(tmp_path, shadow_requests=3) as gate,
        replica("m") as main,
        replica("s", hang) as shadow,
    ):
        control = await gate.control()
        await control.tell(
            revision(main, key=MAIN),
            revision(shadow, key=CANARY),
            routes=[route((MAIN, 1), shadow=shadows)],
        )
        wire = await gate.client()
        await wire.send(
            request("POST", extra="Transfer-Encoding: chunked\r\n").replace(
                b"Content-Length: 0\r\n", b""
            )
        )
        await wire.send(b"3\r\nabc\r\n")
        await until(lambda: main.connections == 1)
        await wire.send(b"2\r\nde\r\n0\r\n\r\n")
        assert (await wire.answer()).body == b"abcde"
        await until(lambda: [got.body for got in shadow.got] == [b"abcde"])
        for _ in range(10):
            assert (await wire.ask()).status == 200
        await control.hear(Sample, lambda s: s.revision == CANARY and s.running == 3)
        assert len(shadow.got) == 3
        gate.terminate()
        assert gate.process is not None
        await gate.process.wait()  # does not wait for the copies


async def test_a_second_tells_how_long_requests_took_and_which_found_no_replica(tmp_path):
    async def slow(got: Request, wire: Wire) -> None:
        await asyncio.sleep(0.2)
        if "bad" in got.line:
            await wire.send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        else:
            await say_ok(got, wire)

    async with (
        gateway(tmp_path) as gate,
        replica("a", slow) as pod,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(revision())
        asked = [tasks.create_task(gate.ask(path=path)) for path in ("/1", "/2", "/bad")]
        await control.hear(Wake)
        await control.hear(Sample, lambda sample: sample.waiting == 3)
        await control.change(revision(pod))
        assert Counter([(await one).status for one in asked]) == {200: 2, 500: 1}
        await control.hear(Sample, lambda sample: sample.running == 0 and sample.waiting == 0)
        await control.hear(Sample)
        samples = [m for m in control.heard if isinstance(m, Sample)]
        assert sum(sample.cold_starts for sample in samples) == 3
        took = merged(sample.latency_buckets for sample in samples)
        assert sum(took.values()) == 3
        assert all(edges_ms(bucket)[1] > 200 for bucket in took)
        routes = [m for m in control.heard if isinstance(m, RouteSample)]
        assert {one.route for one in routes} == {"default/hello"}
        assert sum(one.requests for one in routes) == 3
        assert sum(one.errors for one in routes) == 1


async def test_a_rule_that_can_not_be_followed_leaves_the_rest_of_its_route(tmp_path):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        bad = (Rule(header="x", pattern="(", revision=CANARY), Rule(revision=CANARY))
        await control.tell(revision(pod, key=MAIN), routes=[route((MAIN, 1), rules=bad)])
        assert (await gate.ask(extra="x: (\r\n")).status == 200
        log = (gate.home.logs / "gateway.log").read_text()
        assert log.count("is left out") == 2
        assert HOST not in log


async def test_a_request_that_waited_tells_the_stages_of_its_wait_if_asked(tmp_path):
    ask = "Tidegate-Explain: 1\r\n"
    async with gateway(tmp_path) as gate, replica("a") as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision())
        asked = tasks.create_task(gate.ask(extra=ask))
        quiet = tasks.create_task(gate.ask())
        woken = await control.hear(Wake)
        stages = {"created": woken.at_s + 0.001, "ready": woken.at_s + 0.002}
        await control.hear(Sample, lambda sample: sample.waiting == 2)
        await control.change(revision(replace(pod.endpoint, stages=stages)))
        told = (await asked).header("tidegate-explain") or ""
        names = [part.split(";")[0] for part in told.split(", ")]
        assert names == ["created", "ready", "routed", "connected", "first-byte", "total"]
        assert 'desc="no replica was there; served by a"' in told
        assert (await quiet).header("tidegate-explain") is None
        assert (await gate.ask(extra=ask)).header("tidegate-explain") is None, "it did not wait"


async def test_a_request_that_waited_in_vain_tells_so_with_the_refusal(tmp_path):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision(timeout_s=0.3))
        answer = await gate.ask(extra="Tidegate-Explain: 1\r\n")
        assert (answer.status, answer.reason) == (504, "timeout")
        assert (answer.header("tidegate-explain") or "").startswith("given-up;dur=")
