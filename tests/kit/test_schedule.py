"""When cron lines are due."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kit.schedule import (
    BadSchedule,
    on_day,
    parse_five_fields,
    parse_six_fields,
)

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str, zone: ZoneInfo = UTC, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def due(line: str, after: str, zone: ZoneInfo = UTC, times: int = 1) -> list[str]:
    """The next times it is due, on the wall of the zone."""
    schedule, instant_s, found = parse_six_fields(line, zone), at(after, zone), []
    for _ in range(times):
        later_s = schedule.after(instant_s)
        assert later_s is not None
        found.append(f"{datetime.fromtimestamp(later_s, zone):%m-%d %H:%M:%S %z}")
        instant_s = later_s
    return found


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("0 30 8 * * *", "01-02 08:30:00 +0000"),
        ("15 0 20 * * *", "01-01 20:00:15 +0000"),
        ("*/10 * * * * *", "01-01 12:00:10 +0000"),
        ("0 0 0 ? * MON", "01-05 00:00:00 +0000"),
        ("0 0 0 1 JAN-MAR *", "02-01 00:00:00 +0000"),
        ("@daily", "01-02 00:00:00 +0000"),
        ("@hourly", "01-01 13:00:00 +0000"),
        ("@weekly", "01-04 00:00:00 +0000"),
        ("@every 1h30m", "01-01 13:30:00 +0000"),
        ("@date 2026-01-03 04:05:06", "01-03 04:05:06 +0000"),
    ],
)
def test_the_first_time_after_noon_on_the_first_of_january(line, first):
    assert due(line, "2026-01-01 12:00:00") == [first]


def test_the_zone_is_the_clock_on_the_wall():
    assert due("0 30 8 * * *", "2026-01-01 12:00:00", SHANGHAI) == ["01-02 08:30:00 +0800"]


def test_a_time_that_a_day_does_not_have_is_due_when_the_clocks_jump():
    assert due("0 30 2 * * *", "2026-03-28 12:00:00", BERLIN, times=2) == [
        "03-29 03:00:00 +0200",
        "03-30 02:30:00 +0200",
    ]


def test_a_time_that_a_day_has_twice_is_due_once():
    assert due("0 30 2 * * *", "2026-10-24 12:00:00", BERLIN, times=2) == [
        "10-25 02:30:00 +0200",
        "10-26 02:30:00 +0100",
    ]


def test_a_line_about_passing_time_goes_through_the_repeated_hour():
    assert due("0 */30 * * * *", "2026-10-25 01:45:00", BERLIN, times=5) == [
        "10-25 02:00:00 +0200",
        "10-25 02:30:00 +0200",
        "10-25 02:00:00 +0100",
        "10-25 02:30:00 +0100",
        "10-25 03:00:00 +0100",
    ]


def test_a_single_date_is_due_once():
    schedule = parse_six_fields("@date 2026-01-03 04:05:06", UTC)
    assert schedule.once
    assert schedule.after(at("2026-01-03 04:05:06")) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("30 8 * * *", "five fields: put the seconds in front"),
        ("0 0 0 0 0 0 0", "found 7"),
        ("0 61 8 * * *", "bad minute"),
        ("0 0 25 * * *", "bad hour"),
        ("0 0 0 * * FUN", "bad day-of-week"),
        ("0 0 0 31 2 *", "bad day-of-month"),
        ("@fortnightly", "unrecognized descriptor"),
        ("@every soon", "no duration"),
        ("@every 0s", "a second at least"),
        ("@date tomorrow", "write it as @date"),
        ("", "found 0"),
    ],
)
def test_a_wrong_line_names_its_field(line, says):
    with pytest.raises(BadSchedule, match=says):
        parse_six_fields(line, UTC)


def test_five_fields_are_for_cron_jobs():
    schedule = parse_five_fields("0 0 * * *", UTC)
    assert schedule.after(at("2026-01-01 12:00:00")) == at("2026-01-02 00:00:00")
    with pytest.raises(BadSchedule, match="exactly 5 fields"):
        parse_five_fields("0 0 0 * * *", UTC)


def test_excluded_days_are_days():
    assert on_day("* * * 15 11 *", date(2026, 11, 15))
    assert not on_day("* * * 15 11 *", date(2026, 11, 16))
    assert on_day("* * * * * 5", date(2026, 11, 20))
    assert not on_day("* * * * * 5", date(2026, 11, 21))


_LINES = st.sampled_from(
    ["0 30 2 * * *", "0 0 3 * * *", "30 59 1 * * *", "0 */7 * * * *", "0 15 */3 * * *", "@daily"]
)


@given(_LINES, st.sampled_from([UTC, BERLIN, ZoneInfo("America/New_York")]), st.integers(0, 400))
def test_due_times_grow_and_are_the_same_from_wherever_one_asks(line, zone, day):
    schedule = parse_six_fields(line, zone)
    start_s = at("2026-01-01 00:00:00") + day * 86400.0
    first_s = schedule.after(start_s)
    assert first_s is not None
    second_s = schedule.after(first_s)
    assert second_s is not None
    assert start_s < first_s < second_s
    assert schedule.after(first_s - 0.5) == first_s
    assert schedule.after((first_s + second_s) / 2) == second_s
