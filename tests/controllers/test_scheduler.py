"""Placing pods: room is counted, never oversubscribed, and a refusal says what is short."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.controllers.scheduler import choose_node, requests_of
from tidegate.model.core import Container, Node, NodeStatus, Pod, PodSpec, ResourceRequirements
from tidegate.model.meta import Condition, ObjectMeta


def node(name: str, cpu: str = "2", memory: str = "4Gi", *, ready: bool = True) -> Node:
    return Node(
        metadata=ObjectMeta(name=name),
        status=NodeStatus(
            allocatable={"cpu": cpu, "memory": memory, "pods": "10"},
            conditions=(Condition(type="Ready", status="True" if ready else "False"),),
        ),
    )


def pod(
    name: str = "p",
    *,
    on: str | None = None,
    selector: dict[str, str] | None = None,
    **requests: str,
) -> Pod:
    container = Container(name="c", resources=ResourceRequirements(requests=dict(requests)))
    return Pod(
        metadata=ObjectMeta(name=name),
        spec=PodSpec(containers=(container,), node_name=on, node_selector=selector or {}),
    )


def test_a_pod_goes_where_there_is_most_room():
    busy = [pod("other", on="a", cpu="1500m")]
    assert choose_node(pod(cpu="1"), [node("a"), node("b")], {"a": busy, "b": []}) == ("b", "")


def test_a_refusal_counts_the_nodes_and_names_what_is_short():
    choice, why = choose_node(pod(cpu="3", memory="8Gi"), [node("a")], {"a": []})
    assert choice is None
    assert why == "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."


def test_selectors_and_readiness_count_too():
    nodes = [node("a"), node("b", ready=False)]
    choice, why = choose_node(pod(selector={"gpu": "yes"}), nodes, {"a": [], "b": []})
    assert choice is None
    assert why == (
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) were not ready."
    )


def test_limits_stand_in_for_requests_that_are_not_given():
    limited = Container(name="c", resources=ResourceRequirements(limits={"nvidia.com/gpu": "1"}))
    assert requests_of(PodSpec(containers=(limited,)))["nvidia.com/gpu"] == 1


@given(st.lists(st.integers(1, 2500), max_size=20))
def test_a_node_is_never_promised_more_than_it_has(asked_milli):
    placed: list[Pod] = []
    for milli in asked_milli:
        wanted = pod(cpu=f"{milli}m")
        choice, _ = choose_node(wanted, [node("a")], {"a": placed})
        if choice is not None:
            placed.append(wanted)
    assert sum(requests_of(p.spec)["cpu"] for p in placed) <= 2
