"""One kind in several versions: every verb of each, over one stored object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.exchange import Ask, Reply, as_status, parse_query
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.model.errors import ApiError
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

V1, V2, BETA2 = (
    f"/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers"
    for version in ("v1", "v2", "v2beta2")
)
OLD = (
    "autoscaling/v2beta2 HorizontalPodAutoscaler is deprecated in v1.23+, unavailable in v1.26+; "
    "use autoscaling/v2 HorizontalPodAutoscaler"
)


class Server:
    def __init__(self) -> None:
        clock = LoopClock()
        self.local: LocalApi = make_api(clock, Admission(lambda name: {}))
        self.api = Api(self.local.writes, clock)

    async def ask(
        self, method: str, url: str, body: Any = None, media: str = ""
    ) -> tuple[Any, Reply]:
        path, _, query = url.partition("?")
        raw = json.dumps(body).encode() if body else b""
        headers = {"content-type": media or "application/json"}
        try:
            answer = await self.api.handle(Ask(method, path, parse_query(query), headers, raw))
        except ApiError as why:
            answer = as_status(why)
        assert isinstance(answer, Reply)
        return json.loads(answer.body), answer


@pytest.fixture
async def server() -> Server:
    server = Server()
    await ensure_namespaces(server.local)
    return server


def v1(**spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec},
    }


def beta2(**spec: Any) -> dict[str, Any]:
    return v1(**spec) | {"apiVersion": "autoscaling/v2beta2"}


async def test_what_is_written_in_one_version_is_read_in_the_others(server):
    made, _ = await server.ask("POST", V1, v1(targetCPUUtilizationPercentage=60))
    read, _ = await server.ask("GET", f"{V2}/web")
    assert made["apiVersion"] == "autoscaling/v1"
    assert made["spec"]["targetCPUUtilizationPercentage"] == 60
    assert read["apiVersion"] == "autoscaling/v2"
    assert read["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 60


async def test_a_patch_speaks_the_version_of_its_path(server):
    await server.ask("POST", V1, v1(targetCPUUtilizationPercentage=60))
    patch = {"spec": {"targetCPUUtilizationPercentage": 70}}
    patched, _ = await server.ask("PATCH", f"{V1}/web", patch, "application/merge-patch+json")
    assert patched["spec"]["targetCPUUtilizationPercentage"] == 70
    listed, _ = await server.ask("GET", V1)
    assert listed["apiVersion"] == "autoscaling/v1"
    assert [i["spec"]["targetCPUUtilizationPercentage"] for i in listed["items"]] == [70]


async def test_an_apply_in_an_old_version_owns_the_fields_of_the_stored_one(server):
    apply = f"{BETA2}/web?fieldManager=me"
    made, reply = await server.ask("PATCH", apply, beta2(), "application/apply-patch+yaml")
    assert (reply.code, made["apiVersion"]) == (201, "autoscaling/v2beta2")
    again, reply = await server.ask(
        "PATCH", apply, beta2(maxReplicas=5), "application/apply-patch+yaml"
    )
    assert (reply.code, again["spec"]["maxReplicas"]) == (200, 5)
    (entry,) = again["metadata"]["managedFields"]
    assert (entry["manager"], entry["apiVersion"]) == ("me", "autoscaling/v2")


async def test_a_deprecated_version_says_so_with_every_answer_and_others_do_not(server):
    _, made = await server.ask("POST", BETA2, beta2())
    _, read = await server.ask("GET", f"{BETA2}/web")
    _, plain = await server.ask("GET", f"{V1}/web")
    assert (list(made.warnings), list(read.warnings), list(plain.warnings)) == ([OLD], [OLD], [])


async def test_a_document_of_another_version_than_its_path_is_refused(server):
    refused, reply = await server.ask("POST", V1, beta2())
    assert reply.code == 400
    assert "must be of type HorizontalPodAutoscaler" in refused["message"]


async def test_a_field_that_the_version_has_not_is_named(server):
    refused, reply = await server.ask("POST", f"{V1}?fieldValidation=Strict", v1(metrics=[]))
    assert reply.code == 400
    assert 'unknown field "spec.metrics"' in refused["message"]


async def test_the_newest_version_is_the_preferred_one(server):
    group, _ = await server.ask("GET", "/apis/autoscaling")
    assert group["preferredVersion"]["version"] == "v2"
    assert [v["version"] for v in group["versions"]] == ["v2", "v1", "v2beta2", "v2beta1"]
