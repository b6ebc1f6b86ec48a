"""Which pods at rest are woken, made and ended."""

from tidegate.controllers.replicaset.standby import Moves, plan_standby
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import Pod, PodSpec, PodStatus
from tidegate.policy.standby import NOTHING, Level, Standby

ONE = Standby(Level.FROZEN, 1)
TWO_ALWAYS = Standby(Level.FROZEN, 2, always=True)


def pod(name: str, *, loaded: bool = True, level: str = "frozen") -> Pod:
    ready = Condition(type="Ready", status="False", reason="Standby" if loaded else "Unready")
    return Pod(
        metadata=ObjectMeta(name=name, labels={"tidegate.dev/standby": level}),
        spec=PodSpec(),
        status=PodStatus(conditions=(ready,)),
    )


def many(count: int, *, ready: bool = True) -> list[Pod]:
    """So many replicas, in the order in which they would go."""
    truth = Condition(type="Ready", status="True" if ready else "False")
    return [
        Pod(
            metadata=ObjectMeta(name=f"r{i}"),
            spec=PodSpec(),
            status=PodStatus(conditions=(truth,)),
        )
        for i in range(count)
    ]


def test_at_zero_one_is_made():
    assert plan_standby(ONE, wanted=0, replicas=many(0), resting=[]) == Moves(make=1)


def test_at_zero_with_one_at_rest_nothing_is_to_be_done():
    assert plan_standby(ONE, wanted=0, replicas=many(0), resting=[pod("a")]) == Moves()


def test_a_wanted_replica_is_woken_instead_of_made():
    a = pod("a")
    assert plan_standby(ONE, wanted=1, replicas=many(0), resting=[a]) == Moves(wake=(a,))


def test_one_that_has_loaded_wakes_before_one_that_loads():
    slow, fast = pod("a", loaded=False), pod("b")
    moves = plan_standby(TWO_ALWAYS, wanted=1, replicas=many(0), resting=[slow, fast])
    assert moves == Moves(wake=(fast,), make=1)


def test_what_no_one_asks_for_any_more_ends():
    a = pod("a")
    assert plan_standby(NOTHING, wanted=0, replicas=many(0), resting=[a]) == Moves(end=(a,))
    assert plan_standby(ONE, wanted=2, replicas=many(2), resting=[a]) == Moves(end=(a,))


def test_one_of_another_level_is_replaced_but_wakes_if_it_is_wanted():
    warm = pod("a", level="warm")
    assert plan_standby(ONE, wanted=0, replicas=many(0), resting=[warm]) == Moves(
        make=1, end=(warm,)
    )
    assert plan_standby(ONE, wanted=1, replicas=many(0), resting=[warm]) == Moves(wake=(warm,))


def test_kept_always_they_are_made_anew_beside_the_replicas():
    a, b = pod("a"), pod("b")
    moves = plan_standby(TWO_ALWAYS, wanted=3, replicas=many(1), resting=[a, b])
    assert moves == Moves(wake=(a, b), make=2)


def test_a_loaded_replica_that_is_not_wanted_goes_to_rest_instead_of_away():
    last, *_ = replicas = many(3)
    assert plan_standby(ONE, wanted=0, replicas=replicas, resting=[]) == Moves(rest=(last,))
    assert plan_standby(ONE, wanted=1, replicas=replicas, resting=[]) == Moves()
    moves = plan_standby(TWO_ALWAYS, wanted=2, replicas=replicas, resting=[])
    assert moves == Moves(rest=(last,), make=1)


def test_one_that_has_not_loaded_is_no_gain():
    loading = many(1, ready=False)
    assert plan_standby(ONE, wanted=0, replicas=loading, resting=[]) == Moves(make=1)
