"""Gradual rollouts: a new revision gets its traffic in steps, by time alone."""

from __future__ import annotations

import pytest

from tidegate.model.meta import touched
from tidegate.model.serving import Revision, Service, TrafficTarget
from tidegate.scaling.gradual_rollout import advance, observe_ready, steady
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


def gradual(document: Service, duration: str) -> Service:
    key = "serving.knative.dev/rollout-duration"
    meta = touched(document.metadata, annotations={**document.metadata.annotations, key: duration})
    return Service(metadata=meta, spec=document.spec)


async def seen_shares(it: World, *, for_s: float) -> list[int]:
    """The percents of the second revision, one after the other."""
    seen: list[int] = []
    for _ in range(int(for_s / 0.25)):
        percent = it.traffic("hello").get("hello-00002", 0)
        if not seen or seen[-1] != percent:
            seen.append(percent)
        await it.settle(0.25)
    return seen


def step_table(duration_s: float) -> list[int]:
    """The same from the rules, for a gateway that serves the first percent at once."""
    goal = (steady("", "hello", "hello-00002", 100),)
    rollout, _ = advance(goal, (steady("", "hello", "hello-00001", 100),), now_s=0.0)
    shares = [rollout[0].revisions[-1].percent]
    rollout = observe_ready(rollout, now_s=0.1, duration_s=duration_s)
    while rollout[0].next_s is not None:
        rollout, _ = advance(goal, rollout, now_s=rollout[0].next_s)
        shares.append(rollout[0].revisions[-1].percent)
    return shares


async def test_traffic_moves_by_the_step_table_and_the_service_is_ready_at_its_end():
    async with world() as it:
        await it.given(gradual(service("hello", image="greeter:1"), "30s"))
        await it.api.update(changed(it, image="greeter:2"))
        shares = await seen_shares(it, for_s=20)
        condition = it.condition(it.the(Service, "hello"), "Ready")
        assert (condition.status, condition.reason) == ("Unknown", "RolloutInProgress")
        shares += await seen_shares(it, for_s=20)
        shares = [share for at, share in enumerate(shares) if at == 0 or share != shares[at - 1]]
        assert shares == [0, *step_table(30)]
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"


async def test_status_shows_the_shares_of_the_moment_and_both_revisions_stay_reachable():
    async with world() as it:
        await it.given(gradual(service("hello", image="greeter:1"), "100s"))
        await it.given(gradual(service("hello", image="greeter:2"), "100s"))
        await it.settle(30)
        status = it.the(Service, "hello").status
        assert status is not None
        shown = {t.revision_name: (t.percent, t.latest_revision) for t in status.traffic}
        serving = it.traffic("hello")
        assert shown == {
            "hello-00001": (serving["hello-00001"], False),
            "hello-00002": (serving["hello-00002"], True),
        }
        assert 10 < serving["hello-00002"] < 60
        states = {
            r.metadata.labels["serving.knative.dev/routingState"] for r in it.api.list(Revision)
        }
        assert states == {"active"}


async def test_a_restarted_control_plane_goes_on_with_a_rollout():
    async with world() as it:
        await it.given(gradual(service("hello", image="greeter:1"), "100s"))
        await it.given(gradual(service("hello", image="greeter:2"), "100s"))
        await it.settle(20)
        before = it.traffic("hello")["hello-00002"]
        await it.kill_plane()
        await it.settle(10)
        assert it.traffic("hello")["hello-00002"] == before
        await it.start_plane()
        await it.settle(2)
        assert before < it.traffic("hello")["hello-00002"] < before + 10
        await it.settle(100)
        assert it.traffic("hello") == {"hello-00002": 100}


async def test_the_clusters_duration_counts_where_a_service_says_none():
    async with world() as it:
        await it.given(config_map("config-network", {"rollout-duration": "60"}))
        await it.given(service("hello", image="greeter:1"))
        await it.given(service("hello", image="greeter:2"))
        await it.settle(10)
        assert set(it.traffic("hello")) == {"hello-00001", "hello-00002"}
        await it.settle(60)
        assert it.traffic("hello") == {"hello-00002": 100}


async def test_going_back_in_the_middle_by_naming_the_old_revision_takes_effect_at_once():
    async with world() as it:
        await it.given(gradual(service("hello", image="greeter:1"), "100s"))
        await it.given(gradual(service("hello", image="greeter:2"), "100s"))
        await it.settle(30)
        pinned = (TrafficTarget(revision_name="hello-00001", percent=100),)
        await it.given(gradual(service("hello", image="greeter:2", traffic=pinned), "100s"))
        assert it.traffic("hello") == {"hello-00001": 100}
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"


async def test_a_rollout_of_a_tag_moves_the_tags_own_host():
    async with world() as it:
        split = (
            TrafficTarget(latest_revision=True, percent=100),
            TrafficTarget(latest_revision=True, percent=0, tag="next"),
        )
        await it.given(gradual(service("hello", image="greeter:1", traffic=split), "60s"))
        await it.given(gradual(service("hello", image="greeter:2", traffic=split), "60s"))
        await it.settle(10)
        assert set(it.traffic("next-hello")) == {"hello-00001", "hello-00002"}
        await it.settle(60)
        assert it.traffic("next-hello") == {"hello-00002": 100}


def changed(it: World, *, image: str) -> Service:
    """The service as it is, with another image."""
    now = it.the(Service, "hello")
    return Service(metadata=now.metadata, spec=service("hello", image=image).spec)
