"""Hosts of one's own: who has a domain, where it leads, and what happens when that changes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.apiserver.local import ensure_namespaces
from tidegate.model.conditions import find
from tidegate.model.core import Service as CoreService
from tidegate.model.core import ServicePort, ServiceSpec
from tidegate.model.domains import (
    ClusterDomainClaim,
    ClusterDomainClaimSpec,
    DomainMapping,
    DomainMappingSpec,
    KReference,
)
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.serving import Service, TrafficTarget
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

HOST = "models.example.com"


def mapping(
    to: str = "hello",
    *,
    name: str = HOST,
    namespace: str = "default",
    kind: str = "Service",
    version: str = "serving.knative.dev/v1",
) -> DomainMapping:
    return DomainMapping(
        metadata=ObjectMeta(name=name, namespace=namespace),
        spec=DomainMappingSpec(ref=KReference(api_version=version, kind=kind, name=to)),
    )


def said(it: World, type_: str = "Ready", *, namespace: str = "default") -> Condition:
    status = it.the(DomainMapping, HOST, namespace).status
    assert status is not None
    found = find(status.conditions, type_)
    assert found is not None
    return found


async def test_a_mapped_host_gets_the_shares_of_the_service_and_follows_them():
    async with world() as it:
        await it.given(service("hello", image="greeter:1"), mapping())
        assert said(it).status == "True"
        status = it.the(DomainMapping, HOST).status
        assert status is not None
        assert status.url == f"http://{HOST}"
        assert it.gateway.serving(HOST) == {"hello-00001": 100}

        split = (
            TrafficTarget(revision_name="hello-00001", percent=90),
            TrafficTarget(latest_revision=True, percent=10),
        )
        await it.given(service("hello", image="greeter:2", traffic=split))
        await it.settle(5)
        assert it.gateway.serving(HOST) == {"hello-00001": 90, "hello-00002": 10}


async def test_a_private_service_can_be_shown_under_a_host_of_its_own():
    async with world() as it:
        hidden = service("hello")
        hidden.metadata.labels["networking.knative.dev/visibility"] = "cluster-local"
        await it.given(hidden, mapping())
        assert it.gateway.serving(HOST) == {"hello-00001": 100}
        assert it.traffic("hello") == {}


async def test_a_domain_mapped_twice_stays_with_the_first_until_that_one_goes():
    async with world() as it:
        await ensure_namespaces(it.api, ["other"])
        theirs = replace(service("hello"), metadata=ObjectMeta(name="hello", namespace="other"))
        await it.given(service("hello"), theirs, mapping(), mapping(namespace="other"))
        claimed = said(it, "DomainClaimed", namespace="other")
        assert (claimed.status, claimed.reason) == ("False", "DomainAlreadyClaimed")
        assert claimed.message == "The domain name is already in use by another DomainMapping"
        assert said(it, namespace="other").status == "False"
        assert said(it).status == "True"

        await it.api.delete(DomainMapping, "default", HOST)
        await it.settle()
        assert said(it, namespace="other").status == "True"
        (route,) = [r for r in it.gateway.routes.values() if HOST in r.hosts]
        assert route.splits[0].revision == "other/hello-00001"


async def test_the_host_of_a_route_is_no_free_domain():
    async with world() as it:
        await it.given(config_map("config-domain", {"example.com": ""}))
        await it.given(service("hello", image="greeter:1"))
        taken = mapping(name="hello.default.example.com")
        await it.given(service("other"), replace(taken, spec=mapping("other").spec))
        status = it.the(DomainMapping, "hello.default.example.com").status
        assert status is not None
        claimed = find(status.conditions, "DomainClaimed")
        assert claimed is not None
        assert claimed.reason == "DomainAlreadyClaimed"
        assert claimed.message == "The domain name is already a host of Route default/hello"
        assert it.gateway.serving("hello.default.example.com") == {"hello-00001": 100}

        await it.api.delete(Service, "default", "hello")
        await it.settle(10)
        assert it.gateway.serving("hello.default.example.com") == {"other-00001": 100}


async def test_without_automatic_claims_somebody_has_to_write_one():
    async with world() as it:
        off = {"autocreate-cluster-domain-claims": "false"}
        await it.given(config_map("config-network", off), service("hello"), mapping())
        claimed = said(it, "DomainClaimed")
        assert claimed.reason == "DomainAlreadyClaimed"
        assert f'no ClusterDomainClaim found for domain "{HOST}"' in (claimed.message or "")
        assert it.gateway.serving(HOST) == {}

        claim = ClusterDomainClaim(
            metadata=ObjectMeta(name=HOST), spec=ClusterDomainClaimSpec(namespace="default")
        )
        await it.given(claim)
        assert said(it).status == "True"
        await it.api.delete(DomainMapping, "default", HOST)
        await it.settle()
        assert it.names(ClusterDomainClaim) == [HOST], "what somebody wrote is theirs"


async def test_a_mapping_that_goes_takes_its_claim_and_its_host_along():
    async with world() as it:
        await it.given(service("hello"), mapping())
        assert it.names(ClusterDomainClaim) == [HOST]
        await it.api.delete(DomainMapping, "default", HOST)
        await it.settle()
        assert it.names(ClusterDomainClaim) == []
        assert it.gateway.serving(HOST) == {}


@pytest.mark.parametrize(
    ("to", "why"),
    [
        (
            mapping("nobody"),
            'failed to get object default/nobody: services.serving.knative.dev "nobody" not found',
        ),
        (
            mapping("nobody", version="v1"),
            'failed to get object default/nobody: services "nobody" not found',
        ),
        (
            mapping("hello", kind="Broker", version="eventing.knative.dev/v1"),
            "eventing.knative.dev/v1, Kind=Broker has no address here: refer to a Service or Route "
            "of serving.knative.dev, or to a v1 Service",
        ),
    ],
    ids=["no Service", "no core Service", "no address"],
)
async def test_a_reference_that_leads_nowhere_says_so(to, why):
    async with world() as it:
        await it.given(service("hello"), to)
        found = said(it, "ReferenceResolved")
        assert (found.status, found.reason, found.message) == ("False", "ResolveFailed", why)
        assert it.gateway.serving(HOST) == {}


async def test_a_mapping_made_before_its_service_becomes_ready_with_it():
    async with world() as it:
        await it.given(mapping())
        assert said(it).reason == "ResolveFailed"
        await it.given(service("hello"))
        assert said(it).status == "True"


async def test_a_core_service_can_be_mapped_too():
    async with world() as it:
        plain = CoreService(
            metadata=ObjectMeta(name="web", namespace="default"),
            spec=ServiceSpec(selector={"app": "web"}, ports=(ServicePort(port=80),)),
        )
        await it.given(plain, mapping("web", version="v1"))
        assert said(it).status == "True"
        (route,) = [r for r in it.gateway.routes.values() if HOST in r.hosts]
        assert [s.revision for s in route.splits] == ["svc:default/web:80"]


async def test_a_service_that_goes_leaves_its_mapping_unresolved():
    async with world() as it:
        await it.given(service("hello"), mapping())
        await it.api.delete(Service, "default", "hello")
        await it.settle(10)
        assert said(it).status == "False"
        assert said(it, "ReferenceResolved").reason == "ResolveFailed"
