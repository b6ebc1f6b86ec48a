"""Rolling updates as numbers: never under what was promised, never over the surge."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.controllers.deployment import bounds, plan_cleanup, plan_scales
from tidegate.model.apps import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    ReplicaSetSpec,
    ReplicaSetStatus,
    RollingUpdateDeployment,
)
from tidegate.model.meta import ObjectMeta


def deployment(
    replicas: int, *, surge: int | str = "25%", unavailable: int | str = "25%", recreate=False
):
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    strategy = DeploymentStrategy(
        type="Recreate" if recreate else "RollingUpdate",
        rolling_update=None if recreate else rolling,
    )
    return Deployment(spec=DeploymentSpec(replicas=replicas, strategy=strategy))


def replica_set(name: str, replicas: int, available: int, number: int) -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(
            name=name, annotations={"deployment.kubernetes.io/revision": str(number)}
        ),
        spec=ReplicaSetSpec(replicas=replicas),
        status=ReplicaSetStatus(replicas=replicas, available_replicas=available),
    )


def test_a_lone_replica_set_just_follows_the_count():
    steps = plan_scales(deployment(5), "new", [replica_set("new", 2, 2, 1)], pods_left=False)
    assert [(s.name, s.replicas) for s in steps] == [("new", 5)]


def test_without_spare_or_surge_one_replica_may_be_missing():
    assert bounds(deployment(4, surge=0, unavailable=0)) == (0, 1)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        pytest.param(10, "25%", "25%", (3, 2), id="surge rounds up, unavailable down"),
        pytest.param(1, "25%", 0, (1, 0), id="one replica surges by one"),
        pytest.param(2, 1, "50%", (1, 1), id="numbers and percents mix"),
    ],
)
def test_bounds(replicas, surge, unavailable, expected):
    assert bounds(deployment(replicas, surge=surge, unavailable=unavailable)) == expected


def test_recreate_waits_until_every_old_pod_is_gone():
    owned = [replica_set("old", 3, 3, 1), replica_set("new", 0, 0, 2)]
    wanted = deployment(3, recreate=True)
    first = plan_scales(wanted, "new", owned, pods_left=True)
    assert [(s.name, s.replicas) for s in first] == [("old", 0)]
    going = [replica_set("old", 0, 0, 1), replica_set("new", 0, 0, 2)]
    assert plan_scales(wanted, "new", going, pods_left=True) == []
    last = plan_scales(wanted, "new", going, pods_left=False)
    assert [(s.name, s.replicas) for s in last] == [("new", 3)]


@dataclass
class Rollout:
    """Plays a rollout: each round some of the new pods may become available."""

    wanted: Deployment
    sets: dict[str, ReplicaSet]

    def step(self, become_available: int) -> None:
        owned = list(self.sets.values())
        for scale in plan_scales(self.wanted, "new", owned, pods_left=True):
            current = self.sets[scale.name]
            status = current.status
            assert status is not None
            kept = min(status.available_replicas or 0, scale.replicas)
            self.sets[scale.name] = msgspec.structs.replace(
                current,
                spec=msgspec.structs.replace(current.spec, replicas=scale.replicas),
                status=ReplicaSetStatus(replicas=scale.replicas, available_replicas=kept),
            )
        new = self.sets["new"]
        assert new.status is not None
        available = min(
            new.spec.replicas or 0, (new.status.available_replicas or 0) + become_available
        )
        self.sets["new"] = msgspec.structs.replace(
            new, status=ReplicaSetStatus(replicas=new.spec.replicas, available_replicas=available)
        )

    @property
    def total(self) -> int:
        return sum(rs.spec.replicas or 0 for rs in self.sets.values())

    @property
    def available(self) -> int:
        return sum(
            (rs.status.available_replicas or 0) if rs.status else 0 for rs in self.sets.values()
        )


@given(
    replicas=st.integers(1, 30),
    surge=st.integers(0, 10),
    unavailable=st.integers(0, 10),
    pace=st.lists(st.integers(0, 5), min_size=1, max_size=40),
)
def test_a_rollout_keeps_its_promises_and_ends(replicas, surge, unavailable, pace):
    wanted = deployment(replicas, surge=surge, unavailable=unavailable)
    most, missing = bounds(wanted)
    rollout = Rollout(
        wanted,
        {"old": replica_set("old", replicas, replicas, 1), "new": replica_set("new", 0, 0, 2)},
    )
    for count in pace:
        rollout.step(count)
        assert rollout.total <= replicas + most
        assert rollout.available >= replicas - missing
    for _ in range(100):
        rollout.step(3)
    assert rollout.sets["new"].spec.replicas == replicas
    assert rollout.sets["old"].spec.replicas == 0


def test_history_keeps_the_newest_old_ones():
    owned = [replica_set(f"rs{n}", 0, 0, n) for n in range(1, 6)]
    wanted = msgspec.structs.replace(
        deployment(1), spec=msgspec.structs.replace(deployment(1).spec, revision_history_limit=2)
    )
    assert plan_cleanup(wanted, "rs5", owned) == ["rs1", "rs2"]
