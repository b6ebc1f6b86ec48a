"""The scheduler: gives each new pod to the node that has room, and says why when none has.

Requests are summed per node and never oversubscribed. One machine has one node today; capacity
pools come later and only add nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.kit.quantity import parse_quantity
from tidegate.model.conditions import find, merged
from tidegate.model.containers import Container
from tidegate.model.core import Node
from tidegate.model.meta import Condition, Key, touched
from tidegate.model.pods import Pod, PodSpec, PodStatus
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim
from tidegate.policy.claimed_volumes import claims_of, may_mount, waits_for
from tidegate.policy.gpu_cards import (
    CARDS_NOTE,
    Holding,
    cards_of_note,
    choose_cards,
    indexes_of,
    is_gpu,
)
from tidegate.reconcile import Done, Next, Watch, watch_mapped
from tidegate.reconcile.apply import write_status

Amounts = dict[str, Decimal]

#: The one key: a node's room is shared by all pods, so they are placed one after the other.
ALL = Key("", "waiting-pods")


class SchedulerController:
    """The one writer of `spec.nodeName`."""

    name = "scheduler"

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._events = EventRecorder(api, clock, "default-scheduler")
        self.watches: Sequence[Watch] = (
            watch_mapped(Pod, self._of_pod),
            watch_mapped(Node, lambda _: (ALL,)),
            watch_mapped(PersistentVolumeClaim, lambda _: (ALL,)),
        )

    def _of_pod(self, pod: Pod) -> Iterable[Key]:
        freed = _ended(pod) or pod.metadata.deletion_timestamp
        return (ALL,) if not pod.spec.node_name or freed else ()

    async def reconcile(self, key: Key) -> Next:
        waiting = [
            pod
            for pod in self._api.list(Pod)
            if not pod.spec.node_name and not pod.metadata.deletion_timestamp and not _ended(pod)
        ]
        if not waiting:
            return Done()
        nodes = self._api.list(Node)
        on_node: dict[str, list[Pod]] = {node.metadata.name: [] for node in nodes}
        for other in self._api.list(Pod):
            if other.spec.node_name in on_node and not _ended(other):
                on_node[other.spec.node_name].append(other)
        for pod in sorted(waiting, key=lambda p: int(p.metadata.resource_version or 0)):
            blocked = self._claims_block(pod, on_node)
            if blocked is not None:
                told = f"0/{len(nodes)} nodes are available: {blocked}."
                await self._say_why(pod, told)
                continue
            choice, why = choose_node(pod, nodes, on_node, self._volumes_of(pod))
            if choice is None:
                await self._say_why(pod, why)
                continue
            bound = with_cards(pod, nodes, on_node, choice)
            spec = msgspec.structs.replace(pod.spec, node_name=choice)
            bound = msgspec.structs.replace(bound, spec=spec)
            await self._api.update(bound)
            on_node[choice].append(bound)
            message = f"Successfully assigned {pod.key} to {choice}"
            await self._events.emit(pod, NORMAL, "Scheduled", message)
        return Done()

    def _claims_block(self, pod: Pod, on_node: Mapping[str, Sequence[Pod]]) -> str | None:
        if not claims_of(pod):
            return None
        space = pod.metadata.namespace or ""
        placed = (p for pods in on_node.values() for p in pods if p.metadata.namespace == space)
        return waits_for(
            pod, lambda name: self._api.get(PersistentVolumeClaim, space, name), others=placed
        )

    def _volumes_of(self, pod: Pod) -> list[PersistentVolume]:
        """Those that its claims are bound to."""
        claims = (
            self._api.get(PersistentVolumeClaim, pod.metadata.namespace or "", name)
            for name in claims_of(pod)
        )
        found = (
            self._api.get(PersistentVolume, "", claim.spec.volume_name or "")
            for claim in claims
            if claim is not None
        )
        return [volume for volume in found if volume is not None]

    async def _say_why(self, pod: Pod, why: str) -> None:
        status = pod.status or PodStatus(phase="Pending")
        known = find(status.conditions, "PodScheduled")
        if known is not None and known.message == why:
            return
        unscheduled = Condition(
            type="PodScheduled", status="False", reason="Unschedulable", message=why
        )
        others = tuple(c for c in status.conditions if c.type != "PodScheduled")
        conditions = merged(status.conditions, (*others, unscheduled), now_s=self._clock.now())
        fresh = msgspec.structs.replace(status, phase="Pending", conditions=conditions)
        await write_status(self._api, pod, fresh)
        await self._events.emit(pod, WARNING, "FailedScheduling", why)


def _ended(pod: Pod) -> bool:
    return bool(pod.status and pod.status.phase in ("Succeeded", "Failed"))


def choose_node(
    pod: Pod,
    nodes: Sequence[Node],
    on_node: Mapping[str, Sequence[Pod]],
    volumes: Sequence[PersistentVolume] = (),
) -> tuple[str | None, str]:
    """The node with the most room left for this pod, or None and the reason in Kubernetes' words.

    `volumes` are those that the pod's claims are bound to."""
    wanted = requests_of(pod.spec)
    fitting: list[tuple[Decimal, str]] = []
    reasons: Counter[str] = Counter()
    for node in nodes:
        name = node.metadata.name
        problem = _not_selectable(pod, node)
        if problem is None and not all(
            may_mount(volume, name, node.metadata.labels) for volume in volumes
        ):
            problem = "node(s) had volume node affinity conflict"
        if problem is not None:
            reasons[problem] += 1
            continue
        free = free_on(node, on_node[name])
        short = [r for r, amount in wanted.items() if amount > free.get(r, Decimal(0))]
        if not short:
            cards, lacking = cards_for(pod, node, on_node[name])
            short = [lacking] if cards is None else []
        if short:
            reasons.update(f"Insufficient {resource}" for resource in short)
        else:
            fitting.append((free.get("cpu", Decimal(0)), name))
    if fitting:
        return max(fitting)[1], ""
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return None, f"0/{len(nodes)} nodes are available: {told or 'no node is registered'}."


def cards_for(pod: Pod, node: Node, others: Iterable[Pod]) -> tuple[tuple[int, ...] | None, str]:
    """Which of the node's GPUs the pod would get; None and what is short."""
    wanted = {name: amount for name, amount in requests_of(pod.spec).items() if is_gpu(name)}
    cards = cards_of_note(node.metadata.annotations.get(CARDS_NOTE)) if wanted else ()
    if not cards:
        return (), ""
    held = [
        Holding(requests_of(other.spec), indexes_of(other.metadata.annotations[CARDS_NOTE]))
        for other in others
        if CARDS_NOTE in other.metadata.annotations
    ]
    return choose_cards(cards, held, wanted)


def with_cards(
    pod: Pod, nodes: Sequence[Node], on_node: Mapping[str, Sequence[Pod]], choice: str
) -> Pod:
    """The pod with the GPUs it gets on that node written down; as it is when it asks for none."""
    node = next(node for node in nodes if node.metadata.name == choice)
    cards, _ = cards_for(pod, node, on_node[choice])
    if not cards:
        return pod
    noted = {**pod.metadata.annotations, CARDS_NOTE: ",".join(map(str, cards))}
    return msgspec.structs.replace(pod, metadata=touched(pod.metadata, annotations=noted))


def _not_selectable(pod: Pod, node: Node) -> str | None:
    if node.spec is not None and node.spec.unschedulable:
        return "node(s) were unschedulable"
    ready = find(node.status.conditions, "Ready") if node.status else None
    if ready is None or ready.status != "True":
        return "node(s) were not ready"
    selector = pod.spec.node_selector
    if any(node.metadata.labels.get(k) != v for k, v in selector.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    return None


def free_on(node: Node, pods: Iterable[Pod]) -> Amounts:
    """What the node can still give: allocatable less the requests of its pods."""
    allocatable = node.status.allocatable if node.status else {}
    free = {name: parse_quantity(value) for name, value in allocatable.items()}
    for pod in pods:
        for name, amount in requests_of(pod.spec).items():
            free[name] = free.get(name, Decimal(0)) - amount
    return free


def requests_of(spec: PodSpec) -> Amounts:
    """What a pod asks for: the sum of its containers and sidecars, or what an init container needs
    with the sidecars before it if that is more, and one place. Extended resources count by their
    limits. Source: kubernetes pkg/api/v1/resource/helpers.go (`PodRequests`)."""
    total: Amounts = {"pods": Decimal(1)}
    for container in spec.containers:
        _add(total, _container_requests(container))
    beside: Amounts = {}
    most: Amounts = {}
    for container in spec.init_containers:
        wanted = _container_requests(container)
        if container.restart_policy == "Always":
            _add(total, wanted)
            _add(beside, wanted)
            wanted = {}
        for name in wanted.keys() | beside.keys():
            needed = wanted.get(name, Decimal(0)) + beside.get(name, Decimal(0))
            most[name] = max(most.get(name, Decimal(0)), needed)
    for name, needed in most.items():
        total[name] = max(total.get(name, Decimal(0)), needed)
    return total


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def _container_requests(container: Container) -> Amounts:
    if container.resources is None:
        return {}
    asked = {**container.resources.limits, **container.resources.requests}
    return {name: parse_quantity(value) for name, value in asked.items()}
