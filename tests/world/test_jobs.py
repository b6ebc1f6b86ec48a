"""Jobs on the whole control plane: so many pods, counted once each, over restarts too."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.conditions import find, is_true
from tidegate.model.core import Event
from tidegate.model.errors import Invalid
from tidegate.model.jobs import TRACKING, Job, JobStatus, ended_as
from tidegate.model.pods import Pod
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

GOOD, BAD, LONG = "good:1", "bad:1", "long:1"


def job(name: str = "sums", *, image: str = GOOD, policy: str = "Never", **spec: Any) -> Job:
    pod = {"restartPolicy": policy, "containers": [{"name": "main", "image": image}]}
    raw = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"spec": pod}, **spec},
    }
    return read(raw, Job)[0]


def arranged(it: World) -> None:
    it.node.ends = {GOOD: (5.0, 0), BAD: (2.0, 3)}


def status(it: World, name: str = "sums") -> JobStatus:
    found = it.the(Job, name).status
    assert found is not None
    return found


def reasons(it: World) -> list[str]:
    return [event.reason or "" for event in it.api.list(Event)]


def running(it: World) -> int:
    return sum(
        pod.status is not None and pod.status.phase in ("Pending", "Running")
        for pod in it.api.list(Pod)
    )


async def test_a_job_runs_its_pods_a_few_at_once_and_is_complete():
    async with world() as it:
        arranged(it)
        await it.given(job(completions=5, parallelism=2))
        assert running(it) == 2
        assert status(it).active == 2
        await it.settle(30)
        ended = status(it)
        assert (ended.succeeded, ended.failed, ended.active) == (5, None, None)
        assert [(c.type, c.reason) for c in ended.conditions] == [
            ("SuccessCriteriaMet", "CompletionsReached"),
            ("Complete", "CompletionsReached"),
        ]
        assert ended.completion_time is not None
        assert not any(TRACKING in pod.metadata.finalizers for pod in it.api.list(Pod))
        assert len(it.names(Pod)) == 5
        assert "Completed" in reasons(it)


async def test_without_a_number_the_first_success_ends_the_making_of_pods():
    async with world() as it:
        arranged(it)
        await it.given(job(parallelism=3))
        await it.settle(20)
        assert ended_as(it.the(Job, "sums")) == "Complete"
        assert status(it).succeeded == 3


async def test_failures_wait_ten_seconds_then_twenty_and_end_at_the_limit():
    async with world() as it:
        arranged(it)
        await it.given(job(image=BAD, backoffLimit=2))
        await it.settle(5)
        assert (status(it).failed, len(it.names(Pod))) == (1, 1)
        await it.settle(10)
        assert (status(it).failed, len(it.names(Pod))) == (2, 2)
        await it.settle(15)
        assert len(it.names(Pod)) == 2
        await it.settle(15)
        assert status(it).failed == 3
        failed = find(status(it).conditions, "Failed")
        assert failed is not None
        assert (failed.reason, failed.message) == (
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        )
        assert is_true(status(it).conditions, "FailureTarget")


async def test_pods_that_start_again_in_place_count_by_their_restarts():
    async with world() as it:
        arranged(it)
        await it.given(job(image=BAD, policy="OnFailure", backoffLimit=2))
        await it.settle(30)
        assert ended_as(it.the(Job, "sums")) == "Failed"
        assert status(it).failed == 1
        assert it.names(Pod) == []


async def test_each_index_succeeds_once_and_knows_itself():
    async with world() as it:
        arranged(it)
        await it.given(job(completions=4, parallelism=2, completionMode="Indexed"))
        first = it.api.list(Pod)[0]
        assert first.metadata.name.startswith("sums-0-")
        assert first.metadata.annotations["batch.kubernetes.io/job-completion-index"] == "0"
        env = first.spec.containers[0].env[0]
        assert env.name == "JOB_COMPLETION_INDEX"
        await it.settle(30)
        assert (status(it).succeeded, status(it).completed_indexes) == (4, "0-3")
        assert len(it.names(Pod)) == 4


async def test_an_index_that_keeps_failing_fails_alone():
    async with world() as it:
        arranged(it)
        wanted = job(completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=1)
        await it.given(wanted)
        it.node.ends = {}  # what is tried again runs until the test ends it

        async def fail_index_one() -> None:
            for pod in it.api.list(Pod):
                index = pod.metadata.annotations["batch.kubernetes.io/job-completion-index"]
                if index == "1" and pod.status and pod.status.phase == "Running":
                    await it.api.update_status(
                        replace(pod, status=replace(pod.status, phase="Failed"))
                    )

        await fail_index_one()
        await it.settle(10)
        assert status(it).failed_indexes == ""
        await it.settle(4)
        retry = [p for p in it.api.list(Pod) if p.metadata.name.startswith("sums-1-")]
        assert sorted(
            p.metadata.annotations["batch.kubernetes.io/job-index-failure-count"] for p in retry
        ) == ["0", "1"]
        await fail_index_one()
        await it.settle(10)
        ended = status(it)
        assert (ended.completed_indexes, ended.failed_indexes, ended.failed) == ("0,2", "1", 2)
        failed = find(ended.conditions, "Failed")
        assert failed is not None
        assert failed.reason == "FailedIndexes"


async def test_a_deadline_ends_what_runs():
    async with world() as it:
        await it.given(job(image=LONG, parallelism=2, completions=2, activeDeadlineSeconds=20))
        await it.settle(15)
        assert running(it) == 2
        await it.settle(10)
        failed = find(status(it).conditions, "Failed")
        assert failed is not None
        assert failed.reason == "DeadlineExceeded"
        assert (running(it), status(it).failed, status(it).active) == (0, 2, None)


async def test_a_suspended_job_has_no_pods_and_goes_on_where_it_was():
    async with world() as it:
        arranged(it)
        await it.given(job(image=LONG, completions=2, parallelism=2))
        it.node.ends[LONG] = (5.0, 0)
        current = it.the(Job, "sums")
        await it.api.update(replace(current, spec=replace(current.spec, suspend=True)))
        await it.settle(3)
        assert it.names(Pod) == []
        assert is_true(status(it).conditions, "Suspended")
        assert status(it).failed is None
        current = it.the(Job, "sums")
        await it.api.update(replace(current, spec=replace(current.spec, suspend=False)))
        await it.settle(15)
        assert (ended_as(it.the(Job, "sums")), status(it).succeeded) == ("Complete", 2)
        assert {"Suspended", "Resumed"} <= set(reasons(it))


async def test_a_job_goes_with_its_pods_when_its_time_is_over():
    async with world() as it:
        arranged(it)
        await it.given(job(ttlSecondsAfterFinished=60))
        await it.settle(30)
        assert it.names(Job) == ["sums"]
        await it.settle(60)
        assert (it.names(Job), it.names(Pod)) == ([], [])


async def test_a_failure_policy_ignores_counts_and_ends():
    rules = [
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [3]}},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
    ]
    async with world() as it:
        arranged(it)
        await it.given(job(image=BAD, backoffLimit=0, podFailurePolicy={"rules": rules}))
        await it.settle(30)
        assert ended_as(it.the(Job, "sums")) is None
        assert status(it).failed is None
        it.node.ends[BAD] = (2.0, 42)
        await it.settle(120)
        failed = find(status(it).conditions, "Failed")
        assert failed is not None
        assert failed.reason == "PodFailurePolicy"
        assert "failed with exit code 42 matching FailJob rule at index 1" in (failed.message or "")


async def test_a_success_policy_ends_the_rest():
    async with world() as it:
        arranged(it)
        policy = {"rules": [{"succeededIndexes": "0", "succeededCount": 1}]}
        wanted = job(completions=3, parallelism=1, completionMode="Indexed", successPolicy=policy)
        await it.given(wanted)
        await it.settle(20)
        complete = find(status(it).conditions, "Complete")
        assert complete is not None
        assert (complete.reason, complete.message) == ("SuccessPolicy", "Matched rules at index 0")
        assert status(it).succeeded == 1


async def test_only_a_pod_that_is_gone_is_replaced_where_that_is_asked():
    async with world() as it:
        await it.given(job(image=LONG, podReplacementPolicy="Failed"))
        (pod,) = it.api.list(Pod)
        await it.api.delete(Pod, *pod.key)
        await it.settle(15)
        assert status(it).failed == 1
        assert (running(it), status(it).active) == (1, 1)


async def test_nothing_is_counted_twice_or_never_when_the_plane_dies_again_and_again():
    async with world() as it:
        arranged(it)
        it.node.ends = {GOOD: (1.0, 0)}
        await it.given(job(completions=20, parallelism=4))
        for _ in range(12):
            await it.kill_plane()
            await it.clock.sleep(1.3)
            await it.start_plane()
            await it.clock.sleep(0.02)
        await it.settle(60)
        assert (status(it).succeeded, len(it.names(Pod))) == (20, 20)
        assert ended_as(it.the(Job, "sums")) == "Complete"


async def test_pods_of_a_job_that_is_gone_lose_what_held_them():
    async with world() as it:
        await it.given(job(image=LONG, parallelism=2, completions=2))
        await it.kill_plane()
        await it.api.delete(Job, "default", "sums")
        await it.settle(40)
        assert len(it.names(Pod)) == 2
        await it.start_plane()
        await it.settle(40)
        assert it.names(Pod) == []


async def test_a_job_deleted_with_orphans_leaves_pods_that_nothing_holds():
    async with world() as it:
        await it.given(job(image=LONG))
        await it.api.delete(Job, "default", "sums", propagation="Orphan")
        await it.settle(5)
        (pod,) = it.api.list(Pod)
        assert (pod.metadata.owner_references, pod.metadata.finalizers) == ((), ())


async def test_a_surplus_ends_uncounted_when_parallelism_shrinks():
    async with world() as it:
        await it.given(job(image=LONG, parallelism=4, completions=8))
        current = it.the(Job, "sums")
        await it.api.update(replace(current, spec=replace(current.spec, parallelism=1)))
        await it.settle(5)
        assert (running(it), status(it).active, status(it).failed) == (1, 1, None)


async def test_a_job_that_somebody_else_manages_is_left_alone():
    async with world() as it:
        await it.given(job(managedBy="acme.io/queue"))
        await it.settle(5)
        assert (it.names(Pod), it.the(Job, "sums").status) == ([], None)


async def test_what_a_job_is_cannot_be_changed():
    async with world() as it:
        await it.given(job(image=LONG, completions=2))
        current = it.the(Job, "sums")
        with pytest.raises(Invalid) as refused:
            await it.api.update(replace(current, spec=replace(current.spec, completions=3)))
        assert "spec.completions: Invalid value: 3: field is immutable" in str(refused.value)
