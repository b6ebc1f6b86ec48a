"""What annotations say of standby."""

import pytest

from tidegate.policy.standby import (
    NOTHING,
    Level,
    Standby,
    standby_from,
    standby_notes,
    standby_of,
    validate_standby,
)


def test_nothing_is_kept_without_an_annotation():
    assert standby_of({}) == NOTHING
    assert NOTHING.kept(0) == 0


def test_one_pod_is_kept_at_rest_while_no_replica_serves():
    standby = standby_of({"tidegate.dev/standby": "frozen"})
    assert standby == Standby(Level.FROZEN, 1, always=False)
    assert (standby.kept(0), standby.kept(1)) == (1, 0)


def test_several_can_be_kept_beside_the_replicas():
    standby = standby_of(
        {
            "tidegate.dev/standby": "warm",
            "tidegate.dev/standby-replicas": "3",
            "tidegate.dev/standby-when": "always",
        }
    )
    assert (standby.kept(0), standby.kept(5)) == (3, 3)


def test_a_level_without_pods_keeps_none():
    assert standby_of({"tidegate.dev/standby": "imported"}).kept(0) == 0


def test_reserved_instances_are_warm_standby():
    reserve = "knative.aliyun.com/reserve-instance"
    assert standby_of({reserve: "enable", f"{reserve}-replicas": "2"}) == Standby(Level.WARM, 2)
    assert standby_of({reserve: "disable"}) == NOTHING
    assert standby_of({reserve: "enable", "tidegate.dev/standby": "frozen"}).level is Level.FROZEN


@pytest.mark.parametrize("level", list(Level))
def test_what_a_deployment_is_told_is_read_as_it_was_said(level):
    standby = Standby(level, 2, always=True)
    assert standby_from(standby.text) == standby


@pytest.mark.parametrize(
    "text", [None, "", "frozen", "frozen:x:idle", "cold:1:idle", "warm:-1:idle"]
)
def test_anything_else_reads_as_nothing(text):
    assert standby_from(text) == NOTHING


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tidegate.dev/standby", "cold"),
        ("tidegate.dev/standby-replicas", "0"),
        ("tidegate.dev/standby-replicas", "many"),
        ("tidegate.dev/standby-when", "sometimes"),
        ("knative.aliyun.com/reserve-instance", "maybe"),
        ("knative.aliyun.com/reserve-instance-replicas", "101"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key, value):
    (wrong,) = validate_standby({key: value})
    assert wrong.paths == (key,)
    assert value in wrong.message
    assert standby_notes({key: value})[0].startswith(f"{key}: only revisions")
