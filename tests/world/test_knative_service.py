"""A Knative Service from nothing to many and back, on the whole control plane."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tidegate.model.apps import Deployment
from tidegate.model.containers import EnvVar
from tidegate.model.pods import Pod
from tidegate.model.serving import Configuration, PodAutoscaler, Revision, Route, Service
from tidegate.testing.builders import service
from tidegate.testing.world import world

pytestmark = pytest.mark.looptime

FAST = {"window": "6s", "target": "1", "target-utilization-percentage": "100"}


async def test_a_service_becomes_ready_and_is_routed_to_its_first_revision():
    async with world() as it:
        await it.given(service("hello"))
        seen = it.the(Service, "hello")
        assert it.condition(seen, "Ready").status == "True"
        assert it.names(Revision) == ["hello-00001"]
        assert it.names(Configuration) == it.names(Route) == ["hello"]
        assert seen.status is not None
        assert seen.status.url == "http://hello.default.localhost"
        assert seen.status.latest_ready_revision_name == "hello-00001"
        assert it.traffic("hello") == {"hello-00001": 100}
        assert len(it.pods("hello-00001")) == 1


async def test_an_idle_service_goes_to_zero_and_wakes_for_one_request():
    async with world() as it:
        await it.given(service("hello", scaling=FAST))
        await it.settle(90)
        assert it.pods("hello-00001") == []
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"
        assert it.condition(it.the(Revision, "hello-00001"), "Active").reason == "NoTraffic"

        it.load("hello-00001", in_flight=1)
        await it.settle(3)
        assert len(it.pods("hello-00001")) == 1
        assert it.condition(it.the(Revision, "hello-00001"), "Active").status == "True"


async def test_load_scales_out_and_calm_scales_back():
    async with world() as it:
        await it.given(service("hello", scaling={**FAST, "max-scale": "8"}))
        it.load("hello-00001", in_flight=20)
        await it.settle(10)
        assert len(it.pods("hello-00001")) == 8
        it.load("hello-00001", in_flight=0, arrivals=0)
        await it.settle(120)
        assert it.pods("hello-00001") == []


async def test_a_changed_template_makes_a_second_revision_and_keeps_the_first():
    async with world() as it:
        await it.given(service("hello", image="greeter:1"))
        await it.given(service("hello", image="greeter:2"))
        await it.settle(5)
        assert it.names(Revision) == ["hello-00001", "hello-00002"]
        assert it.traffic("hello") == {"hello-00002": 100}
        labels = it.the(Revision, "hello-00001").metadata.labels
        assert labels["serving.knative.dev/routingState"] == "reserve"


async def test_a_broken_revision_never_takes_traffic_and_says_why():
    async with world() as it:
        await it.given(service("hello", image="good:1"))
        it.node.broken.add("bad:1")
        await it.given(service("hello", image="bad:1"))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 100}
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert ready.status == "False"
        assert ready.reason == "RevisionFailed"
        assert "image bad:1" in (ready.message or "")


async def test_a_revision_that_never_becomes_ready_fails_at_its_deadline_and_still_says_why():
    async with world() as it:
        it.node.silent["mute:1"] = "listens on no port"
        await it.given(patient(service("hello", image="mute:1"), deadline="30s"))
        ready = it.condition(it.the(Revision, "hello-00001"), "Ready")
        assert (ready.status, ready.message) == ("Unknown", "listens on no port")
        assert "listens on no port" in (
            it.condition(it.the(Service, "hello"), "Ready").message or ""
        )

        await it.settle(120)  # the deadline, and the pods' end after it
        assert it.pods("hello-00001") == []
        ready = it.condition(it.the(Revision, "hello-00001"), "Ready")
        assert (ready.status, ready.reason) == ("False", "ProgressDeadlineExceeded")
        assert ready.message == "Initial scale was never achieved: listens on no port"
        assert it.condition(it.the(Service, "hello"), "Ready").reason == "RevisionFailed"


async def test_the_gateway_knows_why_a_service_that_was_never_ready_has_no_answer():
    async with world() as it:
        it.node.broken.add("bad:1")
        await it.given(service("hello", image="bad:1"))
        (route,) = it.gateway.routes.values()
        assert "hello.default.localhost" in route.hosts
        assert route.splits == ()
        assert "image bad:1" in (route.trouble or "")

        await it.given(service("hello", image="good:1"))
        await it.settle(5)
        (route,) = it.gateway.routes.values()
        assert (route.splits[0].revision, route.trouble) == ("default/hello-00002", None)


async def test_the_gateway_knows_why_a_revision_has_no_replica():
    async with world() as it:
        await it.given(service("hello", image="frail:1", scaling=FAST))
        await it.settle(90)
        assert it.gateway.revisions["default/hello-00001"].trouble is None
        it.node.broken.add("frail:1")
        it.load("hello-00001", in_flight=1)
        await it.settle(5)
        assert it.gateway.revisions["default/hello-00001"].trouble == "image frail:1"


async def test_a_revision_whose_pods_the_api_refuses_says_so():
    async with world() as it:
        document = service("hello")
        container = document.spec.template.spec.containers[0]
        wrong = replace(container, env=(EnvVar(name="A=B", value="1"),))
        spec = replace(document.spec.template.spec, containers=(wrong,))
        await it.given(with_template(document, spec=spec))
        ready = it.condition(it.the(Revision, "hello-00001"), "Ready")
        assert (ready.status, ready.reason) == ("False", "FailedCreate")
        assert "env[0].name" in (ready.message or "")


async def test_a_service_that_was_ready_and_fails_at_its_next_start_is_not_ready_until_it_recovers():
    async with world() as it:
        await it.given(service("hello", image="frail:1", scaling=FAST))
        await it.settle(90)
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"
        it.node.broken.add("frail:1")
        it.load("hello-00001", in_flight=1)
        await it.settle(5)
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert (ready.status, ready.reason) == ("False", "RevisionFailed")
        assert it.traffic("hello") == {"hello-00001": 100}

        it.node.broken.clear()
        for pod in it.pods("hello-00001"):
            await it.api.delete(Pod, *pod.key, uid=pod.metadata.uid, grace_s=0)
        await it.settle(10)
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"


def patient(document: Service, *, deadline: str) -> Service:
    meta = document.spec.template.metadata
    assert meta is not None
    annotations = {**meta.annotations, "serving.knative.dev/progress-deadline": deadline}
    return with_template(document, metadata=replace(meta, annotations=annotations))


def with_template(document: Service, **changes) -> Service:
    template = replace(document.spec.template, **changes)
    return replace(document, spec=replace(document.spec, template=template))


async def test_what_a_service_made_goes_with_it():
    async with world() as it:
        await it.given(service("hello"))
        await it.api.delete(Service, "default", "hello")
        await it.settle(10)
        for kind in (Service, Configuration, Route, Revision, PodAutoscaler, Deployment, Pod):
            assert it.names(kind) == [], kind.__name__
        assert it.gateway.routes == {}
        assert it.gateway.revisions == {}


async def test_pods_that_do_not_fit_wait_and_say_so():
    async with world(cpu="2") as it:
        await it.given(service("hello", cpu="1", scaling={**FAST, "min-scale": "3"}))
        await it.settle(5)
        pods = it.pods("hello-00001")
        placed = [pod for pod in pods if pod.spec.node_name]
        assert (len(pods), len(placed)) == (3, 2)
        (waiting,) = [pod for pod in pods if not pod.spec.node_name]
        assert waiting.status is not None
        assert "Insufficient cpu" in (waiting.status.conditions[0].message or "")


async def test_a_restart_in_the_middle_of_a_burst_changes_no_decision():
    counts = []
    for restart in (False, True):
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep(-now_s % 100)  # both runs in the same phase of the autoscaler's rhythm
        async with world() as it:
            await it.given(service("hello", scaling=FAST))
            it.load("hello-00001", in_flight=6)
            await it.settle(9)
            if restart:
                await it.kill_plane()
                await it.settle(3)
                await it.start_plane()
            else:
                await it.settle(3)
            await it.settle(8)
            it.load("hello-00001", in_flight=2)
            seen = []
            for _ in range(30):
                await it.settle(2)
                seen.append(len(it.pods("hello-00001")))
            counts.append(seen)
    assert counts[0] == counts[1]


async def test_containers_beside_the_serving_one_tell_what_ended_them_and_leave_logs_to_it():
    async with world() as it:
        given = service("hello")
        pod = given.spec.template.spec
        main = pod.containers[0]
        beside = replace(main, name="a-beside", ports=())
        prepare = replace(main, name="prepare", ports=())
        pod = replace(pod, containers=(beside, main), init_containers=(prepare,))
        template = replace(given.spec.template, spec=pod)
        await it.given(replace(given, spec=replace(given.spec, template=template)))
        template = it.the(Deployment, "hello-00001-deployment").spec.template
        all_of_them = (*template.spec.init_containers, *template.spec.containers)
        assert {c.termination_message_policy for c in all_of_them} == {"FallbackToLogsOnError"}
        meant = template.metadata.annotations["kubectl.kubernetes.io/default-container"]
        assert meant == "user-container"
