"""gRPC through a real gateway with grpcio at both ends: from zero, the four kinds of calls, and failures."""

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from msgspec.structs import replace

from tidegate.apiserver.pki import open_pki
from tidegate.link.gateway import Certificate, Drained, Endpoint, Sample, Wake
from tidegate.testing.gateway import HOST, gateway, replica, revision

pytestmark = [
    pytest.mark.live,
    # grpcio's own sockets are closed by its threads, some after a test's end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SERVER = Path(__file__).with_name("grpc_process.py")
WITHIN_S = 60


class GrpcReplica:
    """A gRPC server in a process of its own, and the lines that it prints."""

    def __init__(self, process, name):
        self.process = process
        self.lines = []
        self._name = name
        self.port = 0

    @property
    def endpoint(self):
        return Endpoint(id=self._name, host="127.0.0.1", port=self.port)

    async def says(self, start):
        """The next line that begins so."""
        async with asyncio.timeout(WITHIN_S):
            while line := (await self.process.stdout.readline()).decode().strip():
                self.lines.append(line)
                if line.startswith(start):
                    return line
        raise AssertionError(f"the server ended and said only {self.lines}")


@asynccontextmanager
async def grpc_replica(name="pod-a", port=0):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), str(port), stdout=asyncio.subprocess.PIPE
    )
    made = GrpcReplica(process, name)
    try:
        made.port = int((await made.says("listening")).split()[-1])
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def by_tls(pki, gate):
    """A channel to the gateway's HTTPS port."""
    trusted = grpc.ssl_channel_credentials(pki.ca.read_bytes())
    options = [("grpc.default_authority", HOST), ("grpc.ssl_target_name_override", HOST)]
    return grpc.aio.secure_channel(f"127.0.0.1:{gate.https_port}", trusted, options=options)


@asynccontextmanager
async def channel(gate, host=HOST):
    options = [("grpc.default_authority", host), ("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gate.port}", options=options) as made:
        yield made


def method(name):
    return f"/tide.Echo/{name}"


def unary(made, request=b"hello", **options):
    return made.unary_unary(method("Unary"))(request, timeout=WITHIN_S, **options)


def h2c(*endpoints, **fields):
    return revision(*endpoints, protocol="h2c", **fields)


async def outcome(call):
    """Code and words of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code(), failed.value.details()


@asynccontextmanager
async def held(made):
    """A call that a replica works on until the block ends, and which then ends well."""
    call = made.stream_stream(method("Both"))()
    async with asyncio.timeout(WITHIN_S):
        await call.write(b"here")
        assert await call.read() == b"here"
    yield
    async with asyncio.timeout(WITHIN_S):
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def until_it_ends(call):
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_a_call_waits_at_zero_and_is_answered_with_its_metadata_and_trailers(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        grpc_replica() as pod,
        channel(gate) as made,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(h2c())
        call = unary(made, metadata=(("x-sent", "abc"),))

        async def answered():
            return await call

        asked = tasks.create_task(answered())
        assert (await control.hear(Wake)).waiting == 1
        await control.change(h2c(pod.endpoint))
        assert await asked == b"hello"
        assert dict(await call.initial_metadata())["x-early"] == "1"
        trailers = dict(await call.trailing_metadata())
        assert (trailers["x-late"], trailers["x-from"]) == ("abc", "127.0.0.1")


async def test_calls_by_tls_are_calls_like_others(tmp_path):
    pki = open_pki(tmp_path / "pki", time.time())
    chain, key = pki.issue([HOST], time.time(), called=HOST)
    shown = Certificate(key="a", hosts=(HOST,), chain=chain.decode(), private_key=key.decode())
    async with gateway(tmp_path) as gate, grpc_replica() as pod, by_tls(pki, gate) as made:
        control = await gate.control()
        await control.tell(h2c(pod.endpoint))
        await control.show("a", shown)
        assert await unary(made, b"x" * 1_000_000) == b"x" * 1_000_000
        down = made.unary_stream(method("Down"))(b"5 100000", timeout=WITHIN_S)
        assert [len(piece) async for piece in down] == [100_002] * 5


async def test_streams_go_up_down_and_both_ways(tmp_path):
    async def messages(count, size=1000):
        for _ in range(count):
            yield b"m" * size

    async with gateway(tmp_path) as gate, grpc_replica() as pod, channel(gate) as made:
        control = await gate.control()
        await control.tell(h2c(pod.endpoint))
        down = made.unary_stream(method("Down"))(b"50 100000", timeout=WITHIN_S)
        assert [len(piece) async for piece in down] == [100_002] * 10 + [100_003] * 40
        up = made.stream_unary(method("Up"))
        assert await up(messages(50, 100_000), timeout=WITHIN_S) == b"50 5000000"
        both = made.stream_stream(method("Both"))(timeout=WITHIN_S)
        for number in range(20):  # each answer before the next question
            await both.write(b"%d" % number)
            assert await both.read() == b"%d" % number
        await both.done_writing()
        assert await both.read() is grpc.aio.EOF
        assert await both.code() == grpc.StatusCode.OK
        one = b"z" * 20_000_000
        assert await unary(made, one[: 3 * 2**20]) == one[: 3 * 2**20]


async def test_a_server_that_has_heard_enough_ends_the_call_at_once(tmp_path):
    sent = 0

    async def endless():
        nonlocal sent
        yield b"first"
        yield b"enough"
        while True:
            sent += 1
            yield b"x" * 100_000

    async with gateway(tmp_path) as gate, grpc_replica() as pod, channel(gate) as made:
        control = await gate.control()
        await control.tell(h2c(pod.endpoint))
        up = made.stream_unary(method("Up"))
        assert await up(endless(), timeout=WITHIN_S) == b"1 5"
        await control.hear(Sample, lambda one: one.running == 0)


async def test_the_servers_own_errors_arrive_as_it_said_them(tmp_path):
    async with gateway(tmp_path) as gate, grpc_replica() as pod, channel(gate) as made:
        control = await gate.control()
        await control.tell(h2c(pod.endpoint))
        code, words = await outcome(unary(made, b"fail"))
        assert (code, words) == (grpc.StatusCode.FAILED_PRECONDITION, "not like this: ü")
        code, _ = await outcome(unary(made, b"crash"))
        assert code is grpc.StatusCode.UNKNOWN
        nobody = made.unary_unary("/tide.Echo/Nothing")(b"", timeout=WITHIN_S)
        assert (await outcome(nobody))[0] is grpc.StatusCode.UNIMPLEMENTED
        failed = 0
        while not failed:
            failed += (await control.hear(Sample, lambda one: one.errors > 0)).errors
        assert failed == 1, "a crash is the server's failure, a refusal of its own is not"


async def test_a_client_that_cancels_stops_the_server(tmp_path):
    async with gateway(tmp_path) as gate, grpc_replica() as pod, channel(gate) as made:
        control = await gate.control()
        await control.tell(h2c(pod.endpoint))
        call = made.unary_stream(method("Down"))(b"-1 1000", timeout=WITHIN_S)
        assert await call.read() is not grpc.aio.EOF
        call.cancel()
        await pod.says("stream ended after")
        await control.hear(Sample, lambda one: one.running == 0)


async def test_one_connection_queues_its_calls_one_by_one(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        grpc_replica() as pod,
        channel(gate) as made,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(h2c(pod.endpoint, container_concurrency=1, queue_requests=2))

        async def answered(request):
            return await unary(made, request)

        async with held(made):
            others = [tasks.create_task(answered(b"later")) for _ in range(2)]
            await control.hear(Sample, lambda one: one.waiting == 2 and one.running == 1)
            code, words = await outcome(unary(made))
            assert code is grpc.StatusCode.UNAVAILABLE
            assert words.startswith("queue-full: ")
            assert "2 requests wait" in words
        assert [await other for other in others] == [b"later", b"later"]


async def test_a_call_that_takes_too_long_ends_with_deadline_exceeded(tmp_path):
    async with gateway(tmp_path) as gate, grpc_replica() as pod, channel(gate) as made:
        control = await gate.control()
        await control.tell(h2c(pod.endpoint, timeout_s=2.0))
        code, words = await outcome(unary(made, b"sleep 60"))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert words.startswith("timeout: request timeout: revision default/hello-00001")
        begun = made.unary_stream(method("Down"))(b"-1 10", timeout=WITHIN_S)
        code, words = await outcome(until_it_ends(begun))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED, "also in mid-stream"
        assert words.startswith("timeout: ")
        await pod.says("stream ended after")


async def test_a_batch_call_gives_its_only_place_to_an_ordinary_one(tmp_path):
    async with gateway(tmp_path) as gate, grpc_replica() as pod, channel(gate) as made:
        control = await gate.control()
        await control.tell(h2c(pod.endpoint, container_concurrency=1))
        batch = (("tidegate-priority", "batch"),)
        long = made.stream_stream(method("Both"))(metadata=batch)
        async with asyncio.timeout(WITHIN_S):
            await long.write(b"here")
            assert await long.read() == b"here"  # it has the only place
            slow = asyncio.ensure_future(outcome(unary(made, b"sleep 1000", metadata=batch)))
            while not slow.done():
                assert await unary(made, b"online") == b"online"
        for code, said in (await outcome(until_it_ends(long)), await slow):
            assert (code, "gave its place" in said) == (grpc.StatusCode.UNAVAILABLE, True), said


async def test_calls_that_nobody_can_serve_say_why(tmp_path):
    async with gateway(tmp_path) as gate, replica() as plain:
        control = await gate.control()
        await control.tell(revision(plain))
        async with channel(gate) as made:
            code, words = await outcome(unary(made))
            assert (code, words.partition(":")[0]) == (grpc.StatusCode.UNAVAILABLE, "not-h2c")
            assert "name its container port `h2c`" in words
        await control.change(h2c(plain))
        async with channel(gate) as made:
            code, words = await outcome(unary(made))
            assert (code, words.partition(":")[0]) == (grpc.StatusCode.UNAVAILABLE, "bad-answer")
            assert words.endswith("name the port http1")
        async with channel(gate, host="nobody.default.localhost") as made:
            code, words = await outcome(unary(made))
            assert (code, words.partition(":")[0]) == (grpc.StatusCode.UNIMPLEMENTED, "no-route")
        assert {got.line for got in plain.got} <= {"PRI * HTTP/2.0", "SM"}


async def test_a_replica_that_is_killed_fails_its_calls_and_the_next_ones_go_elsewhere(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        grpc_replica("a") as a,
        grpc_replica("b") as b,
        channel(gate) as made,
    ):
        control = await gate.control()
        await control.tell(h2c(a.endpoint))
        call = made.unary_stream(method("Down"))(b"-1 10", timeout=WITHIN_S)
        await call.read()
        a.process.kill()
        code, words = await outcome(until_it_ends(call))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert words.startswith("replica-closed: replica a ")
        await control.change(h2c(a.endpoint, b.endpoint))
        for _ in range(10):
            assert await unary(made) == b"hello"


async def test_a_draining_replica_finishes_its_calls_and_its_connection_ends(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        grpc_replica("old") as old,
        grpc_replica("new") as new,
        channel(gate) as made,
    ):
        control = await gate.control()
        await control.tell(h2c(old.endpoint))
        async with held(made):
            await control.change(h2c(replace(old.endpoint, draining=True), new.endpoint))
            assert await unary(made, b"new") == b"new"
            assert not [one for one in control.heard if isinstance(one, Drained)]
        assert (await control.hear(Drained)).endpoint == "old"


async def test_a_gateway_that_ends_loses_no_call(tmp_path):
    async with (
        gateway(tmp_path) as gate,
        grpc_replica() as pod,
        channel(gate) as made,
        asyncio.TaskGroup() as tasks,
    ):
        control = await gate.control()
        await control.tell(h2c(pod.endpoint, container_concurrency=1))

        async def answered(request):
            return await unary(made, request, wait_for_ready=True)

        running = tasks.create_task(answered(b"sleep 5"))
        await control.hear(Sample, lambda one: one.running == 1)
        waiting = tasks.create_task(answered(b"waits"))
        await control.hear(Sample, lambda one: one.waiting == 1)
        before = gate.process
        await gate.start()
        before.terminate()
        control = await gate.control()
        await control.tell(h2c(pod.endpoint))
        assert await waiting == b"waits", "it went on to wait at the next gateway"
        assert await unary(made, b"new", wait_for_ready=True) == b"new"
        assert await running == b"sleep 5"
        async with asyncio.timeout(WITHIN_S):
            assert await before.wait() == 0
