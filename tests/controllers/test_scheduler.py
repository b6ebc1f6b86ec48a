"""Placing pods: room is counted, never oversubscribed, and a refusal says what is short."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tidegate.controllers.scheduler import choose_node, requests_of, with_cards
from tidegate.model.containers import Container, ResourceRequirements
from tidegate.model.core import Node, NodeStatus
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.policy.gpu_cards import (
    CARDS_NOTE,
    MEMORY,
    WHOLE,
    capacity_of,
    card_note,
    simulated_cards,
)


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


def gpu_node(asked: str = "2x15GiB") -> Node:
    cards = simulated_cards(asked)
    plain = node("g", cpu="64", memory="256Gi")
    offered = {**plain.status.allocatable, **capacity_of(cards)} if plain.status else {}
    return replace(
        plain,
        metadata=ObjectMeta(name="g", annotations={CARDS_NOTE: card_note(cards)}),
        status=replace(plain.status, allocatable=offered),
    )


def gpu_pod(name: str, **limits: str) -> Pod:
    resources = ResourceRequirements(limits=dict(limits))
    return Pod(
        metadata=ObjectMeta(name=name),
        spec=PodSpec(containers=(Container(name="c", resources=resources),)),
    )


def test_gpus_are_given_by_card_and_a_card_is_never_given_twice():
    machine, on_node = gpu_node(), {"g": []}
    for name, resource in (("a", WHOLE), ("b", MEMORY)):
        pod_ = gpu_pod(name, **{resource: "1"})
        assert choose_node(pod_, [machine], on_node)[0] == "g"
        on_node["g"].append(with_cards(pod_, [machine], on_node, "g"))
    assert [p.metadata.annotations[CARDS_NOTE] for p in on_node["g"]] == ["0", "1"]
    choice, why = choose_node(gpu_pod("c", **{WHOLE: "1"}), [machine], on_node)
    assert choice is None
    assert why == "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."


def test_sidecars_count_beside_the_containers_and_before_later_init_containers():
    def needs(name: str, cpu: str, policy: str | None = None) -> Container:
        resources = ResourceRequirements(requests={"cpu": cpu})
        return Container(name=name, resources=resources, restart_policy=policy)

    spec = PodSpec(
        init_containers=(needs("side", "1", "Always"), needs("init", "4")),
        containers=(needs("main", "2"),),
    )
    assert requests_of(spec)["cpu"] == 5
