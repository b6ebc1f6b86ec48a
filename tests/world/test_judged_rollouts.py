"""A canary on the whole control plane: raised while it holds, taken back when it doesn't."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.model.core import Event
from tidegate.model.serving import Route, Service, TrafficTarget
from tidegate.model.traffic import TrafficReport
from tidegate.testing.builders import service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

SCALING = {"min-scale": "1", "max-scale": "1"}
PROMOTE = "steps=10,50; requests=100; step=40s; limit=5m"
OLD, NEW = "default/hello-00001", "default/hello-00002"


def judged(image: str, **annotations: str) -> Service:
    made = service("hello", image=image, scaling=SCALING)
    given = {"tidegate.dev/promote": PROMOTE, **annotations}
    meta = msgspec.structs.replace(made.metadata, annotations=given)
    return msgspec.structs.replace(made, metadata=meta)


async def on_trial(it: World) -> None:
    """One revision with requests, and a second one that has just become ready."""
    await it.given(judged("python:1"))
    it.load("hello-00001", in_flight=1, arrivals=90)
    await it.settle(15)
    it.load("hello-00002", in_flight=1, arrivals=10)
    await it.given(judged("python:2"))
    await it.settle(5)


def events(it: World) -> list[tuple[str | None, str | None]]:
    return [(e.type, e.reason) for e in it.api.list(Event) if e.involved_object.kind == "Route"]


async def test_a_canary_that_holds_takes_its_steps_and_then_all():
    async with world() as it:
        await on_trial(it)
        assert it.traffic("hello") == {"hello-00001": 90, "hello-00002": 10}
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert (ready.status, ready.reason) == ("Unknown", "RolloutInProgress")
        await it.settle(55)
        assert it.traffic("hello") == {"hello-00001": 50, "hello-00002": 50}
        await it.settle(60)
        assert it.traffic("hello") == {"hello-00002": 100}
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"
        assert sorted(r for _, r in events(it)) == ["Canary", "Canary", "Promoted"]


async def test_a_canary_that_fails_more_often_goes_back_by_itself_and_says_why():
    async with world() as it:
        it.gateway.failing[NEW] = 0.3
        await on_trial(it)
        await it.settle(40)
        assert it.traffic("hello") == {"hello-00001": 100}
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert (ready.status, ready.reason) == ("False", "RolledBack")
        assert "goes back to 0% from 10%" in (ready.message or "")
        assert ("Warning", "RolledBack") in events(it)
        await it.settle(120)  # it stays so: nobody tries it again
        assert it.traffic("hello") == {"hello-00001": 100}


async def test_a_slower_canary_goes_back_too():
    async with world() as it:
        it.gateway.slowness[NEW] = 120
        await on_trial(it)
        await it.settle(90)
        assert it.traffic("hello") == {"hello-00001": 100}


async def test_the_next_revision_gets_its_own_trial_against_the_one_that_held():
    async with world() as it:
        it.gateway.failing[NEW] = 0.3
        await on_trial(it)
        await it.settle(40)
        it.load("hello-00003", in_flight=1, arrivals=10)
        await it.given(judged("python:3"))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 90, "hello-00003": 10}
        await it.settle(120)
        assert it.traffic("hello") == {"hello-00003": 100}


async def test_a_restarted_control_plane_goes_on_with_the_trial():
    async with world() as it:
        await on_trial(it)
        await it.settle(10)
        await it.kill_plane()
        await it.settle(5)
        await it.start_plane()
        await it.settle(40)
        assert it.traffic("hello") == {"hello-00001": 50, "hello-00002": 50}


async def test_taking_the_annotation_away_ends_the_trial_in_favour_of_the_newest():
    async with world() as it:
        it.gateway.failing[NEW] = 0.3
        await on_trial(it)
        await it.settle(40)
        made = it.the(Service, "hello")
        left = {k: v for k, v in made.metadata.annotations.items() if "promote" not in k}
        meta = msgspec.structs.replace(made.metadata, annotations=left)
        await it.api.update(msgspec.structs.replace(made, metadata=meta))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00002": 100}


async def test_a_newer_revision_takes_the_place_of_a_canary_on_trial():
    async with world() as it:
        await on_trial(it)
        it.load("hello-00003", in_flight=1, arrivals=10)
        await it.given(judged("python:3"))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 90, "hello-00003": 10}
        await it.settle(120)
        assert it.traffic("hello") == {"hello-00003": 100}


async def test_a_tag_leads_to_the_canary_at_once():
    async with world() as it:
        for image in ("python:1", "python:2"):
            made = judged(image)
            tagged = TrafficTarget(latest_revision=True, percent=0, tag="next")
            spec = msgspec.structs.replace(made.spec, traffic=(*made.spec.traffic, tagged))
            await it.given(msgspec.structs.replace(made, spec=spec))
            await it.settle(5)
        assert it.traffic("hello") == {"hello-00001": 90, "hello-00002": 10}
        assert it.gateway.serving("next-hello.default.localhost") == {"hello-00002": 100}


async def test_requests_are_counted_once_over_a_restart():
    async with world() as it:
        await it.given(service("hello", scaling=SCALING))
        it.load("hello-00001", in_flight=1, arrivals=10)
        await it.settle(25)
        await it.kill_plane()
        await it.settle(5)
        await it.start_plane()
        await it.settle(30)
        it.load("hello-00001", in_flight=0, arrivals=0)
        await it.settle(20)
        report = it.the(TrafficReport, "hello-00001").status
        assert report is not None
        sent = sum(s.requests for s in it.gateway.kept if s.revision == OLD)
        assert report.total.requests == sent
        assert sum(m.tally.requests for m in report.minutes) == sent


async def test_sticky_and_shadow_reach_the_gateway():
    async with world() as it:
        await it.given(
            judged(
                "python:1",
                **{"tidegate.dev/sticky": "cookie=who", "tidegate.dev/shadow": "hello-00009=5%"},
            )
        )
        route = it.gateway.routes["default/hello"]
        assert route.sticky is not None
        assert route.sticky.cookie == "who"
        assert [(s.revision, s.percent) for s in route.shadow] == [("default/hello-00009", 5)]
        assert it.the(Route, "hello").metadata.annotations["tidegate.dev/sticky"] == "cookie=who"
        assert ("Warning", "RevisionMissing") in events(it)
