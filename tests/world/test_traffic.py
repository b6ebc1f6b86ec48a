"""Where requests go: splits, pins, tags, and what stays when something can't be resolved."""

from __future__ import annotations

import pytest

from tidegate.model.serving import Revision, Route, Service, TrafficTarget
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import world

pytestmark = pytest.mark.looptime


async def test_traffic_is_split_between_a_named_revision_and_the_latest():
    async with world() as it:
        await it.given(service("hello", image="greeter:1"))
        split = (
            TrafficTarget(revision_name="hello-00001", percent=90),
            TrafficTarget(latest_revision=True, percent=10),
        )
        await it.given(service("hello", image="greeter:2", traffic=split))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 90, "hello-00002": 10}
        states = {
            name: it.the(Revision, name).metadata.labels["serving.knative.dev/routingState"]
            for name in ("hello-00001", "hello-00002")
        }
        assert set(states.values()) == {"active"}


async def test_a_tag_has_a_host_of_its_own_and_takes_no_share():
    async with world() as it:
        await it.given(service("hello", image="greeter:1"))
        tagged = (
            TrafficTarget(revision_name="hello-00001", percent=100),
            TrafficTarget(latest_revision=True, percent=0, tag="next"),
        )
        await it.given(service("hello", image="greeter:2", traffic=tagged))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 100}
        assert it.traffic("next-hello") == {"hello-00002": 100}
        status = it.the(Service, "hello").status
        assert status is not None
        assert [t.url for t in status.traffic if t.tag] == ["http://next-hello.default.localhost"]


async def test_traffic_to_a_revision_that_is_not_there_changes_nothing_and_says_why():
    async with world() as it:
        await it.given(service("hello"))
        wrong = (TrafficTarget(revision_name="hello-00009", percent=100),)
        await it.given(service("hello", traffic=wrong))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 100}
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert (ready.status, ready.reason) == ("False", "RevisionMissing")
        assert ready.message == 'Revision "hello-00009" referenced in traffic not found.'


async def test_going_back_to_an_earlier_revision_moves_all_traffic_there():
    async with world() as it:
        await it.given(service("hello", image="greeter:1"))
        await it.given(service("hello", image="greeter:2"))
        await it.settle(5)
        back = (TrafficTarget(revision_name="hello-00001", percent=100),)
        await it.given(service("hello", image="greeter:2", traffic=back))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 100}
        assert it.names(Revision) == ["hello-00001", "hello-00002"]


async def test_a_private_service_answers_only_to_its_local_names():
    async with world() as it:
        hidden = service("hello")
        hidden.metadata.labels["networking.knative.dev/visibility"] = "cluster-local"
        await it.given(hidden)
        assert it.traffic("hello") == {}
        assert it.gateway.serving("hello.default.svc.cluster.local") == {"hello-00001": 100}
        status = it.the(Route, "hello").status
        assert status is not None
        assert status.url == "http://hello.default.svc.cluster.local"


async def test_another_domain_moves_routes_without_a_restart():
    async with world() as it:
        await it.given(service("hello"))
        await it.given(config_map("config-domain", {"models.example.com": ""}))
        await it.settle(5)
        assert it.traffic("hello") == {}
        assert it.gateway.serving("hello.default.models.example.com") == {"hello-00001": 100}
