"""The Services that scripts ask for the ingress' address."""

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.ingress.balancers import (
    BALANCERS,
    BalancersController,
    GatewayAddress,
    balancer,
)
from tidegate.model.core import (
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)
from tidegate.model.meta import Key, ObjectMeta
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

NGINX = Key("kube-system", "nginx-ingress-lb")


@pytest.fixture
async def api() -> LocalApi:
    api = make_api(LoopClock(), Admission(lambda name: {}))
    await ensure_namespaces(api)
    return api


async def reconcile(
    api: LocalApi, *, host: str = "127.0.0.1", port: int = 8080, https_port: int | None = None
) -> None:
    controller = BalancersController(api, GatewayAddress(host, port, https_port))
    for key in BALANCERS:
        await controller.reconcile(key)


def ip(api: LocalApi, key: Key) -> str:
    found = api.get(Service, *key)
    assert found is not None
    return found.status["loadBalancer"]["ingress"][0]["ip"]


def ports(api: LocalApi, key: Key) -> list[int]:
    found = api.get(Service, *key)
    assert found is not None
    return [port.port for port in found.spec.ports]


async def test_the_ingress_of_a_cluster_is_the_gateway_here(api):
    await reconcile(api)
    assert (ip(api, NGINX), ports(api, NGINX)) == ("127.0.0.1", [8080])
    assert ip(api, Key("knative-serving", "kourier")) == "127.0.0.1"


async def test_a_gateway_on_all_addresses_is_reached_over_loopback(api):
    await reconcile(api, host="0.0.0.0")
    assert ip(api, NGINX) == "127.0.0.1"


async def test_looking_again_writes_nothing(api):
    await reconcile(api)
    before = api.version
    await reconcile(api)
    assert api.version == before


async def test_another_port_after_a_restart_is_told(api):
    await reconcile(api, port=8080)
    await reconcile(api, port=80)
    assert ports(api, NGINX) == [80]


async def test_https_has_a_port_beside_where_it_is_offered(api):
    await reconcile(api, port=80)
    await reconcile(api, port=80, https_port=443)
    assert ports(api, NGINX) == [80, 443]
    found = api.get(Service, *NGINX)
    assert [port.name for port in found.spec.ports] == ["http", "https"]


async def test_only_namespaces_that_exist_get_one(api):
    await reconcile(api)
    assert {s.metadata.namespace for s in api.list(Service)} == {"kube-system", "knative-serving"}
    await ensure_namespaces(api, ["istio-system"])
    await reconcile(api)
    assert ip(api, Key("istio-system", "istio-ingressgateway")) == "127.0.0.1"


async def test_a_service_that_a_user_wrote_keeps_its_spec_and_gets_the_address(api):
    spec = ServiceSpec(type="LoadBalancer", ports=(ServicePort(port=80, name="http"),))
    await api.create(
        Service(metadata=ObjectMeta(name=NGINX.name, namespace=NGINX.namespace), spec=spec)
    )
    await reconcile(api)
    assert (ip(api, NGINX), ports(api, NGINX)) == ("127.0.0.1", [80])


async def test_a_service_of_another_type_is_left_alone(api):
    spec = ServiceSpec(type="ClusterIP", ports=(ServicePort(port=80),))
    mine = await api.create(
        Service(metadata=ObjectMeta(name=NGINX.name, namespace=NGINX.namespace), spec=spec)
    )
    await reconcile(api)
    assert api.get(Service, *NGINX) == mine


def test_it_looks_again_when_its_namespace_comes_or_its_service_changes():
    keys = [
        watch.keys(obj)
        for watch, obj in zip(
            BalancersController(None, GatewayAddress("127.0.0.1", 1)).watches,
            (
                Namespace(metadata=ObjectMeta(name="kube-system")),
                balancer(NGINX, GatewayAddress("127.0.0.1", 1)),
            ),
            strict=True,
        )
    ]
    assert [list(found) for found in keys] == [[NGINX], [NGINX]]
