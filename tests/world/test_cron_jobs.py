"""CronJobs on the whole control plane: a Job at each time, never two, whatever is killed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.conditions import seconds_of, timestamp
from tidegate.model.core import Event
from tidegate.model.errors import Invalid
from tidegate.model.jobs import CronJob, CronJobStatus, Job, ended_as
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

GOOD, BAD, LONG = "good:1", "bad:1", "long:1"


def cron(*, image: str = GOOD, schedule: str = "* * * * *", **spec: Any) -> CronJob:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    template = {
        "metadata": {"labels": {"team": "sums"}},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
    raw = {
        "metadata": {"name": "nightly", "namespace": "default"},
        "spec": {"schedule": schedule, "jobTemplate": template, **spec},
    }
    return read(raw, CronJob)[0]


def arranged(it: World) -> None:
    it.node.ends = {GOOD: (5.0, 0), BAD: (2.0, 1)}


def status(it: World) -> CronJobStatus:
    return it.the(CronJob, "nightly").status or CronJobStatus()


def reasons(it: World) -> list[str]:
    return [event.reason or "" for event in it.api.list(Event)]


async def to_minute(it: World, after_s: float = 0.0) -> float:
    """Wait for the next full minute and so much more; that minute."""
    left_s = 60 - it.clock.now() % 60
    minute_s = it.clock.now() + left_s
    await it.clock.sleep(left_s + after_s)
    return minute_s


async def test_each_minute_has_its_job_named_by_it():
    async with world() as it:
        arranged(it)
        await it.given(cron())
        minute_s = await to_minute(it, 2)
        (job,) = it.api.list(Job)
        assert job.metadata.name == f"nightly-{round(minute_s) // 60}"
        assert job.metadata.labels["team"] == "sums"
        at = job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"]
        assert seconds_of(at) == round(minute_s)
        assert [ref.name for ref in status(it).active] == [job.metadata.name]
        assert status(it).last_schedule_time == timestamp(round(minute_s))
        await it.settle(15)
        assert status(it).active == ()
        assert status(it).last_successful_time is not None
        await it.settle(55)
        assert len(it.names(Job)) == 2
        assert {"SuccessfulCreate", "SawCompletedJob"} <= set(reasons(it))


async def test_only_so_many_that_have_ended_are_kept():
    async with world() as it:
        arranged(it)
        await it.given(cron(successfulJobsHistoryLimit=2))
        await it.settle(6 * 60)
        assert len(it.names(Job)) in (2, 3)
        assert "SuccessfulDelete" in reasons(it)


async def test_of_failed_ones_one_is_kept():
    async with world() as it:
        arranged(it)
        await it.given(cron(image=BAD))
        await it.settle(4 * 60)
        await to_minute(it, 30)
        assert [ended_as(job) for job in it.api.list(Job)] == ["Failed"]


async def test_missed_starts_are_made_up_once_and_it_is_the_latest():
    async with world() as it:
        arranged(it)
        await it.given(cron())
        await it.kill_plane()
        await it.clock.sleep(5 * 60)
        last = await to_minute(it, 10)
        await it.start_plane()
        await it.settle(3)
        assert it.names(Job) == [f"nightly-{round(last) // 60}"]


async def test_a_start_that_is_later_than_its_deadline_is_given_up():
    async with world() as it:
        arranged(it)
        await it.given(cron(schedule="*/5 * * * *", startingDeadlineSeconds=100))
        await it.kill_plane()
        left_s = 300 - it.clock.now() % 300
        await it.clock.sleep(left_s + 200)
        await it.start_plane()
        await it.settle(3)
        assert it.names(Job) == []


async def test_no_time_has_two_jobs_however_often_the_plane_dies():
    async with world() as it:
        arranged(it)
        await it.given(cron(successfulJobsHistoryLimit=100))
        made: set[str] = set()
        for _ in range(5):
            await to_minute(it, 0.1)
            await it.kill_plane()
            await it.start_plane()
            await it.clock.sleep(0.01)
            await it.kill_plane()
            await it.start_plane()
            await it.settle(5)
            made |= {job.metadata.uid or "" for job in it.api.list(Job)}
        assert len(it.names(Job)) == len(made) == 5


async def test_a_job_made_just_before_the_plane_died_is_followed():
    async with world() as it:
        await it.given(cron(image=LONG))
        await to_minute(it, 2)
        current = it.the(CronJob, "nightly")
        await it.kill_plane()
        await it.api.update_status(replace(current, status=None))
        await it.start_plane()
        await it.settle(3)
        assert len(it.names(Job)) == 1
        assert [ref.name for ref in status(it).active] == it.names(Job)


@pytest.mark.parametrize(
    ("policy", "active"),
    [
        pytest.param("Allow", 3, id="all at once"),
        pytest.param("Forbid", 1, id="only the first"),
        pytest.param("Replace", 1, id="only the last"),
    ],
)
async def test_what_still_runs_is_joined_waited_for_or_replaced(policy, active):
    async with world() as it:
        await it.given(cron(image=LONG, concurrencyPolicy=policy))
        first = await to_minute(it, 2)
        await it.settle(120)
        assert len(status(it).active) == active
        oldest = f"nightly-{round(first) // 60}"
        assert (oldest in it.names(Job)) == (policy != "Replace")


async def test_a_forbidden_start_is_made_up_when_the_one_before_has_ended():
    async with world() as it:
        it.node.ends = {GOOD: (90.0, 0)}
        await it.given(cron(concurrencyPolicy="Forbid"))
        await to_minute(it, 75)
        assert len(it.names(Job)) == 1
        assert "JobAlreadyActive" in reasons(it)
        await it.settle(25)
        assert len(it.names(Job)) == 2


async def test_a_suspended_one_starts_nothing():
    async with world() as it:
        await it.given(cron(suspend=True))
        await it.settle(200)
        assert it.names(Job) == []
        current = it.the(CronJob, "nightly")
        await it.api.update(replace(current, spec=replace(current.spec, suspend=False)))
        await it.settle(3)
        assert len(it.names(Job)) == 1


async def test_its_jobs_go_with_it():
    async with world() as it:
        await it.given(cron(image=LONG))
        await to_minute(it, 5)
        await it.api.delete(CronJob, "default", "nightly")
        await it.settle(40)
        assert it.names(Job) == []


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"schedule": "every day"}, "expected exactly 5 fields, found 2"),
        ({"schedule": "@reboot"}, "unrecognized descriptor: @reboot"),
        ({"schedule": "61 * * * *"}, 'spec.schedule: Invalid value: "61 * * * *"'),
        ({"schedule": "TZ=UTC 1 * * * *"}, "cannot use TZ or CRON_TZ in schedule"),
        ({"timeZone": "Mars/Olympus"}, "unknown time zone Mars/Olympus"),
        ({"timeZone": "local"}, "must be an explicit time zone"),
        ({"concurrencyPolicy": "Maybe"}, 'supported values: "Allow", "Forbid", "Replace"'),
        ({"failedJobsHistoryLimit": -1}, "must be greater than or equal to 0"),
    ],
)
async def test_what_is_wrong_is_refused_with_its_path(spec, why):
    async with world() as it:
        with pytest.raises(Invalid) as refused:
            await it.given(cron(**spec))
        assert why in str(refused.value)
