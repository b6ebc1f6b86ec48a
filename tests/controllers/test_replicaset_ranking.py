"""Which pod of a ReplicaSet goes first."""

from __future__ import annotations

import pytest

from tidegate.controllers.replicaset.ranking import deletion_cost, victims
from tidegate.model.conditions import timestamp
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import (
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
)

NOW_S = 1_800_000_000.0


def pod(
    name: str,
    *,
    node: str | None = "n",
    phase: str = "Running",
    ready_s: float | None = 1000,
    age_s: float = 1000,
    restarts: int = 0,
    cost: str | None = None,
) -> Pod:
    """`ready_s`: for how long; None: not ready."""
    since = timestamp(NOW_S - ready_s) if ready_s is not None else None
    ready = Condition(
        type="Ready", status="False" if ready_s is None else "True", last_transition_time=since
    )
    return Pod(
        metadata=ObjectMeta(
            name=name,
            uid=name,
            creation_timestamp=timestamp(NOW_S - age_s),
            annotations={"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {},
        ),
        spec=PodSpec(node_name=node),
        status=PodStatus(
            phase=phase,
            conditions=(ready,),
            container_statuses=(ContainerStatus(name="c", restart_count=restarts),),
        ),
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(pod("z", node=None), pod("a"), id="without a node"),
        pytest.param(pod("z", phase="Pending"), pod("a"), id="pending"),
        pytest.param(pod("z", phase="Pending"), pod("a", phase="Unknown"), id="pending or unknown"),
        pytest.param(pod("z", ready_s=None), pod("a", cost="-5"), id="not ready before cheap"),
        pytest.param(pod("z", cost="-5"), pod("a"), id="cheaper"),
        pytest.param(
            pod("z", cost="1"), pod("a", cost="2", ready_s=1), id="cheaper before younger"
        ),
        pytest.param(pod("z", ready_s=10), pod("a", ready_s=1000), id="ready for a shorter time"),
        pytest.param(pod("a", ready_s=700), pod("z", ready_s=690), id="about as long: by uid"),
        pytest.param(pod("z", restarts=3), pod("a", restarts=1), id="restarted more often"),
        pytest.param(
            pod("z", ready_s=None, age_s=10), pod("a", ready_s=None, age_s=1000), id="younger"
        ),
    ],
)
def test_of_two_the_one_that_is_missed_less_goes_first(first, second):
    assert victims([second, first], 1, now_s=NOW_S) == [first]
    assert victims([first, second], 1, now_s=NOW_S) == [first]


def test_a_crowded_node_gives_first():
    crowded, alone = pod("z", node="n1"), pod("a", node="n2")
    related = [crowded, alone, pod("other", node="n1")]
    assert victims([alone, crowded], 1, related=related, now_s=NOW_S) == [crowded]


def test_no_more_go_than_asked_for():
    assert victims([pod("a"), pod("b")], 0, now_s=NOW_S) == []
    assert len(victims([pod("a"), pod("b")], 5, now_s=NOW_S)) == 2


@pytest.mark.parametrize(
    ("text", "cost"),
    [("10", 10), ("-7", -7), ("+1", 0), ("007", 0), ("1.5", 0), ("9" * 20, 0), ("cheap", 0)],
)
def test_a_cost_is_a_whole_number_or_nothing(text, cost):
    assert deletion_cost(pod("a", cost=text)) == cost
