"""Which ReplicaSet is which revision, and which of them may go."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.controllers.deployment.history import (
    brought_in_line,
    desired_set,
    find_new,
    number,
    obsolete,
    template_of,
    wish_of,
)
from tidegate.model.apps import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    ReplicaSetSpec,
    ReplicaSetStatus,
    RollingUpdateDeployment,
)
from tidegate.model.containers import Container, ResourceRequirements
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import PodSpec, PodTemplateSpec

REVISION = "deployment.kubernetes.io/revision"


def deployment(
    replicas: int = 2,
    *,
    surge: int | str = "25%",
    unavailable: int | str = "25%",
    image: str = "a:1",
    recreate: bool = False,
    limit: int | None = None,
) -> Deployment:
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    return Deployment(
        metadata=ObjectMeta(
            name="web",
            namespace="default",
            uid="u",
            annotations={"kubernetes.io/change-cause": image, REVISION: "7"},
        ),
        spec=DeploymentSpec(
            replicas=replicas,
            revision_history_limit=limit,
            selector=LabelSelector(match_labels={"app": "web"}),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels={"app": "web"}),
                spec=PodSpec(containers=(Container(name="c", image=image),)),
            ),
            strategy=DeploymentStrategy(
                type="Recreate" if recreate else "RollingUpdate",
                rolling_update=None if recreate else rolling,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        pytest.param(10, "25%", "25%", (3, 2), id="surge rounds up, unavailable down"),
        pytest.param(1, "25%", 0, (1, 0), id="one replica surges by one"),
        pytest.param(2, 1, "50%", (1, 1), id="numbers and percents mix"),
        pytest.param(4, 0, 0, (0, 1), id="without either one may be missing"),
        pytest.param(3, "0%", "10%", (0, 1), id="both round to nothing: one may be missing"),
        pytest.param(2, 0, 5, (0, 2), id="no more can be missing than there are"),
        pytest.param(0, "25%", "25%", (0, 0), id="of nothing nothing is missing"),
    ],
)
def test_what_may_be_too_many_and_what_may_be_missing(replicas, surge, unavailable, expected):
    wish = wish_of(deployment(replicas, surge=surge, unavailable=unavailable))
    assert (wish.surge, wish.unavailable) == expected


def test_recreate_knows_neither():
    wish = wish_of(deployment(recreate=True))
    assert (wish.recreate, wish.surge, wish.unavailable) == (True, 0, 0)


def test_the_set_of_a_template_is_found_by_it_and_carries_the_cause_of_the_change():
    it = deployment()
    rs = desired_set(it, 2, 1, 0)
    assert template_of(rs) == it.spec.template
    assert find_new(it, [desired_set(deployment(image="a:2"), 0, 1, 0), rs]) is rs
    assert rs.metadata.annotations == {
        "kubernetes.io/change-cause": "a:1",
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
    }
    assert rs.spec.selector.match_labels["pod-template-hash"] in rs.metadata.name


def test_what_clients_write_back_empty_is_the_same_template():
    """`kubectl rollout undo` sends `resources: {}` where the document had nothing."""
    it = deployment()
    rs = desired_set(it, 2, 1, 0)
    container = replace(it.spec.template.spec.containers[0], resources=ResourceRequirements())
    spec = replace(it.spec.template.spec, containers=(container,))
    back = replace(it, spec=replace(it.spec, template=replace(it.spec.template, spec=spec)))
    assert find_new(back, [rs]) is rs
    assert desired_set(back, 2, 1, 0).metadata.name == rs.metadata.name


def test_a_name_that_is_taken_gets_another_hash():
    assert desired_set(deployment(), 2, 1, 0).metadata.name != (
        desired_set(deployment(), 2, 1, 1).metadata.name
    )


def test_an_old_revision_that_is_wanted_again_gets_a_new_number_and_keeps_its_old_ones():
    it = deployment()
    again = brought_in_line(it, desired_set(it, 0, 1, 0), 4)
    assert number(again) == 4
    third = brought_in_line(it, again, 6)
    assert third.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1,4"
    assert brought_in_line(it, third, 6) == third


def old(revision: int, replicas: int = 0, *, observed: int = 1) -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"rs{revision}", generation=1, annotations={REVISION: str(revision)}
        ),
        spec=ReplicaSetSpec(replicas=replicas),
        status=ReplicaSetStatus(replicas=replicas, observed_generation=observed),
    )


def test_history_keeps_the_newest_old_ones():
    sets = [old(n) for n in (4, 1, 3, 2)]
    names = [rs.metadata.name for rs in obsolete(deployment(limit=2), sets)]
    assert names == ["rs1", "rs2"]


def test_a_set_with_pods_or_one_that_was_not_looked_at_yet_is_kept():
    assert obsolete(deployment(limit=0), [old(1, 1), old(2, observed=0)]) == []
    going = replace(old(3), metadata=replace(old(3).metadata, deletion_timestamp="x"))
    assert obsolete(deployment(limit=0), [going]) == []
