"""HTTPS at the gateway: each host its certificate, and plain requests sent there if the route wants."""

import asyncio
import json
import ssl
import time

import pytest

from tidegate.apiserver.pki import open_pki
from tidegate.link.gateway import Certificate
from tidegate.testing.gateway import HOST, gateway, replica, request, revision, route

pytestmark = pytest.mark.live


@pytest.fixture
def pki(tmp_path):
    return open_pki(tmp_path / "pki", time.time())


def certificate(pki, key: str, *hosts: str, shown_for: tuple[str, ...] | None = None):
    chain, private_key = pki.issue(hosts, time.time(), called=hosts[0])
    return Certificate(
        key=key,
        hosts=hosts if shown_for is None else shown_for,
        chain=chain.decode(),
        private_key=private_key.decode(),
    )


def trusting(pki) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pki.ca))


def names(wire) -> list[str]:
    shown = wire.writer.get_extra_info("peercert")
    return [name for _, name in shown["subjectAltName"]]


async def test_a_request_by_https_is_served_and_the_replica_knows(tmp_path, pki):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("a", certificate(pki, "a", HOST))
        wire = await gate.https_client(trusting(pki), HOST)
        large = b"x" * 300_000
        for body in (b"one", large):
            answer = await wire.ask("POST", body=body)
            assert (answer.status, answer.body) == (200, body)
        assert {got.header("x-forwarded-proto") for got in pod.got} == {"https"}
        assert (await gate.ask()).status == 200
        assert pod.got[-1].header("x-forwarded-proto") == "http"


async def test_each_host_has_its_certificate_by_name_then_wildcard_then_default(tmp_path, pki):
    async with gateway(tmp_path) as gate:
        control = await gate.control()
        await control.tell(revision())
        await control.show("exact", certificate(pki, "exact", "a.example"))
        await control.show("wild", certificate(pki, "wild", "*.team.example"))
        await control.show("default", certificate(pki, "default", "127.0.0.1", shown_for=("",)))
        for asked, shown in (
            ("a.example", "a.example"),
            ("b.team.example", "*.team.example"),
            ("127.0.0.1", "127.0.0.1"),
        ):
            assert names(await gate.https_client(trusting(pki), asked)) == [shown]
        with pytest.raises(ssl.SSLCertVerificationError):
            await gate.https_client(trusting(pki), "nobody.example.org")


async def test_a_changed_certificate_is_shown_at_once_and_a_removed_one_no_more(tmp_path, pki):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("a", certificate(pki, "a", HOST))
        before = await gate.https_client(trusting(pki), HOST)
        await control.show("a", certificate(pki, "a", HOST, "more.example"))
        assert names(await gate.https_client(trusting(pki), HOST)) == [HOST, "more.example"]
        assert (await before.ask()).status == 200, "open connections go on"
        await control.show("a", None)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await gate.https_client(trusting(pki), HOST)


async def test_certificates_are_there_after_a_restart_without_a_control_plane(tmp_path, pki):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("a", certificate(pki, "a", HOST))
        await gate.kill()
        await gate.start()
        wire = await gate.https_client(trusting(pki), HOST)
        assert (await wire.ask()).status == 200


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        pytest.param("nonsense", "nonsense", id="no PEM"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "other", id="another's key"),
    ],
)
async def test_a_certificate_that_makes_no_sense_is_reported_and_the_others_serve(
    tmp_path, pki, chain, key
):
    good, other = certificate(pki, "good", HOST), certificate(pki, "other", HOST)
    bad = Certificate(
        key="bad",
        hosts=("bad.example",),
        chain=good.chain if chain is None else chain,
        private_key=other.private_key if key == "other" else key,
    )
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("bad", bad)
        await control.show("good", good)
        assert (await (await gate.https_client(trusting(pki), HOST)).ask()).status == 200
        assert "certificate bad can't be used" in (gate.home.logs / "gateway.log").read_text()


async def test_plain_http_to_the_https_port_is_ended_and_others_are_served(tmp_path, pki):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("a", certificate(pki, "a", HOST))
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.https_port)
        writer.write(request())
        async with asyncio.timeout(20):
            try:
                assert not (await reader.read()).startswith(b"HTTP/1.1 200")
            except ConnectionError:
                pass
        writer.close()
        assert pod.got == []
        assert (await (await gate.https_client(trusting(pki), HOST)).ask()).status == 200


async def test_a_route_that_wants_https_sends_plain_requests_there(tmp_path, pki):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod), routes=[route(redirect_https=True)])
        await control.show("a", certificate(pki, "a", HOST))
        answer = await gate.ask("POST", "/p?q=1", body=b"x", host=f"{HOST}:{gate.port}")
        assert answer.status == 308
        assert answer.header("location") == f"https://{HOST}:{gate.https_port}/p?q=1"
        assert json.loads(answer.body)["error"]["reason"] == "https-only"
        proxied = await gate.ask(extra="X-Forwarded-Proto: https\r\n")
        assert proxied.status == 200, "a proxy on this machine has done TLS already"
        wire = await gate.https_client(trusting(pki), HOST)
        assert (await wire.ask()).status == 200
        await control.show("a", None)
        assert (await gate.ask()).status == 200, "without a certificate there is nowhere to send it"


async def test_a_client_that_never_says_hello_delays_nobody(tmp_path, pki):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("a", certificate(pki, "a", HOST))
        silent = [await asyncio.open_connection("127.0.0.1", gate.https_port) for _ in range(50)]
        assert (await (await gate.https_client(trusting(pki), HOST)).ask()).status == 200
        for _, writer in silent:
            writer.close()


async def test_http2_is_chosen_by_who_offers_it(tmp_path, pki):
    async with gateway(tmp_path) as gate, replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("a", certificate(pki, "a", HOST))
        context = trusting(pki)
        context.set_alpn_protocols(["h2", "http/1.1"])
        wire = await gate.https_client(context, HOST)
        assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        await wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        async with asyncio.timeout(20):
            frame = await wire.reader.readexactly(9)
        assert frame[3] == 4, "it greets with its settings"
