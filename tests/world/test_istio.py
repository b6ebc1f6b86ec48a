"""VirtualServices on the whole control plane: subsets of pods, and documents that come late or go."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.apps import Deployment
from tidegate.model.conditions import find
from tidegate.model.core import Event, Service
from tidegate.model.istio import DestinationRule, Gateway, VirtualService
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime
HOST = "web.default"


def named(name: str, type_: Any, **spec: Any) -> Any:
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
    return read(document, type_)[0]


def deployment(version: str, replicas: int) -> Deployment:
    labels = {"app": "web", "version": version}
    container = {"name": "c", "image": "python:3", "ports": [{"containerPort": 8080}]}
    return named(
        f"web-{version}",
        Deployment,
        replicas=replicas,
        selector={"matchLabels": labels},
        template={"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    )


def service() -> Service:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return named("web", Service, selector={"app": "web"}, ports=ports)


def virtual_service(**weights: int) -> VirtualService:
    route = [
        {"destination": {"host": "web", "subset": subset}, "weight": weight}
        for subset, weight in weights.items()
    ]
    return named("web", VirtualService, hosts=["web"], http=[{"route": route}])


def rule(*versions: str) -> DestinationRule:
    subsets = [{"name": version, "labels": {"version": version}} for version in versions]
    return named("web", DestinationRule, host="web", subsets=subsets)


def shares(it: World) -> dict[str, int]:
    """Of the first route that has the host, as the gateway orders them."""
    having = sorted((r for r in it.gateway.routes.values() if HOST in r.hosts), key=lambda r: r.key)
    first = having[0]
    splits = [s for branch in first.branches for s in branch.splits] or first.splits
    return {split.revision: split.percent for split in splits}


def pods_of(it: World, lane: str) -> int:
    return sum(not e.draining for e in it.gateway.revisions[lane].endpoints)


def told(it: World) -> list[str | None]:
    events = it.api.list(Event)
    return [e.reason for e in events if e.involved_object.kind == "VirtualService"]


async def test_weights_lead_to_subsets_that_hold_their_own_pods_alone():
    async with world() as it:
        await it.given(service(), deployment("v1", 3), deployment("v2", 1), rule("v1", "v2"))
        assert shares(it) == {"svc:default/web:80": 100}
        await it.given(virtual_service(v1=90, v2=10))
        v1, v2 = "svc:default/web:80@v1", "svc:default/web:80@v2"
        assert shares(it) == {v1: 90, v2: 10}
        assert (pods_of(it, v1), pods_of(it, v2), pods_of(it, "svc:default/web:80")) == (3, 1, 4)
        await it.given(deployment("v2", 2), virtual_service(v1=50, v2=50))
        assert (shares(it), pods_of(it, v2)) == ({v1: 50, v2: 50}, 2)
        await it.api.delete(VirtualService, "default", "web")
        await it.settle()
        assert shares(it) == {"svc:default/web:80": 100}


async def test_what_a_virtual_service_lacks_is_told_until_it_comes():
    async with world() as it:
        await it.given(virtual_service(v1=1))
        assert told(it) == ["ServiceNotFound"]
        await it.given(service())
        assert told(it) == ["ServiceNotFound", "SubsetNotFound"]
        said = find(it.the(VirtualService, "web").status.conditions, "Reconciled")
        assert (said.status, said.reason) == ("False", "SubsetNotFound")
        await it.given(rule("v1"))
        said = find(it.the(VirtualService, "web").status.conditions, "Reconciled")
        assert (said.status, said.reason) == ("True", None)
        assert shares(it) == {"svc:default/web:80@v1": 1}


async def test_what_is_applied_and_deleted_together_leaves_no_warning():
    async with world() as it:
        await it.api.create(virtual_service(v1=1))
        await it.api.create(service())
        await it.api.create(rule("v1"))
        await it.settle(5)
        await it.api.delete(Service, "default", "web")
        await it.api.delete(DestinationRule, "default", "web")
        await it.api.delete(VirtualService, "default", "web")
        await it.settle(5)
        assert told(it) == []


async def test_a_host_goes_to_the_next_when_the_one_that_has_it_is_deleted():
    async with world() as it:
        await it.given(service(), rule("v1", "v2"), virtual_service(v1=1))
        later = named(
            "later",
            VirtualService,
            hosts=["web.default.svc.cluster.local"],
            http=[{"route": [{"destination": {"host": "web", "subset": "v2"}}]}],
        )
        await it.settle(5)
        await it.given(later)
        assert shares(it) == {"svc:default/web:80@v1": 1}
        await it.api.delete(VirtualService, "default", "web")
        await it.settle()
        assert shares(it) == {"svc:default/web:80@v2": 1}


async def test_two_of_a_gateway_s_host_are_served_together_until_one_leaves():
    def of(name: str, prefix: str, *hosts: str) -> VirtualService:
        http = [
            {"match": [{"uri": {"prefix": prefix}}], "route": [{"destination": {"host": "web"}}]}
        ]
        return named(name, VirtualService, hosts=list(hosts), gateways=["g"], http=http)

    def prefixes(it: World, host: str) -> list[str]:
        (route,) = (r for r in it.gateway.routes.values() if host in r.hosts)
        return [check.value for branch in route.branches for check in branch.checks]

    async with world() as it:
        port = {"number": 80, "name": "http", "protocol": "HTTP"}
        await it.given(
            service(), named("g", Gateway, servers=[{"port": port, "hosts": ["*"]}]), rule("v1")
        )
        await it.given(of("one", "/1", "shop.example"))
        await it.settle(5)
        await it.given(of("two", "/2", "shop.example"))
        assert prefixes(it, "shop.example") == ["/1", "/2"]
        await it.given(of("two", "/2", "other.example"))
        assert prefixes(it, "shop.example") == ["/1"]
        assert prefixes(it, "other.example") == ["/2"]
        await it.given(of("two", "/2", "shop.example"))
        await it.api.delete(VirtualService, "default", "one")
        await it.settle()
        assert prefixes(it, "shop.example") == ["/2"]


async def test_a_subset_that_goes_drains_its_pods_as_they_live_on():
    async with world() as it:
        await it.given(service(), deployment("v1", 1), rule("v1"))
        assert pods_of(it, "svc:default/web:80@v1") == 1
        await it.api.delete(DestinationRule, "default", "web")
        await it.settle()
        assert "svc:default/web:80@v1" not in it.gateway.revisions
        assert pods_of(it, "svc:default/web:80") == 1


async def test_a_restarted_control_plane_programs_the_same():
    async with world() as it:
        await it.given(service(), deployment("v1", 1), rule("v1"), virtual_service(v1=1))
        routes, lanes = dict(it.gateway.routes), set(it.gateway.revisions)
        await it.kill_plane()
        await it.start_plane()
        await it.settle()
        assert (it.gateway.routes, set(it.gateway.revisions)) == (routes, lanes)
