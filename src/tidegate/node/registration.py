"""The Node object of this machine."""

from __future__ import annotations

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model.conditions import merged
from tidegate.model.core import Node, NodeAddress, NodeStatus, NodeSystemInfo
from tidegate.model.errors import AlreadyExists, Conflict, NotFound
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.node.machine import LOOPBACK, Facts

_LOOK_AGAIN_S = 0.001
_VERSION = "v1.32.0+tidegate"


async def register(api: Api, clock: Clock, facts: Facts, *, name: str, max_pods: int) -> None:
    """Create the Node or bring it up to date; somebody else's labels and taints stay."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
    }
    while True:
        node = api.get(Node, "", name)
        try:
            if node is None:
                await api.create(Node(metadata=ObjectMeta(name=name, labels=labels)))
                continue
            if not labels.items() <= node.metadata.labels.items():
                meta = msgspec.structs.replace(
                    node.metadata, labels={**node.metadata.labels, **labels}
                )
                node = await api.update(msgspec.structs.replace(node, metadata=meta))
            status = node_status(
                node.status, facts, name=name, max_pods=max_pods, now_s=clock.now()
            )
            if status != node.status:
                await api.update_status(msgspec.structs.replace(node, status=status))
            return
        except (Conflict, NotFound, AlreadyExists):
            # Written or deleted meanwhile. What is on its way is not seen before it is committed, so let that happen.
            await clock.sleep(_LOOK_AGAIN_S)


def node_status(
    was: NodeStatus | None, facts: Facts, *, name: str, max_pods: int, now_s: float
) -> NodeStatus:
    """What the machine has. Everything is allocatable: the engine's own share is small."""
    size = {
        "cpu": _cpu(facts.cpu_milli),
        "memory": f"{facts.memory_bytes // 1024}Ki",
        "pods": str(max_pods),
    }
    had = was.conditions if was is not None else ()
    ready = Condition(
        type="Ready", status="True", reason="KubeletReady", message="tidegate runs pods"
    )
    others = tuple(c for c in had if c.type != "Ready")
    return NodeStatus(
        capacity=dict(size),
        allocatable=dict(size),
        conditions=merged(had, (ready, *others), now_s=now_s),
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
