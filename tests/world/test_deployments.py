"""Deployments and their ReplicaSets on the whole control plane: rollouts, pauses, adoption."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.apps import Deployment, ReplicaSet
from tidegate.model.conditions import find
from tidegate.model.core import Event
from tidegate.model.meta import Condition, controller_of
from tidegate.model.pods import Pod
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

REVISION = "deployment.kubernetes.io/revision"


def deployment(replicas: int = 3, image: str = "a:1", **spec: Any) -> Deployment:
    document = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
            **spec,
        },
    }
    return read(document, Deployment)[0]


def images(it: World) -> list[str | None]:
    """Of pods that are not going."""
    pods = [p for p in it.api.list(Pod) if p.metadata.deletion_timestamp is None]
    return sorted(p.spec.containers[0].image or "" for p in pods)


def progress(it: World) -> Condition | None:
    status = it.the(Deployment, "web").status
    return find(status.conditions, "Progressing") if status else None


def revisions(it: World) -> dict[str, int]:
    """Revision -> replicas asked for."""
    return {
        rs.metadata.annotations[REVISION]: rs.spec.replicas or 0 for rs in it.api.list(ReplicaSet)
    }


async def test_a_deployment_becomes_available_and_says_how():
    async with world() as it:
        await it.given(deployment())
        found = it.the(Deployment, "web")
        status = found.status
        assert status is not None
        assert (status.replicas, status.updated_replicas, status.available_replicas) == (3, 3, 3)
        assert status.observed_generation == found.metadata.generation
        assert found.metadata.annotations[REVISION] == "1"
        (rs,) = it.api.list(ReplicaSet)
        assert progress(it) is not None
        assert progress(it).reason == "NewReplicaSetAvailable"
        assert (
            progress(it).message == f'ReplicaSet "{rs.metadata.name}" has successfully progressed.'
        )
        assert it.condition(found, "Available").message == "Deployment has minimum availability."


async def test_a_rollout_replaces_all_pods_and_never_has_too_few_or_too_many():
    async with world(start_s=2.0) as it:
        await it.given(deployment(4))
        seen: list[tuple[int, int]] = []

        def note(change: Any) -> None:
            pods = [p for p in it.api.list(Pod) if p.metadata.deletion_timestamp is None]
            ready = [
                p
                for p in pods
                if p.status
                and any(c.type == "Ready" and c.status == "True" for c in p.status.conditions)
            ]
            seen.append((len(pods), len(ready)))

        stop = it.api.subscribe([Pod], note)
        await it.given(deployment(4, "a:2"))
        await it.settle(30)
        stop()
        assert images(it) == ["a:2"] * 4
        assert max(total for total, _ in seen) <= 5
        assert min(ready for _, ready in seen) >= 3
        assert revisions(it) == {"1": 0, "2": 4}
        told = {e.message for e in it.api.list(Event) if e.reason == "ScalingReplicaSet"}
        assert any(
            m and m.startswith("Scaled up replica set web-") and m.endswith(" from 0 to 4")
            for m in told
        )


async def test_a_template_that_comes_back_is_a_new_revision_of_the_same_set():
    async with world() as it:
        await it.given(deployment(2))
        await it.given(deployment(2, "a:2"))
        await it.settle(10)
        await it.given(deployment(2))
        await it.settle(10)
        assert images(it) == ["a:1"] * 2
        assert revisions(it) == {"2": 0, "3": 2}
        assert it.the(Deployment, "web").metadata.annotations[REVISION] == "3"


async def test_a_rollout_that_stands_still_says_so_and_keeps_what_serves():
    async with world() as it:
        await it.given(deployment(2, progressDeadlineSeconds=20))
        it.node.broken.add("bad:1")
        await it.given(deployment(2, "bad:1", progressDeadlineSeconds=20))
        await it.settle(10)
        assert progress(it).status == "True"
        await it.settle(20)
        late = progress(it)
        assert (late.status, late.reason) == ("False", "ProgressDeadlineExceeded")
        assert "has timed out progressing." in (late.message or "")
        assert images(it).count("a:1") == 2
        assert it.condition(it.the(Deployment, "web"), "Available").status == "True"
        await it.given(deployment(2, "a:3", progressDeadlineSeconds=20))
        await it.settle(10)
        assert progress(it).reason == "NewReplicaSetAvailable"
        assert images(it) == ["a:3"] * 2


async def test_a_paused_deployment_keeps_its_template_but_follows_its_count():
    async with world() as it:
        await it.given(deployment(2))
        await it.given(deployment(2, "a:2", paused=True))
        assert images(it) == ["a:1"] * 2
        assert (progress(it).status, progress(it).reason) == ("Unknown", "DeploymentPaused")
        await it.given(deployment(3, "a:2", paused=True))
        assert images(it) == ["a:1"] * 3
        await it.given(deployment(3, "a:2"))
        await it.settle(10)
        assert images(it) == ["a:2"] * 3
        assert progress(it).reason == "NewReplicaSetAvailable"


async def test_recreate_never_runs_two_versions_at_once():
    async with world() as it:
        recreate = {"strategy": {"type": "Recreate"}}
        await it.given(deployment(2, **recreate))
        seen: set[tuple[str | None, ...]] = set()
        stop = it.api.subscribe(
            [Pod], lambda _: seen.add(tuple({p.spec.containers[0].image for p in it.api.list(Pod)}))
        )
        await it.given(deployment(2, "a:2", **recreate))
        await it.settle(10)
        stop()
        assert images(it) == ["a:2"] * 2
        assert max(len(versions) for versions in seen) == 1


async def test_pods_must_be_ready_for_a_while_to_count_as_available():
    async with world() as it:
        await it.given(deployment(1, minReadySeconds=20))
        status = it.the(Deployment, "web").status
        assert status is not None
        assert (status.ready_replicas, status.available_replicas) == (1, 0)
        await it.settle(25)
        status = it.the(Deployment, "web").status
        assert status is not None
        assert status.available_replicas == 1


async def test_scaling_in_the_middle_of_a_rollout_grows_both():
    async with world() as it:
        await it.given(deployment(10))
        it.node.broken.add("bad:1")
        await it.given(deployment(10, "bad:1"))
        before = revisions(it)
        assert before == {"1": 8, "2": 5}
        await it.given(deployment(15, "bad:1"))
        await it.settle(1)
        after = revisions(it)
        assert after["1"] > before["1"]
        assert after["1"] + after["2"] <= 15 + 4
        assert after["1"] >= 15 - 3


async def test_only_so_many_old_revisions_are_kept():
    async with world() as it:
        for n in range(1, 5):
            await it.given(deployment(1, f"a:{n}", revisionHistoryLimit=1))
            await it.settle(10)
        assert revisions(it) == {"3": 0, "4": 1}


async def test_a_pod_that_nobody_controls_is_adopted():
    async with world() as it:
        await it.given(deployment(1))
        (rs,) = it.api.list(ReplicaSet)
        (pod,) = it.api.list(Pod)
        await it.api.delete(Deployment, "default", "web", propagation="Orphan")
        await it.settle()
        left = it.the(ReplicaSet, rs.metadata.name)
        assert controller_of(left.metadata) is None
        await it.given(deployment(1))
        taken = controller_of(it.the(ReplicaSet, rs.metadata.name).metadata)
        assert taken is not None
        assert taken.uid == it.the(Deployment, "web").metadata.uid
        assert [p.metadata.uid for p in it.api.list(Pod)] == [pod.metadata.uid]


async def test_a_pod_whose_labels_match_no_more_is_let_go_and_replaced():
    async with world() as it:
        await it.given(deployment(1))
        (pod,) = it.api.list(Pod)
        await it.given(replace(pod, metadata=replace(pod.metadata, labels={"debug": "yes"})))
        kept = it.the(Pod, pod.metadata.name)
        assert controller_of(kept.metadata) is None
        assert len(it.api.list(Pod)) == 2
        labels = {**pod.metadata.labels}
        await it.given(replace(kept, metadata=replace(kept.metadata, labels=labels)))
        assert len(images(it)) == 1


async def test_the_cheapest_pod_goes_first():
    async with world() as it:
        await it.given(deployment(3))
        dear, cheap, _ = it.api.list(Pod)
        cost = {"controller.kubernetes.io/pod-deletion-cost": "-10"}
        await it.given(replace(cheap, metadata=replace(cheap.metadata, annotations=cost)))
        await it.given(deployment(2))
        assert cheap.metadata.name not in it.names(Pod)
        assert dear.metadata.name in it.names(Pod)


async def test_a_control_plane_that_ends_in_mid_rollout_is_taken_over_from():
    async with world(start_s=2.0) as it:
        await it.given(deployment(4))
        await it.settle(5)
        await it.api.update(
            replace(deployment(4, "a:2"), metadata=it.the(Deployment, "web").metadata)
        )
        for _ in range(4):
            await it.settle(1.5)
            await it.kill_plane()
            assert len(images(it)) <= 5
            await it.start_plane()
        await it.settle(30)
        assert images(it) == ["a:2"] * 4
        assert revisions(it) == {"1": 0, "2": 4}
        assert progress(it).reason == "NewReplicaSetAvailable"
