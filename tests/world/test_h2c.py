"""Ports named h2c reach the gateway as such, from a Knative Service and from a plain one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.model import ingresses as net
from tidegate.model.containers import ContainerPort
from tidegate.model.core import Service as CoreService
from tidegate.model.core import ServicePort, ServiceSpec
from tidegate.model.meta import ObjectMeta
from tidegate.model.serving import Service
from tidegate.testing.builders import service
from tidegate.testing.world import world

pytestmark = pytest.mark.looptime


def with_port(made: Service, name: str) -> Service:
    template = made.spec.template
    container = replace(
        template.spec.containers[0], ports=(ContainerPort(container_port=8080, name=name),)
    )
    spec = replace(template.spec, containers=(container,))
    return replace(made, spec=replace(made.spec, template=replace(template, spec=spec)))


async def test_a_revision_with_a_port_named_h2c_is_spoken_to_in_http2():
    async with world() as it:
        await it.given(with_port(service("talks"), "h2c"), with_port(service("plain"), "http1"))
        assert it.gateway.revisions["default/talks-00001"].protocol == "h2c"
        assert it.gateway.revisions["default/plain-00001"].protocol == "http1"


async def test_a_plain_services_port_with_that_protocol_too():
    ports = (
        ServicePort(port=80, name="web"),
        ServicePort(port=81, name="rpc", app_protocol="kubernetes.io/h2c"),
    )
    made = CoreService(
        metadata=ObjectMeta(name="two", namespace="default"),
        spec=ServiceSpec(selector={"app": "two"}, ports=ports),
    )
    async with world() as it:
        await it.given(made)
        assert it.gateway.revisions["svc:default/two:80"].protocol == "http1"
        assert it.gateway.revisions["svc:default/two:81"].protocol == "h2c"


async def test_an_ingress_that_says_grpc_is_believed_about_the_services_behind_it():
    made = CoreService(
        metadata=ObjectMeta(name="rpc", namespace="default"),
        spec=ServiceSpec(
            selector={"app": "rpc"},
            ports=(ServicePort(port=80, name="a"), ServicePort(port=81, name="b")),
        ),
    )
    place = net.IngressServiceBackend(name="rpc", port=net.ServiceBackendPort(number=80))
    path = net.HTTPIngressPath(
        path="/", path_type="Prefix", backend=net.IngressBackend(service=place)
    )
    rule = net.IngressRule(host="rpc.example", http=net.HTTPIngressRuleValue(paths=(path,)))
    said = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
    ingress = net.Ingress(
        metadata=ObjectMeta(name="rpc", namespace="default", annotations=said),
        spec=net.IngressSpec(rules=(rule,)),
    )
    async with world() as it:
        await it.given(made)
        assert it.gateway.revisions["svc:default/rpc:80"].protocol == "http1"
        await it.given(ingress)
        assert it.gateway.revisions["svc:default/rpc:80"].protocol == "h2c"
        assert it.gateway.revisions["svc:default/rpc:81"].protocol == "http1"
        await it.api.delete(net.Ingress, "default", "rpc")
        await it.settle()
        assert it.gateway.revisions["svc:default/rpc:80"].protocol == "http1"
