"""Which start of a CronJob is due."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.controllers.cronjob.plan import job_name, plan_cron_job
from tidegate.controllers.cronjob.times import Times, times
from tidegate.kit.schedule import parse_five_fields
from tidegate.model.conditions import timestamp
from tidegate.model.jobs import CronJob
from tidegate.model.wire import read


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def due(line: str, since: str, now: str, *, deadline_s: int | None = None) -> Times:
    schedule = parse_five_fields(line, UTC)
    return times(schedule, since_s=at(since), deadline_s=deadline_s, now_s=at(now))


@pytest.mark.parametrize(
    ("line", "since", "now", "expected"),
    [
        pytest.param("0 * * * *", "2026-01-01 10:00", "2026-01-01 10:59:59", None, id="none yet"),
        pytest.param("0 * * * *", "2026-01-01 10:00", "2026-01-01 11:00", "11:00", id="just now"),
        pytest.param("0 * * * *", "2026-01-01 01:30", "2026-01-01 11:20", "11:00", id="the latest"),
        pytest.param(
            "*/5 9-10 * * *", "2025-12-31 08:00", "2026-01-01 08:00", "2025-12-31 10:55", id="a gap"
        ),
        pytest.param(
            "0 0 29 2 *", "2020-02-29 00:00", "2027-01-01 00:00", "2024-02-29 00:00", id="leap day"
        ),
    ],
)
def test_the_latest_start_that_was_not_made_is_due(line, since, now, expected):
    found = due(line, since, now).due_s
    day = "" if expected is None or len(expected) > 5 else "2026-01-01 "
    assert found == (None if expected is None else at(day + expected))


def test_of_several_missed_starts_the_one_that_is_due_this_very_second_is_made():
    found = due("0 * * * *", "2026-01-01 01:30", "2026-01-01 11:00")
    assert (found.due_s, found.next_s) == (at("2026-01-01 11:00"), at("2026-01-01 12:00"))


def test_the_next_start_follows_the_latest():
    assert due("0 * * * *", "2026-01-01 01:30", "2026-01-01 11:20").next_s == at("2026-01-01 12:00")


def test_a_start_beyond_its_deadline_is_given_up():
    late = due("0 * * * *", "2026-01-01 09:30", "2026-01-01 10:05", deadline_s=200)
    assert late.due_s is None
    assert late.next_s == at("2026-01-01 11:00")


@pytest.mark.parametrize(("hours", "many"), [(1, False), (2, True)])
def test_more_than_a_hundred_missed_starts_are_many(hours, many):
    assert due("* * * * *", "2026-01-01 00:00", f"2026-01-01 0{hours}:30").many is many


def test_every_so_often_counts_from_the_last_start():
    found = due("@every 7m", "2026-01-01 00:01", "2026-01-01 00:20")
    assert (found.due_s, found.next_s) == (at("2026-01-01 00:15"), at("2026-01-01 00:22"))


@given(
    line=st.sampled_from(["*/7 * * * *", "0 3 * * *", "15 9-17 * * 1-5", "0 0 1 * *"]),
    since_s=st.integers(1_700_000_000, 1_700_600_000),
    passed_s=st.integers(0, 5_000_000),
)
def test_none_lies_between_the_latest_and_now(line, since_s, passed_s):
    schedule = parse_five_fields(line, UTC)
    now_s = float(since_s + passed_s)
    found = times(schedule, since_s=float(since_s), deadline_s=None, now_s=now_s)
    if found.due_s is None:
        assert found.next_s is not None
        assert found.next_s > now_s
    else:
        assert since_s < found.due_s <= now_s
        assert schedule.after(found.due_s) == found.next_s
        assert found.next_s is not None
        assert found.next_s > now_s


def test_times_are_those_of_its_zone_and_the_job_says_so():
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "python:3"}]}
    raw = {
        "metadata": {
            "name": "nightly",
            "namespace": "default",
            "uid": "u",
            "creationTimestamp": timestamp(at("2026-01-01 00:00")),
        },
        "spec": {
            "schedule": "30 3 * * *",
            "timeZone": "Asia/Kolkata",
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        },
    }
    cron = read(raw, CronJob)[0]
    plan = plan_cron_job(cron, (), zone=ZoneInfo("UTC"), now_s=at("2026-01-01 22:00:01"))
    assert plan.due_s == at("2026-01-01 22:00")
    assert plan.start is not None
    assert plan.start.metadata.name == job_name(cron, at("2026-01-01 22:00")) == "nightly-29455080"
    assert plan.start.metadata.annotations == {
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-02T03:30:00+05:30"
    }
