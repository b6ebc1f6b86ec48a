"""What an autoscaler remembers of its decisions and cold starts."""

from __future__ import annotations

import msgspec

from tidegate.autoscale.history import COLD_STARTS, DECISIONS, History, cold_start_words
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import LocalPod, Pod, PodStatus
from tidegate.model.serving import ColdStart, PodAutoscalerStatus, ScaleDecision


class At:
    """A clock that stands: monotonic time `s`, wall time a million seconds ahead."""

    def __init__(self, s: float) -> None:
        self.s = s

    def monotonic(self) -> float:
        return self.s

    def now(self) -> float:
        return self.s + 1e6

    async def sleep(self, for_s: float) -> None:
        raise AssertionError("nobody waits here")


def decision(replicas: int, *, rule: str = "stable", message: str = "Because.") -> ScaleDecision:
    return ScaleDecision(
        time="", rule=rule, message=message, ready=1, replicas=replicas, wanted=replicas
    )


def pod(name: str, **stages: float) -> Pod:
    return Pod(metadata=ObjectMeta(name=name), status=PodStatus(tidegate=LocalPod(stages=stages)))


def test_only_a_change_of_mind_is_remembered():
    history = History(At(5), None)
    assert history.note(decision(1))
    assert not history.note(decision(1, message="The same in other numbers."))
    assert history.note(decision(1, rule="panic-hold"))
    assert history.note(decision(2))
    assert [d.replicas for d in history.decisions] == [1, 1, 2]
    assert history.decisions[0].time == "1970-01-12T13:46:45.000000Z"


def test_a_step_that_has_nothing_to_say_yet_is_none():
    history = History(At(5), None)
    history.note(decision(3))
    assert not history.note(decision(3, rule="decision", message=""))


def test_the_oldest_are_forgotten_first():
    history = History(At(5), None)
    for count in range(DECISIONS + 10):
        history.note(decision(count))
    assert [history.decisions[i].replicas for i in (0, -1)] == [10, DECISIONS + 9]
    assert len(history.decisions) == DECISIONS


def test_a_restarted_control_plane_goes_on_where_the_status_ends():
    first = History(At(5), None)
    first.note(decision(1))
    first.asked(4.0)
    left = PodAutoscalerStatus(decisions=first.decisions, cold_starts=first.cold_starts)
    wire = msgspec.json.decode(msgspec.json.encode(left), type=PodAutoscalerStatus)
    second = History(At(6), wire)
    assert not second.note(decision(1))
    second.asked(5.0)
    assert len(second.cold_starts) == 1


def test_the_stages_of_the_first_ready_pod_count_from_the_request():
    history = History(At(10), None)
    history.asked(10.0)
    history.asked(11.0)  # the gateway says it again each second
    history.reached(10.25, "decided_s")
    late = pod("late", seen=10.5, spawned=10.6, ready=13.0)
    first = pod("first", seen=10.5, spawned=10.75, listening=11.5, ready=12.0)
    history.follow([late, pod("slow", seen=10.5), first])
    assert history.cold_starts == (
        ColdStart(
            time="1970-01-12T13:46:50.000000Z",
            pod="first",
            decided_s=0.25,
            seen_s=0.5,
            spawned_s=0.75,
            listening_s=1.5,
            ready_s=2.0,
        ),
    )


def test_a_pod_that_was_ready_before_the_request_is_no_part_of_its_cold_start():
    history = History(At(10), None)
    history.asked(10.0)
    history.follow([pod("going", seen=1.0, ready=2.0)])
    assert history.cold_starts[0].ready_s is None


def test_the_next_request_at_zero_is_another_cold_start_also_after_one_that_came_to_nothing():
    history = History(At(10), None)
    history.asked(10.0)
    history.follow([pod("a", ready=11.0)])
    history.asked(50.0)
    history.note(decision(0, rule="progress-deadline"))
    history.asked(90.0)
    assert len(history.cold_starts) == 3
    for number in range(COLD_STARTS):
        history.note(decision(number + 1))
        history.note(decision(0))
        history.asked(100.0 + number)
    assert len(history.cold_starts) == COLD_STARTS


def test_a_cold_start_in_words_counts_each_stage_from_the_one_before():
    start = ColdStart(time="x", decided_s=0.001, seen_s=0.011, spawned_s=0.02, ready_s=0.5)
    assert cold_start_words(start) == (
        "A request found no replica; a replica was ready after 0.500 s (decided +0.001, "
        "scheduled +0.010, process started +0.009, probe passed +0.480)."
    )
    assert cold_start_words(ColdStart(time="x")) == "A request waits for a replica."
