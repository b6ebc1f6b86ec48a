"""How long pods may take, as numbers."""

from tidegate.model.conditions import timestamp
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.node.grace import grace_of, until_deadline_s, until_gone_s, until_kill_s

NOW_S = 1_000_000.0


def pod(grace_s=None, deadline_s=None, *, goes_after_s=None):
    gone = timestamp(NOW_S + goes_after_s) if goes_after_s is not None else None
    meta = ObjectMeta(deletion_timestamp=gone, deletion_grace_period_seconds=goes_after_s)
    spec = PodSpec(termination_grace_period_seconds=grace_s, active_deadline_seconds=deadline_s)
    return Pod(metadata=meta, spec=spec)


def test_a_pod_has_half_a_minute_unless_it_says_otherwise():
    assert grace_of(pod()) == 30.0
    assert grace_of(pod(grace_s=0)) == 0.0


def test_a_deadline_is_counted_from_the_start():
    assert until_deadline_s(pod(), begun_s=NOW_S, now_s=NOW_S + 5) is None
    assert until_deadline_s(pod(deadline_s=20), begun_s=NOW_S, now_s=NOW_S + 5) == 15
    assert until_deadline_s(pod(deadline_s=20), begun_s=NOW_S, now_s=NOW_S + 30) == -10


def test_an_unrouted_pod_is_killed_at_its_deletions_end_and_never_later_than_its_grace():
    going = pod(goes_after_s=10)
    assert until_gone_s(going, now_s=NOW_S + 4) == 6
    assert until_kill_s(going, routed=False, most_s=30, now_s=NOW_S + 4) == 7
    assert until_kill_s(going, routed=False, most_s=30, now_s=NOW_S) == 10


def test_a_routed_pods_grace_begins_when_it_is_drained():
    going = pod(goes_after_s=300)
    assert until_kill_s(going, routed=True, most_s=30, now_s=NOW_S + 250) == 30
    assert until_kill_s(pod(goes_after_s=5), routed=True, most_s=30, now_s=NOW_S + 250) == 5
