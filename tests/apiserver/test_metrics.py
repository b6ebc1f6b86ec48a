"""`metrics.k8s.io` without a node: what is measured is made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.exchange import Ask, Reply, as_status, parse_query
from tidegate.apiserver.local import ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.model.containers import Container
from tidegate.model.core import Node
from tidegate.model.errors import ApiError
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.usage import Measurement, Usage
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

ROOT = "/apis/metrics.k8s.io/v1beta1"


class Measured:
    """A source that knows what the test says."""

    def __init__(self) -> None:
        self.containers: Mapping[tuple[str, str], Usage] = {}

    async def measure(self) -> Measurement:
        node = Usage(1_500_000_000, 8 << 30)
        return Measurement(1_800_000_000.0, 1.25, "here", node, self.containers)


class World:
    def __init__(self) -> None:
        clock = LoopClock()
        self.local = make_api(clock, Admission(lambda name: {}))
        self.source = Measured()
        self.api = Api(self.local.writes, clock, usage=self.source)

    async def pod(self, name: str, *containers: str, app: str = "x") -> str:
        meta = ObjectMeta(name=name, namespace="default", labels={"app": app})
        spec = PodSpec(containers=tuple(Container(name=c, image="x:1") for c in containers))
        return (await self.local.create(Pod(metadata=meta, spec=spec))).metadata.uid or ""

    async def ask(self, url: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
        path, _, query = url.partition("?")
        try:
            reply = await self.api.handle(Ask(method, path, parse_query(query), headers))
        except ApiError as why:
            reply = as_status(why)
        assert isinstance(reply, Reply)
        return reply.code, json.loads(reply.body)


@pytest.fixture
async def world() -> World:
    world = World()
    await ensure_namespaces(world.local)
    return world


async def test_a_pods_containers_are_listed_with_what_they_used(world):
    uid = await world.pod("p", "main", "side")
    world.source.containers = {
        (uid, "main"): Usage(123_456_789, 64 << 20),
        (uid, "side"): Usage(0, 1024),
    }
    code, found = await world.ask(f"{ROOT}/namespaces/default/pods")
    assert (code, found["kind"]) == (200, "PodMetricsList")
    (pod,) = found["items"]
    assert (pod["metadata"]["name"], pod["window"]) == ("p", "1.250s")
    assert pod["timestamp"] == "2027-01-15T08:00:00Z"
    assert pod["containers"] == [
        {"name": "main", "usage": {"cpu": "123456789n", "memory": "65536Ki"}},
        {"name": "side", "usage": {"cpu": "0n", "memory": "1Ki"}},
    ]


async def test_a_pod_that_runs_nothing_is_left_out_and_a_single_one_is_not_found(world):
    await world.pod("idle", "main")
    assert (await world.ask(f"{ROOT}/pods"))[1]["items"] == []
    code, status = await world.ask(f"{ROOT}/namespaces/default/pods/idle")
    assert (code, status["message"]) == (404, 'pods.metrics.k8s.io "idle" not found')


async def test_selectors_choose_among_the_pods(world):
    one, other = await world.pod("a", "main", app="one"), await world.pod("b", "main", app="two")
    world.source.containers = {(uid, "main"): Usage(1, 1) for uid in (one, other)}
    found = (await world.ask(f"{ROOT}/pods?labelSelector=app%3Dtwo"))[1]
    assert [item["metadata"]["name"] for item in found["items"]] == ["b"]


async def test_the_measured_node_is_listed(world):
    await world.local.create(Node(metadata=ObjectMeta(name="here")))
    await world.local.create(Node(metadata=ObjectMeta(name="elsewhere")))
    (node,) = (await world.ask(f"{ROOT}/nodes"))[1]["items"]
    assert node["metadata"]["name"] == "here"
    assert node["usage"] == {"cpu": "1500000000n", "memory": "8388608Ki"}


async def test_measurements_can_only_be_read(world):
    assert (await world.ask(f"{ROOT}/pods", "DELETE"))[0] == 405
    assert (await world.ask(f"{ROOT}/things"))[0] == 404


async def test_discovery_tells_of_the_group(world):
    groups = (await world.ask("/apis"))[1]["groups"]
    assert "metrics.k8s.io/v1beta1" in [g["preferredVersion"]["groupVersion"] for g in groups]
    listed = (await world.ask(ROOT))[1]["resources"]
    assert [r["name"] for r in listed] == ["nodes", "pods"]
    wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    items = (await world.ask("/apis", accept=wanted))[1]["items"]
    assert items[-1]["metadata"]["name"] == "metrics.k8s.io"
