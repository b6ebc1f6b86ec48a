"""Ingresses on the whole control plane: what comes and goes meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.core import Event, Service
from tidegate.model.ingresses import Ingress
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime
HOST = "shop.example.com"


def service(name: str) -> Service:
    meta = {"name": name, "namespace": "default"}
    spec = {"selector": {"app": name}, "ports": [{"port": 80}]}
    return read({"metadata": meta, "spec": spec}, Service)[0]


def ingress(name: str, to: str, *, host: str = HOST, weight: int | None = None) -> Ingress:
    canary = {"canary": "true", "canary-weight": str(weight)} if weight is not None else {}
    path: dict[str, Any] = {
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": to, "port": {"number": 80}}},
    }
    document = {
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {f"nginx.ingress.kubernetes.io/{k}": v for k, v in canary.items()},
        },
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]},
    }
    return read(document, Ingress)[0]


def shares(it: World, host: str = HOST) -> dict[str, int]:
    return it.gateway.serving(host)


def told(it: World) -> list[tuple[str | None, str | None]]:
    events = [e for e in it.api.list(Event) if e.involved_object.kind == "Ingress"]
    return [(e.involved_object.name, e.reason) for e in events]


async def test_an_ingress_waits_for_its_service_and_says_so_meanwhile():
    async with world() as it:
        await it.given(ingress("shop", "v1"))
        assert shares(it) == {}
        assert told(it) == [("shop", "ServiceNotFound")]
        await it.given(service("v1"))
        assert shares(it) == {"v1:80": 100}
        await it.api.delete(Service, "default", "v1")
        await it.settle()
        assert shares(it) == {}


async def test_of_an_ingress_that_is_going_nobody_is_told_what_it_lacks():
    async with world() as it:
        shop = ingress("shop", "v1")
        held = replace(shop.metadata, finalizers=("example.com/hold",))
        await it.given(service("v1"), replace(shop, metadata=held))
        await it.api.delete(Ingress, "default", "shop")
        await it.api.delete(Service, "default", "v1")
        await it.settle()
        going = it.api.get(Ingress, "default", "shop")
        assert going is not None
        assert going.metadata.deletion_timestamp is not None
        assert told(it) == []


async def test_a_canary_comes_changes_its_weight_and_goes():
    async with world() as it:
        await it.given(service("v1"), service("v2"), ingress("new", "v2", weight=10))
        assert (shares(it), told(it)) == ({}, [("new", "CanaryWithoutMain")])
        await it.given(ingress("shop", "v1"))
        assert shares(it) == {"v1:80": 90, "v2:80": 10}
        await it.given(ingress("new", "v2", weight=50))
        assert shares(it) == {"v1:80": 50, "v2:80": 50}
        await it.api.delete(Ingress, "default", "new")
        await it.settle()
        assert shares(it) == {"v1:80": 100}


async def test_an_ingress_that_moves_to_another_host_leaves_the_first():
    async with world() as it:
        await it.given(service("v1"), ingress("shop", "v1"))
        await it.given(ingress("shop", "v1", host="other.example.com"))
        assert (shares(it), shares(it, "other.example.com")) == ({}, {"v1:80": 100})


async def test_a_restarted_control_plane_programs_the_same():
    async with world() as it:
        await it.given(service("v1"), service("v2"), ingress("shop", "v1"))
        await it.given(ingress("new", "v2", weight=10))
        routes = dict(it.gateway.routes)
        await it.kill_plane()
        await it.start_plane()
        await it.settle()
        assert it.gateway.routes == routes
