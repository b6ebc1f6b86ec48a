"""Plain Services in front of plain Deployments, on the whole control plane."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.ingress.replicas import endpoint, serving_port
from tidegate.link.gateway import Drained
from tidegate.model.apps import Deployment, DeploymentSpec
from tidegate.model.containers import Container, ContainerPort
from tidegate.model.core import Service, ServicePort, ServiceSpec
from tidegate.model.endpoints import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    EndpointSubset,
)
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import Pod, PodSpec, PodTemplateSpec
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

WEB = {"app": "web"}
LANE = "svc:default/web:80"


def deployment(name: str = "web", replicas: int = 2, image: str = "python:3") -> Deployment:
    container = Container(
        name="c", image=image, command=("sleep", "9"), ports=(ContainerPort(container_port=8080),)
    )
    return Deployment(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels={"app": name}),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels={"app": name}), spec=PodSpec(containers=(container,))
            ),
        ),
    )


def service(name: str = "web", **spec: object) -> Service:
    ports = (ServicePort(port=80, target_port=8080),)
    given = {"selector": {"app": name}, "ports": ports, **spec}
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(**given),  # type: ignore[arg-type]
    )


def places(it: World, lane: str = LANE) -> list[str]:
    """Endpoint ids that get new requests."""
    return [e.id for e in it.gateway.revisions[lane].endpoints if not e.draining]


async def test_a_service_leads_to_the_ready_pods_that_it_selects():
    async with world() as it:
        await it.given(deployment(), deployment("other"), service())
        assert len(places(it)) == 2
        assert it.gateway.serving("web.default.svc.cluster.local") == {"web:80": 100}
        routes = [r for r in it.gateway.routes.values() if "web.default" in r.hosts]
        assert [(r.path_prefix, r.splits[0].revision) for r in routes] == [("/default/web", LANE)]


async def test_a_service_that_selects_nobody_says_so():
    async with world() as it:
        await it.given(service())
        entry = it.gateway.revisions[LANE]
        assert (entry.endpoints, entry.wait_s) == ((), 0.0)
        assert entry.trouble == "no pod has the labels that Service default/web selects"


async def test_between_two_pods_of_a_deployment_requests_wait_and_at_zero_they_do_not():
    async with world(start_s=5.0) as it:
        await it.given(deployment(replicas=1), service())
        assert it.gateway.revisions[LANE].wait_s == 30.0
        await it.settle(5)
        waits: set[float | None] = set()
        stop = it.api.subscribe([Pod], lambda _: waits.add(it.gateway.revisions[LANE].wait_s))
        (pod,) = it.api.list(Pod)
        await it.api.delete(Pod, *pod.key)
        await it.settle(10)
        stop()
        assert waits == {30.0}
        await it.given(deployment(replicas=0))
        await it.settle(5)
        assert it.gateway.revisions[LANE].wait_s == 0.0


async def test_a_port_that_no_container_declares_is_named_and_nobody_waits_for_it():
    async with world() as it:
        ports = (ServicePort(port=80, target_port=9999),)
        await it.given(deployment(), service(ports=ports))
        entry = it.gateway.revisions[LANE]
        assert entry.trouble is not None
        assert "leads to port 9999, which no container of pod web-" in entry.trouble
        assert entry.wait_s == 0.0


async def test_each_further_port_has_a_host_with_that_port():
    async with world() as it:
        ports = (
            ServicePort(name="http", port=80, target_port=8080),
            ServicePort(name="metrics", port=9090, target_port="user-port"),
            ServicePort(name="dns", port=53, protocol="UDP"),
        )
        await it.given(deployment(), service(ports=ports))
        (route,) = [r for r in it.gateway.routes.values() if "web.default:9090" in r.hosts]
        assert route.path_prefix == "/default/web:9090"
        assert len(places(it, "svc:default/web:9090")) == 2
        assert "svc:default/web:53" not in it.gateway.revisions


async def test_a_pod_of_a_deployment_drains_before_it_goes():
    async with world() as it:
        await it.given(deployment(replicas=1), service())
        (pod,) = it.api.list(Pod)
        known = endpoint(pod, serving_port(pod))
        assert known is not None
        it.gateway.busy.add(known.id)
        await it.api.delete(Pod, *pod.key)
        await it.settle(5)
        assert it.the(Pod, pod.metadata.name)  # its last answer is on its way
        it.gateway.busy.clear()
        it.gateway.tell(Drained(revision=LANE, endpoint=known.id))
        await it.settle(1)
        assert it.api.get(Pod, *pod.key) is None


async def test_a_service_deleted_before_its_pods_does_not_cut_answers_short():
    async with world() as it:
        await it.given(deployment(replicas=1), service())
        (pod,) = it.api.list(Pod)
        known = endpoint(pod, serving_port(pod))
        assert known is not None
        it.gateway.busy.add(known.id)
        await it.api.delete(Service, "default", "web")
        await it.api.delete(Pod, *pod.key)
        await it.settle(1)
        assert [e.draining for e in it.gateway.revisions[LANE].endpoints] == [True]
        it.gateway.busy.clear()
        it.gateway.tell(Drained(revision=LANE, endpoint=known.id))
        await it.settle(1)
        assert LANE not in it.gateway.revisions
        assert not [r for r in it.gateway.routes.values() if "web.default" in r.hosts]


async def test_a_restarted_control_plane_waits_for_the_services_pods_too():
    async with world() as it:
        await it.given(deployment(replicas=1), service())
        (pod,) = it.api.list(Pod)
        known = endpoint(pod, serving_port(pod))
        assert known is not None
        it.gateway.busy.add(known.id)
        await it.api.delete(Pod, *pod.key)
        await it.settle(1)
        await it.kill_plane()
        await it.start_plane()
        await it.settle(2)
        assert it.the(Pod, pod.metadata.name)
        it.gateway.busy.clear()
        it.gateway.tell(Drained(revision=LANE, endpoint=known.id))
        await it.settle(1)
        assert it.api.get(Pod, *pod.key) is None


async def test_a_service_without_a_selector_goes_where_its_endpoints_say():
    async with world() as it:
        await it.given(service(selector={}))
        assert "no selector" in (it.gateway.revisions[LANE].trouble or "")
        subset = EndpointSubset(
            addresses=(EndpointAddress(ip="127.0.0.1"),), ports=(EndpointPort(port=9000),)
        )
        meta = ObjectMeta(name="web", namespace="default")
        await it.given(Endpoints(metadata=meta, subsets=(subset,)))
        assert [(e.host, e.port) for e in it.gateway.revisions[LANE].endpoints] == [
            ("127.0.0.1", 9000)
        ]


async def test_a_pod_whose_labels_change_gets_no_new_requests():
    async with world() as it:
        await it.given(deployment(replicas=1), service())
        (pod,) = it.api.list(Pod)
        assert [id_.partition("/")[0] for id_ in places(it)] == [pod.metadata.uid]
        await it.given(replace(pod, metadata=replace(pod.metadata, labels={"app": "gone"})))
        assert pod.metadata.uid not in {id_.partition("/")[0] for id_ in places(it)}


async def test_a_services_places_can_be_read_as_endpoints_and_slices():
    async with world() as it:
        await it.given(deployment(), service())
        subsets = it.the(Endpoints, "web").subsets
        ports = {e.port for e in it.gateway.revisions[LANE].endpoints}
        assert {subset.ports[0].port for subset in subsets} == ports
        assert all(subset.addresses[0].target_ref for subset in subsets)
        slices = it.api.list(EndpointSlice, labels={"kubernetes.io/service-name": "web"})
        assert {slice_.ports[0].port for slice_ in slices} == ports
        await it.given(deployment(replicas=0))
        assert it.the(Endpoints, "web").subsets == ()
        assert it.names(EndpointSlice) == []
        await it.api.delete(Service, "default", "web")
        await it.settle()
        assert it.names(Endpoints) == []
