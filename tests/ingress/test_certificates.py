"""The gateway is given the certificates that hosts want shown."""

import base64
import time

import msgspec
import pytest

from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.pki import open_pki
from tidegate.ingress.certificates import certificates_controllers, default_certificate
from tidegate.ingress.table import GatewayTable
from tidegate.ingress.tls_wants import Want, of_ingress, of_mapping, of_route
from tidegate.model import networking
from tidegate.model.core import Event, Secret
from tidegate.model.domains import DomainMapping, DomainMappingSpec, SecretTls
from tidegate.model.ingresses import Ingress, IngressRule, IngressSpec, IngressTLS
from tidegate.model.meta import Key, ObjectMeta
from tidegate.reconcile import Again, Done
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

MADE = ("made chain", "made key")


def ingress(*tls: IngressTLS) -> Ingress:
    rules = (IngressRule(host="a.example"), IngressRule(host="b.example"), IngressRule())
    return Ingress(
        metadata=ObjectMeta(name="shop", namespace="default"),
        spec=IngressSpec(rules=rules, tls=tls),
    )


def route(annotation: str | None = None) -> networking.Ingress:
    rules = (
        networking.IngressRule(hosts=("hello.default.localhost", "hello.default.svc")),
        networking.IngressRule(hosts=("inside",), visibility=networking.CLUSTER_LOCAL),
    )
    return networking.Ingress(
        metadata=ObjectMeta(
            name="hello",
            namespace="default",
            annotations={} if annotation is None else {"tidegate.dev/tls": annotation},
        ),
        spec=networking.IngressSpec(rules=rules),
    )


# --- what is wanted


def test_an_ingress_wants_the_secrets_that_it_names_for_their_hosts():
    wanted = of_ingress(
        ingress(
            IngressTLS(hosts=("a.example",), secret_name="one"),
            IngressTLS(secret_name="all"),
            IngressTLS(hosts=("b.example",)),
        )
    )
    assert wanted == (
        Want(("a.example",), "one"),
        Want(("a.example", "b.example"), "all"),
        Want(("b.example",)),
    )


@pytest.mark.parametrize(
    ("annotation", "secret"),
    [("true", None), ("generated", None), ("TRUE", None), ("my-secret", "my-secret")],
)
def test_a_route_wants_one_for_its_hosts_that_are_seen_from_outside(annotation, secret):
    assert of_route(route(annotation)) == (
        Want(("hello.default.localhost", "hello.default.svc"), secret),
    )


@pytest.mark.parametrize("annotation", [None, "", "false"])
def test_a_route_that_does_not_ask_wants_none(annotation):
    assert of_route(route(annotation)) == ()


def test_a_mapping_wants_one_for_its_name():
    meta = ObjectMeta(name="shop.example", namespace="default")
    spec = DomainMappingSpec(tls=SecretTls(secret_name="mine"))
    assert of_mapping(DomainMapping(metadata=meta, spec=spec)) == (Want(("shop.example",), "mine"),)
    asks = msgspec.structs.replace(meta, annotations={"tidegate.dev/tls": "true"})
    assert of_mapping(DomainMapping(metadata=asks)) == (Want(("shop.example",)),)


# --- what the gateway is given


class World:
    """The controllers over a true API and a table nobody listens to."""

    def __init__(self) -> None:
        self.api: LocalApi = make_api(LoopClock())
        self.table = GatewayTable(send=lambda message: None)
        self.issued: list[tuple[str, ...]] = []
        self.controllers = certificates_controllers(self.api, LoopClock(), self.table, self._issue)

    def _issue(self, hosts):
        self.issued.append(tuple(hosts))
        return MADE

    async def look(self, name: str = "shop") -> list[Done | Again]:
        return [await one.reconcile(Key("default", name)) for one in self.controllers]

    def shown(self) -> dict[str, tuple[tuple[str, ...], str]]:
        return {c.key: (c.hosts, c.chain) for c in self.table.certificates.values()}

    def told(self) -> list[str]:
        return [event.reason for event in self.api.list(Event)]


@pytest.fixture
async def world() -> World:
    made = World()
    await ensure_namespaces(made.api)
    return made


def pem(tmp_path, host: str) -> tuple[bytes, bytes]:
    return open_pki(tmp_path / "pki", time.time()).issue([host], time.time(), called=host)


def secret(name: str, chain: bytes, key: bytes) -> Secret:
    data = {"tls.crt": chain, "tls.key": key}
    return Secret(
        metadata=ObjectMeta(name=name, namespace="default"),
        data={field: base64.b64encode(value).decode() for field, value in data.items()},
        type="kubernetes.io/tls",
    )


async def test_a_secret_is_shown_for_the_hosts_that_name_it(world, tmp_path):
    chain, key = pem(tmp_path, "a.example")
    await world.api.create(secret("one", chain, key))
    await world.api.create(ingress(IngressTLS(hosts=("a.example",), secret_name="one")))
    await world.look()
    assert world.shown() == {"ingress:default/shop#0": (("a.example",), chain.decode())}
    assert world.issued == []


async def test_one_is_made_for_who_names_no_secret_and_looked_at_again(world):
    await world.api.create(ingress(IngressTLS(hosts=("b.example",))))
    looks = await world.look()
    assert world.shown() == {"ingress:default/shop#0": (("b.example",), "made chain")}
    assert [type(look) for look in looks] == [Again, Done, Done]


async def test_a_secret_that_comes_later_is_found_by_who_waits_for_it(world, tmp_path):
    await world.api.create(ingress(IngressTLS(hosts=("a.example",), secret_name="late")))
    await world.look()
    await world.look()
    assert world.shown() == {}
    assert world.told() == ["SecretNotFound"]
    late = secret("late", *pem(tmp_path, "a.example"))
    [_, of_secret] = world.controllers[0].watches
    assert list(of_secret.keys(late)) == [Key("default", "shop")]
    await world.api.create(late)
    await world.look()
    assert list(world.shown()) == ["ingress:default/shop#0"]


async def test_a_secret_that_makes_no_sense_is_told_and_not_shown(world, tmp_path):
    chain, _ = pem(tmp_path, "a.example")
    _, key = pem(tmp_path, "other.example")
    empty = Secret(metadata=ObjectMeta(name="empty", namespace="default"))
    for bad in (secret("mixed", chain, key), secret("nonsense", b"x", b"y"), empty):
        await world.api.create(bad)
    tls = [IngressTLS(secret_name=name) for name in ("mixed", "nonsense", "empty")]
    await world.api.create(ingress(*tls))
    await world.look()
    assert world.shown() == {}
    assert world.told() == ["BadCertificate"] * 3
    texts = " ".join(event.message or "" for event in world.api.list(Event))
    assert "tls.key is not the key" in texts
    assert "kubectl create secret tls makes one" in texts


async def test_what_is_not_wanted_any_more_is_taken_back(world):
    made = await world.api.create(ingress(IngressTLS(), IngressTLS()))
    await world.look()
    assert len(world.shown()) == 2
    fewer = msgspec.structs.replace(made.spec, tls=(IngressTLS(),))
    made = await world.api.update(msgspec.structs.replace(made, spec=fewer))
    await world.look()
    assert len(world.shown()) == 1
    await world.api.delete(Ingress, "default", "shop")
    await world.look()
    assert world.shown() == {}


async def test_routes_and_ingresses_of_one_name_keep_their_own(world):
    await world.api.create(ingress(IngressTLS()))
    await world.api.create(
        msgspec.structs.replace(
            route("true"), metadata=msgspec.structs.replace(route("true").metadata, name="shop")
        )
    )
    await world.look()
    assert sorted(world.shown()) == ["ingress:default/shop#0", "route:default/shop#0"]


def test_everybody_else_sees_the_certificate_of_this_machine():
    for address in (None, "127.0.0.1", "127.0.0.80"):
        seen = default_certificate(lambda hosts: (",".join(hosts), "key"), address=address)
        assert seen.hosts == ("",)
        names = seen.chain.split(",")
        assert {"localhost", "127.0.0.1", address or "::1"} <= set(names)
        assert len(set(names)) == len(names)
