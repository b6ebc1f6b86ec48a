"""The Node object of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model.conditions import merged
from tidegate.model.core import (
    Node,
    NodeAddress,
    NodeStatus,
    NodeSystemInfo,
)
from tidegate.model.errors import AlreadyExists, Conflict, NotFound
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.node.machine import LOOPBACK, Facts
from tidegate.policy.gpu_cards import CARDS_NOTE, Card, capacity_of, card_note

_LOOK_AGAIN_S = 0.001
_GPUS = "tidegate.dev/gpus"
_CARD_LABELS = tuple(f"aliyun.accelerator/nvidia_{what}" for what in ("count", "mem", "name"))
_VERSION = "v1.32.0+tidegate"


async def register(
    api: Api,
    clock: Clock,
    facts: Facts,
    *,
    name: str,
    max_pods: int,
    cards: Sequence[Card] = (),
) -> None:
    """Create the Node or bring it up to date; somebody else's labels and taints stay."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
        **_card_labels(cards),
    }
    notes = {CARDS_NOTE: card_note(cards)} if cards else {}
    while True:
        node = api.get(Node, "", name)
        try:
            if node is None:
                await api.create(Node(metadata=ObjectMeta(name=name, labels=labels)))
                continue
            meta = _brought_up(node.metadata, labels, notes)
            if meta != node.metadata:
                node = await api.update(msgspec.structs.replace(node, metadata=meta))
            status = node_status(
                node.status,
                facts,
                name=name,
                max_pods=max_pods,
                now_s=clock.now(),
                cards=cards,
            )
            if status != node.status:
                await api.update_status(msgspec.structs.replace(node, status=status))
            return
        except (Conflict, NotFound, AlreadyExists):
            # Written or deleted meanwhile. What is on its way is not seen before it is committed, so let that happen.
            await clock.sleep(_LOOK_AGAIN_S)


def node_status(
    was: NodeStatus | None,
    facts: Facts,
    *,
    name: str,
    max_pods: int,
    now_s: float,
    cards: Sequence[Card] = (),
) -> NodeStatus:
    """What the machine has. Everything is allocatable: the engine's own share is small."""
    size: dict[str, str | int | float] = {
        **capacity_of(cards),
        "cpu": _cpu(facts.cpu_milli),
        "memory": f"{facts.memory_bytes // 1024}Ki",
        "pods": str(max_pods),
    }
    had = was.conditions if was is not None else ()
    ready = Condition(
        type="Ready", status="True", reason="KubeletReady", message="tidegate runs pods"
    )
    mine = [ready]
    if any(card.simulated for card in cards):
        mine.append(
            Condition(
                type="SimulatedGPUs",
                status="True",
                reason="AskedFor",
                message=f"{len(cards)} simulated: counted like real ones, nothing computes on them",
            )
        )
    others = tuple(c for c in had if c.type not in ("Ready", "SimulatedGPUs"))
    return NodeStatus(
        capacity=dict(size),
        allocatable=dict(size),
        conditions=merged(had, (*mine, *others), now_s=now_s),
        addresses=(
            NodeAddress(type="InternalIP", address=LOOPBACK),
            NodeAddress(type="Hostname", address=name),
        ),
        node_info=NodeSystemInfo(
            machine_id=facts.machine_id,
            boot_id=facts.boot_id,
            kernel_version=facts.kernel,
            os_image=facts.os_image,
            container_runtime_version="process://tidegate",
            kubelet_version=_VERSION,
            operating_system="linux",
            architecture=facts.architecture,
        ),
    )


def _cpu(milli: int) -> str:
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def _card_labels(cards: Sequence[Card]) -> dict[str, str]:
    """As ACK labels its GPU nodes; `tidegate.dev/gpus` tells simulated ones."""
    if not cards:
        return {}
    return {
        "aliyun.accelerator/nvidia_count": str(len(cards)),
        "aliyun.accelerator/nvidia_mem": f"{cards[0].memory_gib}GiB",
        "aliyun.accelerator/nvidia_name": cards[0].name.replace(" ", "-"),
        _GPUS: "simulated" if cards[0].simulated else "nvidia",
    }


def _brought_up(
    meta: ObjectMeta, labels: Mapping[str, str], notes: Mapping[str, str]
) -> ObjectMeta:
    """What we say of the node, said; what we said of cards that are no more, taken back."""
    gone = () if notes else (_GPUS, *_CARD_LABELS)
    return msgspec.structs.replace(
        meta,
        labels={**{k: v for k, v in meta.labels.items() if k not in gone}, **labels},
        annotations={**{k: v for k, v in meta.annotations.items() if k != CARDS_NOTE}, **notes},
    )
