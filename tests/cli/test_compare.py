"""`tidegate compare`, from TrafficReports as the API serves them to a table and verdicts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.cli.compare import as_json, latency_text, sides_of, verdicts
from tidegate.cli.main import main
from tidegate.routing.latency import edges_ms

AFTER = datetime(2026, 1, 1, 11, 0, 30, tzinfo=UTC)
SERVICE = {"status": {"traffic": [{"revisionName": "a-1", "percent": 90}]}}


def minute(time="2026-01-01T11:30:00Z", **tally):
    return {"time": time, "tally": {"requests": 0, "errors": 0, "coldStarts": 0, **tally}}


def report(name, *minutes):
    return {"metadata": {"name": name}, "status": {"minutes": list(minutes)}}


def busy(requests, errors, bucket):
    return minute(requests=requests, errors=errors, latency={str(bucket): requests})


def sides(*reports):
    return sides_of(SERVICE, list(reports), AFTER)


def test_minutes_add_up_and_older_ones_are_left_out():
    old = minute("2026-01-01T10:59:00Z", requests=1000)
    one = minute(requests=10, errors=1, coldStarts=2, replicaSeconds=30.0, latency={"100": 10})
    two = minute("2026-01-01T11:31:00Z", requests=10, replicaSeconds=30.0, latency={"100": 10})
    (side,) = sides(report("a-1", old, one, two))
    assert (side.percent, side.counts.requests, side.counts.errors) == (90, 20, 1)
    assert (side.cold_starts, side.replica_s, side.cost) == (2, 60.0, 3000.0)
    assert side.counts.latency == {100: 20}


def test_a_minute_that_had_begun_counts():
    (side,) = sides(report("a-1", minute("2026-01-01T11:00:00Z", requests=5)))
    assert side.counts.requests == 5


def test_revisions_without_anything_in_that_time_are_left_out():
    assert sides(report("a-1"), report("a-2", minute("2026-01-01T10:00:00Z", requests=5))) == []


def test_two_that_differ_are_told_apart():
    said = list(
        verdicts(sides(report("a-1", busy(5000, 5, 100)), report("a-2", busy(5000, 100, 120))))
    )
    assert said[0].startswith("a-2 has more errors than a-1, beyond chance (Fisher's exact test")
    assert said[1] == "The p99 of a-2 is higher than that of a-1."


def test_two_alike_are_not():
    said = list(
        verdicts(sides(report("a-1", busy(5000, 5, 100)), report("a-2", busy(500, 1, 100))))
    )
    assert said[0].startswith("Their error rates differ no more than chance explains")
    assert said[1].startswith("Their p50, p90 and p99 lie within")


def test_json_has_an_upper_bound_only_where_there_is_one():
    made = as_json(sides(report("a-1", busy(50, 0, 100))))["revisions"][0]
    assert made["latencyMs"]["p99"]["high"] is None
    assert made["latencyMs"]["p50"]["low"] == made["latencyMs"]["p50"]["value"]
    assert made["errorRateInterval"][0] == 0.0


@pytest.mark.parametrize("names", [["a-1"], ["a-1", "a-2", "a-3"]])
def test_one_or_three_revisions_are_no_comparison(capsys, names):
    assert main(["compare", "a", *names]) == 2
    assert "name two revisions to compare, or none" in capsys.readouterr().err


def test_seconds_are_written_out():
    bucket = next(b for b in range(1000) if edges_ms(b)[0] > 5000)
    (side,) = sides(report("a-1", busy(500, 0, bucket)))
    low, high = edges_ms(bucket)
    assert low < float(latency_text(side, 0.5).split()[0]) < high
    assert "e" not in latency_text(side, 0.5)
