"""The Kafka adapter as a process, with a real broker, and what goes wrong around it."""

import asyncio
import functools
import inspect
import ipaddress
import json
import signal
import ssl
import struct
import tempfile
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tidegate.sources.kafka.notes import Notes, read_notes
from tidegate.sources.kafka.settings import tls_context
from tidegate.testing.broker import running_broker
from tidegate.testing.kafka_proxy import remembering_broker
from tidegate.testing.kafka_rig import rig, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
SLOW = {"retry": 4, "backoffPolicy": "constant", "backoffDelayS": 0.4}


def values(count, start=0):
    return [b"event-%05d" % n for n in range(start, start + count)]


SCENARIOS = {}


def scenario(play):
    """A test that runs beside the others of this file, each with a broker of its own: the broker takes
    5 s for each forming of a group, in which nothing happens."""

    async def run():
        async with remembering_broker() as broker, rig(broker.address) as kafka:
            await kafka.make_topic()
            given = {"kafka": kafka, "broker": broker}
            await play(*(given[name] for name in inspect.signature(play).parameters))

    @functools.wraps(play)
    async def test(running):
        await running[play.__name__]

    del test.__wrapped__  # pytest would ask it which fixtures it needs
    SCENARIOS[play.__name__] = run
    return test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(request):
    """All scenarios that were asked for, under way."""
    asked = {item.name for item in request.session.items}
    tasks = {name: asyncio.ensure_future(run()) for name, run in SCENARIOS.items() if name in asked}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def all_came(kafka, wanted, *, at_most_s=90.0):
    def came():
        return set(wanted) <= set(kafka.sink.bodies)

    await until(came, f"all {len(wanted)} events at the sink", at_most_s=at_most_s)


async def committed_all(source):
    async def so():
        parts = (await source.status()).get("partitions", ())
        return bool(parts) and all(p["lag"] == 0 and p["open"] == 0 for p in parts)

    await until(so, "all is committed")


@scenario
async def test_events_arrive_as_knative_sends_them_in_order_and_nothing_comes_twice(kafka, broker):
    source = await kafka.source(sink={"url": kafka.sink.url, "host": "model.default.example"})
    await kafka.produce(values(200), key=lambda v: v[-1:], headers=[("X-A", b"b c")])
    await all_came(kafka, values(200))
    await committed_all(source)
    first = kafka.sink.got[0]
    assert first.target == "/in?query=music"
    assert first.headers["host"] == "model.default.example"
    assert first.headers["ce-type"] == "dev.knative.kafka.event"
    assert first.headers["ce-source"] == "/apis/v1/namespaces/default/kafkasources/s#t"
    assert first.headers["ce-kafkaheaderxa"] == "b%20c"
    assert first.headers["ce-key"] == first.headers["ce-partitionkey"] == first.body.decode()[-1:]
    by_key = {}
    for request in kafka.sink.got:
        by_key.setdefault(request.headers["ce-key"], []).append(request.body)
    assert all(bodies == sorted(bodies) for bodies in by_key.values())
    assert len(kafka.sink.got) == 200
    assert sum(offset for offset, _ in broker.kept.values()) == 200
    assert (await source.status())["remembers"] is True
    assert b"kafka_source_handled_total 200" in (await source.ask("/metrics"))[1]
    assert await source.end() == 0


@scenario
async def test_a_killed_adapter_repeats_only_what_was_in_the_air(kafka, broker):
    held = asyncio.Event()

    async def one_in_ten_hangs(request):
        if request.body.endswith(b"7") and not held.is_set():
            await held.wait()
        return 200

    kafka.sink.rule = one_in_ten_hangs
    source = await kafka.source(ordering="unordered")
    await kafka.produce(values(100))
    await all_came(kafka, values(100))

    async def settled():
        parts = (await source.status())["partitions"]
        return sum(p["open"] for p in parts) == 10 and kafka.sink.busy == 10

    await until(settled, "all but the ten that hang are finished")

    def written():
        known = [noted(broker, partition) for partition in range(4)]
        ends = [sum(end - first for first, end in notes.finished) for _, notes in known]
        return sum(base for base, _ in known) + sum(ends) == 90

    await until(written, "it is committed that the other ninety are finished")
    await source.end(signal.SIGKILL)
    held.set()
    again = await kafka.source(ordering="unordered")
    await until(again.ready, "the next adapter has the partitions")
    await committed_all(again)
    repeated = {body for body, times in kafka.sink.bodies.items() if times > 1}
    assert repeated == {value for value in values(100) if value.endswith(b"7")}


def noted(broker, partition):
    """Offset and notes as last committed."""
    base, metadata = broker.kept.get(("g", "t", partition), (0, ""))
    return base, read_notes(base, metadata) or Notes()


async def poisoned(kafka, broker, ordering):
    async def never(request):
        return 202 if request.target == "/dead" else 503

    kafka.sink.rule = never
    dead = {"url": f"http://127.0.0.1:{kafka.sink.port}/dead"}
    delivery = {**SLOW, "deadLetterSink": dead}
    await kafka.produce([b"poison", b"poison two"], partition=0)

    def tried(target="/in?query=music"):
        return [r.body for r in kafka.sink.got if r.target == target]

    for seen in (1, 3):
        source = await kafka.source(ordering=ordering, delivery=delivery)

        def written(seen=seen):
            tries = [each.made for _, each in noted(broker, 0)[1].tries]
            return len(tries) == (1 if ordering == "ordered" else 2) and min(tries) >= seen

        await until(written, f"{seen} tries are written down")
        await source.end(signal.SIGKILL)
    last = await kafka.source(ordering=ordering, delivery=delivery)
    await until(lambda: len(tried("/dead")) == 2, "both are dead letters")
    await committed_all(last)
    assert tried().count(b"poison") == 5
    assert tried().count(b"poison two") == 5
    assert sorted(tried("/dead")) == [b"poison", b"poison two"]
    letter = next(r for r in kafka.sink.got if r.target == "/dead")
    assert letter.headers["ce-knativeerrorcode"] == "503"


@scenario
async def test_an_event_that_always_fails_has_exactly_its_tries_across_kills_then_the_dead_letter(
    kafka, broker
):
    await poisoned(kafka, broker, "ordered")


@scenario
async def test_unordered_too_an_event_that_always_fails_has_exactly_its_tries(kafka, broker):
    await poisoned(kafka, broker, "unordered")


@scenario
async def test_what_the_sink_refuses_for_good_is_not_tried_again_and_what_it_cannot_now_is(kafka):
    answers = {b"bad": [400, 200], b"busy": [429, 503, 408, 200], b"lost": [404, 409, 200]}
    seen = {name: iter(codes) for name, codes in answers.items()}

    async def as_told(request):
        return next(seen[request.body])

    kafka.sink.rule = as_told
    await kafka.source(ordering="unordered", delivery={**SLOW, "backoffDelayS": 0.05})
    await kafka.produce([b"bad", b"busy", b"lost"])
    await until(lambda: len(kafka.sink.got) == 8, "all tries")
    assert kafka.sink.bodies == {b"bad": 1, b"busy": 4, b"lost": 3}


@scenario
async def test_a_sink_that_is_gone_is_waited_for_and_a_slow_one_does_not_cost_the_membership(kafka):
    await kafka.sink.down()
    source = await kafka.source(delivery={**SLOW, "retry": 100})
    await kafka.produce(values(20))

    async def failing():
        return (await source.status()).get("failed", 0) > 3

    await until(failing, "tries fail")

    async def slow(_request):
        await asyncio.sleep(0.2)
        return 200

    kafka.sink.rule = slow
    await kafka.sink.up()
    await all_came(kafka, values(20))
    await committed_all(source)
    assert set(kafka.sink.bodies.values()) == {1}
    assert b"kafka_source_rebalances_total 0" in (await source.ask("/metrics"))[1]


@scenario
async def test_the_broker_may_be_away_at_the_start_and_in_the_middle(kafka, broker):
    await broker.down()
    source = await kafka.source()

    async def says_away():
        error = (await source.status()).get("lastError") or {}
        return error.get("reason") == "BrokerUnreachable" and not await source.ready()

    await until(says_away, "the status says that the broker is away")
    await broker.up()
    await kafka.produce(values(50))
    await all_came(kafka, values(50))
    await broker.down()
    await until(says_away, "it says so again")
    await broker.up()
    await kafka.produce(values(50, 50))
    await all_came(kafka, values(100))
    await committed_all(source)
    assert set(kafka.sink.bodies.values()) == {1}

    async def is_over():
        return (await source.status())["lastError"] is None

    await until(is_over, "the trouble is over")


@scenario
async def test_a_broker_that_hangs_is_told_and_what_it_kept_back_comes_when_it_goes_on(
    kafka, broker
):
    source = await kafka.source()
    sink = await kafka.kafka_sink("out", numPartitions=1)
    await kafka.produce(values(20))
    await all_came(kafka, values(20))
    await committed_all(source)
    await until(sink.ready, "the receiver made its topic")
    broker.hang()

    async def silent(process):
        error = (await process.status()).get("lastError") or {}
        return error.get("reason") == "BrokerUnreachable" and "not answer" in error["message"]

    for process in (source, sink):
        await until(functools.partial(silent, process), "it says that the broker is silent")
    assert not await source.ready()
    broker.go_on()
    await kafka.produce(values(20, 20))
    await all_came(kafka, values(40))
    await until(source.ready, "it is ready again")
    assert set(kafka.sink.bodies.values()) == {1}


@scenario
async def test_a_broker_that_lost_everything_is_started_with_anew(kafka, broker):
    source = await kafka.source()
    await kafka.produce(values(10))
    await all_came(kafka, values(10))
    await committed_all(source)
    broker.broker.stop()
    broker.kept.clear()
    broker.broker.start()

    async def noticed():
        return b"kafka_source_resets_total 4" in (await source.ask("/metrics"))[1]

    await until(noticed, "all four partitions begin anew")
    await kafka.produce(values(10, 10))
    await all_came(kafka, values(20))
    await committed_all(source)
    assert set(kafka.sink.bodies.values()) == {1}


@scenario
async def test_a_missing_topic_is_named_and_waited_for_also_when_it_is_deleted_later(kafka, broker):
    source = await kafka.source(topics=["t", "later"])

    async def missing():
        error = (await source.status()).get("lastError") or {}
        return error.get("reason") == "TopicNotFound" and "later" in error["message"]

    await until(missing, "the missing topic is named")
    assert not await source.ready()
    await kafka.make_topic("later", 1)
    await until(source.ready, "it consumes")
    await kafka.produce([b"one"], topic="later")
    await all_came(kafka, [b"one"])
    await kafka.delete_topic("later")
    await until(missing, "the deleted topic is named")
    del broker.kept["g", "later", 0]  # as Kafka does when a topic is deleted
    await kafka.make_topic("later", 1)
    await kafka.produce([b"two"], topic="later")
    await all_came(kafka, [b"two"])


@scenario
async def test_offsets_that_are_out_of_range_go_on_at_the_oldest_event(kafka, broker):
    first = await kafka.source()
    await kafka.produce(values(5), partition=0)
    await all_came(kafka, values(5))
    await committed_all(first)
    assert await first.end() == 0
    await kafka.delete_topic()
    await kafka.make_topic(partitions=4)
    await kafka.produce(values(3, 100), partition=0)
    broker.strict = True
    second = await kafka.source()
    await all_came(kafka, values(3, 100))
    assert b"kafka_source_resets_total 1" in (await second.ask("/metrics"))[1]


@scenario
async def test_the_mark_of_a_transaction_behind_the_last_event_is_no_lag(kafka, broker):
    await kafka.make_topic("one", 1)
    source = await kafka.source(topics=["one"])
    await kafka.produce([b"event"], topic="one")
    await all_came(kafka, [b"event"])
    await put_batch(broker.address, "one", mark_of_a_transaction())
    await until(lambda: broker.kept["g", "one", 0][0] == 2, "it is committed past the mark")
    await kafka.produce([b"another"], topic="one")
    await all_came(kafka, [b"another"])
    await committed_all(source)
    assert set(kafka.sink.bodies.values()) == {1}


def mark_of_a_transaction():
    """A control batch, as brokers write them: no client's call makes one."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**10)
    builder.append(0, 1_700_000_000_000, b"\0\0\0\1", bytes(6), [])
    batch = bytearray(builder.build())
    attributes, control, transactional = 21, 0x20, 0x10
    struct.pack_into(">h", batch, attributes, control | transactional)
    struct.pack_into(">I", batch, attributes - 4, calc_crc32c(bytes(batch[attributes:])))
    return bytes(batch)


async def put_batch(address, topic, batch):
    client = AIOKafkaClient(bootstrap_servers=address)
    await client.bootstrap()
    await client.force_metadata_update()
    request = ProduceRequest(None, -1, 5000, [(topic, [(0, batch)])])
    await client.send(client.get_random_node(), request)
    await client.close()


@scenario
async def test_latest_is_committed_at_once_so_that_nothing_is_lost_before_the_first_event(kafka):
    for value in values(10):
        await kafka.produce([value])  # one by one: this broker's end offset is wrong within a batch
    first = await kafka.source(initialOffset="latest")
    await until(first.ready, "the first adapter has its partitions")
    assert (await first.status())["initialOffsetsCommitted"] is True
    await first.end(signal.SIGKILL)
    await kafka.produce(values(10, 10))
    await kafka.source(initialOffset="latest")
    await all_came(kafka, values(10, 10))
    assert set(kafka.sink.bodies) == set(values(10, 10))


@scenario
async def test_wrong_credentials_are_said_also_with_scram():
    with running_broker("--authentication") as locked:
        async with rig(locked.address) as kafka:
            net = {"sasl": {"enable": True, "type": "SCRAM-SHA-512"}}
            guess = {"KAFKA_SASL_USER": "eve", "KAFKA_SASL_PASSWORD": "guess"}
            source = await kafka.source(net=net, environ=guess)
            sink = await kafka.kafka_sink("out", net=net, environ=guess)
            for process in (source, sink):
                await until(functools.partial(refused, process, "eve"), "it says who was refused")
                assert not await process.ready()


async def refused(source, user):
    error = (await source.status()).get("lastError") or {}
    return error.get("reason") == "AuthenticationFailed" and repr(user) in error["message"]


@scenario
async def test_over_tls_those_with_the_password_are_let_in_and_others_told_why():
    pki = Certificates()
    ca, users = pki.ca, {"alice": "right"}
    async with remembering_broker(users=users, tls=pki.of_server()) as broker:
        known = {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": "alice",
            "sasl_plain_password": "right",
            "ssl_context": ssl.create_default_context(cadata=ca),
        }
        async with rig(broker.address, **known) as kafka:
            await kafka.make_topic()
            net = {"sasl": {"enable": True}, "tls": {"enable": True}}
            wrong = {"KAFKA_SASL_USER": "alice", "KAFKA_SASL_PASSWORD": "wrong", "KAFKA_TLS_CA": ca}
            source = await kafka.source(net=net, environ=wrong)
            await until(functools.partial(refused, source, "alice"), "it says who was refused")
            trusting = await kafka.source(net=net, environ={**wrong, "KAFKA_TLS_CA": ""})

            async def mistrusted():
                return ((await trusting.status()).get("lastError") or {}).get(
                    "reason"
                ) == "TlsFailed"

            await until(mistrusted, "it says that the broker can't be trusted")
            await trusting.end()
            await source.end()
            await kafka.source(net=net, environ={**wrong, "KAFKA_SASL_PASSWORD": "right"})
            await kafka.produce(values(10))
            await all_came(kafka, values(10))


@scenario
async def test_scram_over_mutual_tls_lets_in_who_has_the_password_and_a_certificate():
    pki = Certificates()
    context = pki.of_server(clients=True)
    users = {"alice": "p=a,ss"}
    async with remembering_broker(users=users, tls=context, mechanisms=SCRAM) as broker:
        known = {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "alice",
            "sasl_plain_password": "p=a,ss",
            "ssl_context": tls_context(pki.ca, pki.cert, pki.key),
        }
        async with rig(broker.address, **known) as kafka:
            await kafka.make_topic()
            right = {
                "KAFKA_SASL_USER": "alice",
                "KAFKA_SASL_PASSWORD": "p=a,ss",
                "KAFKA_TLS_CA": pki.ca,
                "KAFKA_TLS_CERT": pki.cert,
                "KAFKA_TLS_KEY": pki.key,
            }

            def net(mechanism):
                return {"sasl": {"enable": True, "type": mechanism}, "tls": {"enable": True}}

            async def told(process, what):
                error = (await process.status()).get("lastError") or {}
                return error.get("reason") == what or what in error.get("message", "")

            wrong = await kafka.source(
                net=net("SCRAM-SHA-256"), environ={**right, "KAFKA_SASL_PASSWORD": "pass"}
            )
            bare = await kafka.source(
                net=net("SCRAM-SHA-256"),
                environ={**right, "KAFKA_TLS_CERT": "", "KAFKA_TLS_KEY": ""},
            )
            plain = await kafka.source(net=net("PLAIN"), environ=right)
            for process, what in (
                (wrong, "AuthenticationFailed"),
                (bare, "perhaps it asks for a client's certificate"),
                (plain, "does not offer this SASL type"),
            ):
                await until(functools.partial(told, process, what), f"it says {what}")
                await process.end()
            reply = await kafka.kafka_sink(
                "out", net=net("SCRAM-SHA-512"), environ=right, numPartitions=1
            )
            await until(reply.ready, "the receiver made its topic")
            kafka.sink.rule = answers_with_an_event
            await kafka.source(
                net=net("SCRAM-SHA-256"),
                environ=right,
                reply={"url": f"http://127.0.0.1:{reply.port}/"},
            )
            await kafka.produce(values(10))
            assert {r.key for r in await kafka.records("out", 10)} == set(values(10))
            assert set(broker.let_in) == {(mechanism, "alice") for mechanism in SCRAM}


async def answers_with_an_event(request):
    headers = {"ce-specversion": "1.0", "ce-id": request.id, "ce-source": "m", "ce-type": "r"}
    return 200, {**headers, "content-type": "text/plain"}, b"answer to " + request.body


class Certificates:
    """An authority, and one key and certificate of it for a broker on 127.0.0.1 and for its clients. PEM."""

    def __init__(self):
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), 1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.ca = self.cert = certificate.public_bytes(Encoding.PEM).decode()
        self.key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def of_server(self, *, clients=False):
        """`clients`: those without a certificate of the authority are sent away."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.ca)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
            both.write(self.cert + self.key)
            both.flush()
            context.load_cert_chain(both.name)
        return context


@scenario
async def test_large_events_and_odd_keys_pass(kafka):
    large = bytes(range(256)) * 20_000
    await kafka.source(keyType="int")
    await kafka.produce([large], key=lambda _: b"\xff\xfe\xfd")
    await kafka.produce([b"after"], key=lambda _: b"\x00\x00\x00\x05")
    await all_came(kafka, [large, b"after"])
    keys = {r.body[:5]: r.headers["ce-key"] for r in kafka.sink.got}
    assert keys == {large[:5]: "//79", b"after": "5"}


@scenario
async def test_a_hundred_are_in_flight_and_a_termination_waits_for_them(kafka):
    async def slow(_request):
        await asyncio.sleep(1.0)
        return 200

    kafka.sink.rule = slow
    source = await kafka.source(ordering="unordered")
    await kafka.produce(values(300))
    await until(lambda: kafka.sink.busy == 100, "a hundred at once")
    assert await source.end() == 0
    came = len(kafka.sink.got)
    assert kafka.sink.most_busy == 100
    kafka.sink.rule = no_wait
    await kafka.source(ordering="unordered")
    await all_came(kafka, values(300))
    assert came >= 100
    assert len(kafka.sink.got) == 300


async def no_wait(_request):
    return 200


@scenario
async def test_consumers_that_come_and_go_lose_nothing_and_repeat_nothing(kafka):
    async def slow(_request):
        await asyncio.sleep(0.3)
        return 200

    kafka.sink.rule = slow
    first = await kafka.source(ordering="unordered", maxInFlight=20)
    await until(first.ready, "the first consumes")
    await kafka.produce(values(600))
    second = await kafka.source(ordering="unordered", maxInFlight=20)

    async def shared():
        return await second.ready() and len((await second.status())["partitions"]) == 2

    await until(shared, "the second has half of the partitions")
    assert await first.end() == 0
    await all_came(kafka, values(600))
    assert len(kafka.sink.got) <= 606


@scenario
async def test_tries_that_outlast_a_handover_are_repeated_only_where_the_partition_moved(kafka):
    async def slow(_request):
        await asyncio.sleep(15)
        return 200

    kafka.sink.rule = slow
    brief = {"ordering": "unordered", "environ": {"K_DRAIN_S": "2"}}
    first = await kafka.source(**brief)
    await kafka.produce(values(16))
    await until(lambda: len(kafka.sink.got) == 16, "all are at the sink")
    second = await kafka.source(**brief)

    async def shared():
        return await second.ready() and len((await second.status())["partitions"]) == 2

    await until(shared, "the second has half of the partitions")
    moved = {p["partition"] for p in (await second.status())["partitions"]}
    kafka.sink.rule = no_wait
    await committed_all(first)
    await committed_all(second)
    repeated = [r.id for r in kafka.sink.got if kafka.sink.bodies[r.body] > 1]
    assert {int(each.split("/")[0].removeprefix("partition:")) for each in repeated} <= moved
    assert set(kafka.sink.bodies) == set(values(16))


@scenario
async def test_a_try_that_lasts_for_ever_does_not_keep_the_process_from_ending_in_order(kafka):
    for_ever = asyncio.Event()

    async def never(_request):
        await for_ever.wait()
        return 200

    kafka.sink.rule = never
    source = await kafka.source(environ={"K_DRAIN_S": "1"})
    await kafka.produce(values(1))
    await until(lambda: kafka.sink.busy == 1, "it is at the sink")
    async with asyncio.timeout(60):
        assert await source.end() == 0
    for_ever.set()


@scenario
async def test_replies_go_to_a_topic_with_the_key_before_the_event_is_finished(kafka):
    kafka.sink.rule = answers_with_an_event
    reply = await kafka.kafka_sink("out", numPartitions=2)
    await until(reply.ready, "the receiver made its topic")
    source = await kafka.source(reply={"url": f"http://127.0.0.1:{reply.port}/"})
    await kafka.produce(values(10))
    await committed_all(source)
    out = await kafka.records("out", 10)
    assert {(r.key, r.value) for r in out} == {(v, b"answer to " + v) for v in values(10)}
    assert dict(out[0].headers)["content-type"] == b"text/plain"
    assert json.loads((await reply.ask("/status"))[1])["produced"] == 10
    assert await reply.end() == 0


@scenario
async def test_the_sink_takes_events_and_nothing_else(kafka, broker):
    sink = await kafka.kafka_sink("out", numPartitions=1, contentMode="structured")
    await until(sink.ready, "the receiver made its topic")
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    structured = {"content-type": "application/cloudevents+json"}
    text = json.dumps({"specversion": "1.0", "id": "2", "source": "/s", "type": "t", "data": [1]})

    async def post(headers, body, method="POST"):
        answer = await sink.send(method, headers, body)
        return answer.status

    assert await post({**event, "ce-partitionkey": "M%C3%BCller"}, b"x") == 202
    assert await post(structured, text.encode()) == 202
    assert await post({"content-type": "application/cloudevents-batch+json"}, b"[]") == 400
    assert await post({"content-type": "application/json"}, b"{}") == 400
    assert await post({**event, "ce-id": ""}, b"x") == 400
    assert await post(event, bytes(17 * 2**20)) == 413
    assert await post(event, b"", method="PUT") == 405
    one, two = await kafka.records("out", 2)
    assert (one.key, json.loads(one.value)["id"]) == ("Müller".encode(), "1")
    assert (two.key, json.loads(two.value)["data"]) == (None, [1])
    await broker.down()
    assert await post(event, b"x") == 503
    assert json.loads((await sink.ask("/status"))[1])["connected"] is False


@scenario
async def test_events_go_to_the_partitions_that_a_topic_has_since_it_was_made_anew(kafka):
    await kafka.make_topic("out", 3)
    sink = await kafka.kafka_sink("out")
    await until(sink.ready, "the receiver found its topic")
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}

    async def missed():
        return not await sink.ready()

    async def send():
        for n in range(6):
            answer = await sink.send("POST", {**event, "ce-partitionkey": f"key-{n}"}, b"x")
            assert answer.status == 202

    await send()
    await kafka.delete_topic("out")
    await until(missed, "the receiver noticed that its topic went")
    await kafka.make_topic("out", 1)
    await until(sink.ready, "the receiver found the new one")
    await send()
    assert len(await kafka.records("out", 6)) == 6
