"""Revisions that nothing routes to go when config-gc says so, and no others."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.model.serving import Revision, TrafficTarget
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

AT_ONCE = {
    "retain-since-create-time": "disabled",
    "retain-since-last-active-time": "disabled",
    "min-non-active-revisions": "0",
    "max-non-active-revisions": "0",
}


async def versions(it: World, *images: str, **more) -> None:
    for image in images:
        await it.given(service("hello", image=image, **more))
        await it.settle(5)


async def test_old_revisions_stay_by_default():
    async with world() as it:
        await versions(it, "app:1", "app:2", "app:3")
        await it.settle(3600)
        assert len(it.names(Revision)) == 3


async def test_a_map_written_at_run_time_collects_what_is_idle_and_its_pods():
    async with world() as it:
        await versions(it, "app:1", "app:2", "app:3", scaling={"min-scale": "1"})
        await it.given(config_map("config-gc", AT_ONCE))
        await it.settle(10)
        assert it.names(Revision) == ["hello-00003"]
        assert it.traffic("hello") == {"hello-00003": 100}
        assert it.pods("hello-00001") == it.pods("hello-00002") == []
        assert list(it.gateway.revisions) == ["default/hello-00003"]


async def test_what_traffic_names_or_is_marked_stays():
    async with world() as it:
        await versions(it, "app:1", "app:2", "app:3")
        marked = it.the(Revision, "hello-00002")
        notes = {**marked.metadata.annotations, "serving.knative.dev/no-gc": "True"}
        await it.api.update(replace(marked, metadata=replace(marked.metadata, annotations=notes)))
        tagged = (
            TrafficTarget(latest_revision=True, percent=100),
            TrafficTarget(revision_name="hello-00001", percent=0, tag="old"),
        )
        await versions(it, "app:4", traffic=tagged)
        await it.given(config_map("config-gc", AT_ONCE))
        await it.settle(10)
        assert it.names(Revision) == ["hello-00001", "hello-00002", "hello-00004"]


async def test_an_idle_revision_goes_when_its_time_has_come_though_nothing_changes():
    async with world() as it:
        ages = {
            "retain-since-create-time": "10m",
            "retain-since-last-active-time": "5m",
            "min-non-active-revisions": "0",
        }
        await it.given(config_map("config-gc", ages))
        await versions(it, "app:1", "app:2")
        await it.settle(500)
        assert len(it.names(Revision)) == 2
        await it.settle(120)
        assert it.names(Revision) == ["hello-00002"]


async def test_a_failing_newest_revision_is_not_collected_and_made_again_for_ever():
    async with world() as it:
        it.node.broken.add("bad:1")
        await it.given(config_map("config-gc", AT_ONCE))
        await versions(it, "app:1", "bad:1")
        uid = it.the(Revision, "hello-00002").metadata.uid
        await it.settle(60)
        assert it.names(Revision) == ["hello-00001", "hello-00002"]
        assert it.the(Revision, "hello-00002").metadata.uid == uid
