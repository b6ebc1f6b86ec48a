"""Where requests go: splits, pins, tags, and what stays when something can't be resolved."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.model.meta import ObjectMeta
from tidegate.model.serving import (
    Configuration,
    ConfigurationSpec,
    Revision,
    Route,
    RouteSpec,
    Service,
    TrafficTarget,
)
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import World, world

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
        by = it.the(Revision, "hello-00001").metadata.annotations["serving.knative.dev/routes"]
        assert by == "hello"


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
        left = it.the(Revision, "hello-00002").metadata
        assert left.labels["serving.knative.dev/routingState"] == "reserve"
        assert "serving.knative.dev/routes" not in left.annotations


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


async def test_templates_of_the_config_map_move_routes_and_tags_without_a_restart():
    async with world() as it:
        tagged = (TrafficTarget(latest_revision=True, percent=100, tag="v1"),)
        await it.given(service("hello", traffic=tagged))
        templates = {
            "domain-template": "{{.Name}}-{{.Namespace}}.{{.Domain}}",
            "tag-template": "{{.Name}}-{{.Tag}}",
        }
        await it.given(config_map("config-network", templates))
        assert it.gateway.serving("hello-default.localhost") == {"hello-00001": 100}
        assert it.gateway.serving("hello-v1-default.localhost") == {"hello-00001": 100}
        assert it.traffic("hello") == it.traffic("v1-hello") == {}
        status = it.the(Service, "hello").status
        assert status is not None
        assert status.url == "http://hello-default.localhost"
        assert [t.url for t in status.traffic] == ["http://hello-v1-default.localhost"]


async def test_a_header_chooses_the_tag_once_the_feature_is_on():
    async with world() as it:
        await it.given(service("hello", image="greeter:1"))
        tagged = (
            TrafficTarget(revision_name="hello-00001", percent=100),
            TrafficTarget(latest_revision=True, percent=0, tag="next"),
        )
        await it.given(service("hello", image="greeter:2", traffic=tagged))
        route = it.gateway.routes["default/hello"]
        assert (route.rules, route.splits[0].headers) == ((), ())

        await it.given(config_map("config-features", {"tag-header-based-routing": "enabled"}))
        route = it.gateway.routes["default/hello"]
        (rule,) = route.rules
        assert (rule.header, rule.values) == ("Knative-Serving-Tag", ("next",))
        assert rule.revision == "default/hello-00002"
        assert route.splits[0].headers == (("Knative-Serving-Default-Route", "true"),)
        (tag,) = [r for r in it.gateway.routes.values() if "next-hello.default" in r.hosts]
        assert tag.splits[0].headers == (("Knative-Serving-Tag", "next"),)


async def test_a_tag_that_is_taken_away_loses_its_host():
    async with world() as it:
        tagged = (TrafficTarget(latest_revision=True, percent=100, tag="v1"),)
        await it.given(service("hello", traffic=tagged))
        assert it.traffic("v1-hello") == {"hello-00001": 100}
        await it.api.update(sending(it, TrafficTarget(latest_revision=True, percent=100)))
        await it.settle()
        assert it.traffic("v1-hello") == {}
        assert it.traffic("hello") == {"hello-00001": 100}


async def test_a_service_that_turns_private_loses_its_public_host_and_path():
    async with world() as it:
        await it.given(service("hello"))
        shown = it.the(Service, "hello")
        label = {"networking.knative.dev/visibility": "cluster-local"}
        await it.api.update(replace(shown, metadata=replace(shown.metadata, labels=label)))
        await it.settle()
        assert it.traffic("hello") == {}
        assert [r.path_prefix for r in it.gateway.routes.values()] == [None]
        assert it.gateway.serving("hello.default") == {"hello-00001": 100}


@pytest.mark.parametrize(
    ("image", "reason", "message"),
    [
        ("bad:1", "RevisionMissing", 'Revision "hello-00002" failed to become ready.'),
        ("mute:1", "RevisionMissing", 'Revision "hello-00002" is not yet ready.'),
    ],
    ids=["failed", "not ready yet"],
)
async def test_traffic_to_a_revision_that_is_not_ready_stays_where_it_is_and_says_why(
    image, reason, message
):
    async with world() as it:
        it.node.broken.add("bad:1")
        it.node.silent["mute:1"] = "listens on no port"
        await it.given(service("hello", image="good:1"))
        old = (TrafficTarget(revision_name="hello-00001", percent=100),)
        await it.given(service("hello", image=image, traffic=old))
        half = [TrafficTarget(revision_name=f"hello-0000{n}", percent=50) for n in (1, 2)]
        await it.api.update(sending(it, *half))
        await it.settle()
        assert it.traffic("hello") == {"hello-00001": 100}
        ready = it.condition(it.the(Service, "hello"), "RoutesReady")
        assert (ready.reason, ready.message) == (reason, message)


async def test_a_revision_of_another_service_is_no_target():
    async with world() as it:
        await it.given(service("other"))
        await it.given(service("hello"))
        await it.api.update(sending(it, TrafficTarget(revision_name="other-00001", percent=100)))
        await it.settle()
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert (ready.status, ready.reason) == ("False", "RevisionNotOwned")
        assert it.traffic("hello") == {"hello-00001": 100}


async def test_a_host_that_nobody_can_ask_for_is_not_routed_and_says_which():
    async with world() as it:
        await it.given(service("hello"))
        template = {"domain-template": '{{.Name}}.{{index .Annotations "sub"}}.{{.Domain}}'}
        await it.given(config_map("config-network", template))
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert (ready.status, ready.reason) == ("False", "InvalidHost")
        assert 'invalid domain name "hello..localhost"' in (ready.message or "")
        assert it.traffic("hello") == {"hello-00001": 100}, "what was served goes on"

        named = it.the(Service, "hello")
        meta = replace(named.metadata, annotations={**named.metadata.annotations, "sub": "blue"})
        await it.api.update(replace(named, metadata=meta))
        await it.settle()
        assert it.gateway.serving("hello.blue.localhost") == {"hello-00001": 100}
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"


async def test_on_a_full_machine_a_new_revision_waits_and_the_old_one_keeps_its_pods():
    async with world(cpu="3") as it:
        await it.given(service("hello", image="greeter:1", cpu="1", scaling={"min-scale": "3"}))
        assert len(it.pods("hello-00001")) == 3
        await it.given(service("hello", image="greeter:2", cpu="1", scaling={"min-scale": "2"}))
        await it.settle(120)
        assert it.traffic("hello") == {"hello-00001": 100}
        assert len(it.pods("hello-00001")) == 3
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert ready.status == "False"
        assert "Insufficient cpu" in (ready.message or "")

        smaller = it.the(Revision, "hello-00001")
        key = "autoscaling.knative.dev/min-scale"
        meta = replace(smaller.metadata, annotations={**smaller.metadata.annotations, key: "1"})
        await it.api.update(replace(smaller, metadata=meta))
        await it.settle(120)
        assert it.traffic("hello") == {"hello-00002": 100}, "room was made, so it became ready"
        assert len(it.pods("hello-00002")) == 2
        assert it.pods("hello-00001") == []
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"


async def test_the_old_revision_shrinks_only_after_the_new_one_serves():
    async with world() as it:
        await it.given(service("hello", image="greeter:1", scaling={"min-scale": "3"}))
        it.node.start_s = 20.0
        await it.given(service("hello", image="greeter:2", scaling={"min-scale": "3"}))
        fewest = 3
        for _ in range(100):
            if it.traffic("hello") == {"hello-00001": 100}:
                fewest = min(fewest, len(it.pods("hello-00001")))
            await it.settle(0.5)
        assert fewest == 3
        assert it.traffic("hello") == {"hello-00002": 100}
        assert len(it.pods("hello-00002")) == 3


async def test_on_a_full_machine_a_gradual_rollout_never_lacks_the_pods_that_the_load_needs():
    """Four requests in flight, one per pod, room for five pods: the new one grows as the old shrinks."""
    fast = {"window": "6s", "target": "1", "target-utilization-percentage": "100"}
    slowly = {"serving.knative.dev/rollout-duration": "60s"}
    async with world(cpu="5") as it:
        for image in ("greeter:1", "greeter:2"):
            document = service("hello", image=image, cpu="1", scaling=fast)
            meta = replace(document.metadata, annotations=slowly)
            await it.given(replace(document, metadata=meta))
            if image == "greeter:1":
                it.load("hello-00001", in_flight=4)
                await it.settle(20)
                assert len(it.pods("hello-00001")) == 4
        fewest, most_new = 4, 0
        for _ in range(100):
            shares = it.traffic("hello")
            for name in ("hello-00001", "hello-00002"):
                share = shares.get(name, 0)
                it.load(name, in_flight=4 * share / 100, arrivals=10 if share else 0)
            await it.settle(1)
            serving = [e for r in it.gateway.revisions.values() for e in r.endpoints]
            fewest = min(fewest, sum(not e.draining for e in serving))
            most_new = max(most_new, len(it.pods("hello-00002")))
        assert fewest == 4
        assert it.traffic("hello") == {"hello-00002": 100}
        assert most_new >= 4
        assert it.pods("hello-00001") == []


async def test_a_route_of_its_own_shares_between_configurations():
    async with world() as it:
        template = service("x").spec.template
        for name in ("left", "right"):
            meta = ObjectMeta(name=name, namespace="default")
            await it.given(Configuration(metadata=meta, spec=ConfigurationSpec(template=template)))
        both = (
            TrafficTarget(configuration_name="left", percent=70),
            TrafficTarget(configuration_name="right", percent=30, tag="r"),
        )
        meta = ObjectMeta(name="both", namespace="default")
        await it.given(Route(metadata=meta, spec=RouteSpec(traffic=both)))
        assert it.traffic("both") == {"left-00001": 70, "right-00001": 30}
        assert it.traffic("r-both") == {"right-00001": 100}
        lost = (TrafficTarget(configuration_name="nowhere", percent=100),)
        now = it.the(Route, "both")
        await it.api.update(replace(now, spec=RouteSpec(traffic=lost)))
        await it.settle()
        assert it.traffic("both") == {"left-00001": 70, "right-00001": 30}
        status = it.the(Route, "both").status
        assert status is not None
        (assigned,) = [c for c in status.conditions if c.type == "AllTrafficAssigned"]
        assert (assigned.reason, assigned.message) == (
            "ConfigurationMissing",
            'Configuration "nowhere" referenced in traffic not found.',
        )


def sending(it: World, *traffic: TrafficTarget) -> Service:
    """The service as it is, with other traffic."""
    now = it.the(Service, "hello")
    return replace(now, spec=replace(now.spec, traffic=traffic))
