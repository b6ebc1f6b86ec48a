"""What autoscalers are told, asked for by people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.exchange import Ask, Reply, as_status, parse_query
from tidegate.apiserver.local import ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.autoscale.hpa.asked import Found
from tidegate.model.containers import Container
from tidegate.model.errors import ApiError
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.scaling.hpa import ExternalReading, ObjectReading, PodsReading, PodValue, ReadFailed
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

CUSTOM = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/default"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default"


class Figures:
    """Every pod has 1.5 of `depth`, every Service 2k of `hits`, and outside there are two lags."""

    async def of_pods(
        self, metric: str, labels: Mapping[str, str], *, namespace: str, pods: Sequence[Pod]
    ) -> Found:
        if metric != "depth":
            return Found(metric, ReadFailed(f"the server could not find the metric {metric}"))
        items = tuple(PodValue(pod.metadata.name, 1500, 0.0, 30.0) for pod in pods)
        return Found(metric, PodsReading(items))

    async def of_object(
        self, metric: str, labels: Mapping[str, str], *, kind: str, name: str, namespace: str
    ) -> Found:
        return Found(metric, ObjectReading(2_000_000))

    async def external(self, metric: str, labels: Mapping[str, str], *, namespace: str) -> Found:
        return Found(metric, ExternalReading((7000, 250)))


class Server:
    def __init__(self) -> None:
        clock = LoopClock()
        self.local = make_api(clock, Admission(lambda name: {}))
        self.api = Api(self.local.writes, clock, metrics=Figures())

    async def ask(self, url: str, method: str = "GET") -> tuple[int, Any]:
        path, _, query = url.partition("?")
        try:
            answer = await self.api.handle(Ask(method, path, parse_query(query)))
        except ApiError as why:
            answer = as_status(why)
        assert isinstance(answer, Reply)
        return answer.code, json.loads(answer.body)


@pytest.fixture
async def server() -> Server:
    server = Server()
    await ensure_namespaces(server.local)
    for name, app in (("a", "web"), ("b", "web"), ("c", "other")):
        meta = ObjectMeta(name=name, namespace="default", labels={"app": app})
        spec = PodSpec(containers=(Container(name="main", image="x:1"),))
        await server.local.create(Pod(metadata=meta, spec=spec))
    return server


async def test_pods_are_chosen_by_label_or_by_name(server):
    _, chosen = await server.ask(f"{CUSTOM}/pods/*/depth?labelSelector=app=web")
    _, one = await server.ask(f"{CUSTOM}/pods/c/depth")
    assert [(i["describedObject"]["name"], i["value"]) for i in chosen["items"]] == [
        ("a", "1500m"),
        ("b", "1500m"),
    ]
    assert [i["describedObject"]["name"] for i in one["items"]] == ["c"]


async def test_both_versions_name_the_metric_in_their_own_way(server):
    newer = CUSTOM.replace("v1beta1", "v1beta2")
    _, old = await server.ask(f"{CUSTOM}/services/web/hits")
    _, new = await server.ask(f"{newer}/services/web/hits")
    assert (old["items"][0]["metricName"], old["items"][0]["value"]) == ("hits", "2k")
    assert new["items"][0]["metric"] == {"name": "hits"}


async def test_an_external_metric_may_have_several_values(server):
    _, found = await server.ask(f"{EXTERNAL}/lag?labelSelector=topic=a")
    assert [(i["value"], i["metricLabels"]) for i in found["items"]] == [
        ("7", {"topic": "a"}),
        ("250m", {"topic": "a"}),
    ]


@pytest.mark.parametrize(
    ("url", "method", "code", "words"),
    [
        (f"{CUSTOM}/pods/*/lag", "GET", 404, "could not find the metric lag"),
        (f"{CUSTOM}/pods/nobody/depth", "GET", 404, 'pods "nobody" not found'),
        (f"{CUSTOM}/things/x/depth", "GET", 404, "could not find the requested resource"),
        (f"{CUSTOM}/pods/*/depth", "POST", 405, "can only be read"),
        (f"{EXTERNAL}/lag?labelSelector=a!=b", "GET", 400, "can only say key=value"),
    ],
)
async def test_what_cannot_be_answered_says_why(server, url, method, code, words):
    got, body = await server.ask(url, method)
    assert got == code
    assert words in body["message"]


async def test_the_groups_are_there_to_be_discovered(server):
    code, listed = await server.ask("/apis/custom.metrics.k8s.io/v1beta1")
    assert (code, listed["groupVersion"]) == (200, "custom.metrics.k8s.io/v1beta1")
