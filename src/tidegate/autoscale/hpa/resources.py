"""CPU and memory of the pods' whole process trees, as metrics.k8s.io would say it."""

from __future__ import annotations

from typing import Protocol

from tidegate.autoscale.hpa.asked import Asked
from tidegate.model.usage import Measurement, Usage
from tidegate.scaling.hpa import PodUsage, ReadFailed, ResourceReading


class UsageSource(Protocol):
    """Who measures: means over the time since the measurement before."""

    async def measure(self) -> Measurement: ...


class Resources:
    """`source` None: this control plane runs without a node, so nothing is measured."""

    def __init__(self, source: UsageSource | None) -> None:
        self._source = source

    async def prepare(self) -> None:
        """Begin a window, so that the first visit finds one that is as long as the others."""
        if self._source is not None:
            await self._source.measure()

    async def read(self, asked: Asked) -> ResourceReading | ReadFailed:
        if self._source is None:
            return ReadFailed(
                "the server could not find the requested resource (get pods.metrics.k8s.io)"
            )
        seen = await self._source.measure()
        items = []
        for pod in asked.pods:
            names = [c.name for c in (*pod.spec.init_containers, *pod.spec.containers)]
            containers = tuple(
                (name, _amounts(used))
                for name in names
                if (used := seen.containers.get((pod.metadata.uid or "", name))) is not None
            )
            if containers:
                items.append(PodUsage(pod.metadata.name, seen.at_s, seen.window_s, containers))
        return ResourceReading(tuple(items))


def _amounts(used: Usage) -> dict[str, int]:
    """In thousandths, rounded up."""
    return {"cpu": -(-used.cpu_nano // 1_000_000), "memory": used.memory_bytes * 1000}
