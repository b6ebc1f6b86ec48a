"""How busy each pod keeps its GPU, under the name that ACK's exporter gives it.

With a card: the share of time that its multiprocessors work for the pod's processes, as NVML says.
Without one: the share of time with a request in flight, from the gateway's samples. That is marked as
simulated wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tidegate.autoscale.hpa.asked import Asked
from tidegate.autoscale.hpa.gateway_metrics import GatewayMetrics, NotCounted
from tidegate.scaling.hpa import PodsReading, PodValue, ReadFailed

SM_UTIL = "DCGM_CUSTOM_PROCESS_SM_UTIL"


class GpuSource(Protocol):
    """Who asks the cards."""

    async def busy(self) -> Mapping[str, float] | None:
        """Pod uid -> percent of multiprocessor time, of pods that use a card. None: there is no
        card."""
        ...


class Gpu:
    """`source` None: nobody asks cards here."""

    def __init__(self, source: GpuSource | None, gateway: GatewayMetrics) -> None:
        self._source, self._gateway = source, gateway

    async def read(
        self, asked: Asked, *, monotonic_s: float
    ) -> tuple[PodsReading | ReadFailed, bool]:
        """A reading, and whether it is simulated."""
        busy = await self._source.busy() if self._source is not None else None
        if busy is None:
            return self._by_requests(asked, monotonic_s), True
        items = tuple(
            PodValue(pod.metadata.name, round(busy[uid] * 1000), asked.now_s)
            for pod in asked.pods
            if (uid := pod.metadata.uid or "") in busy
        )
        return PodsReading(items), False

    def _by_requests(self, asked: Asked, monotonic_s: float) -> PodsReading | ReadFailed:
        """A replica with a request in flight all the time is taken to be wholly busy."""
        running = [
            pod
            for pod in asked.pods
            if pod.status is not None
            and pod.status.phase == "Running"
            and pod.metadata.deletion_timestamp is None
        ]
        if not running:
            return PodsReading(())
        try:
            in_flight = self._gateway.of_pods("tidegate_concurrency", running, now_s=monotonic_s)
        except NotCounted as why:
            return ReadFailed(str(why))
        share = min(1.0, in_flight / len(running))
        milli = round(share * 100_000)
        return PodsReading(
            tuple(PodValue(pod.metadata.name, milli, asked.now_s, 30.0) for pod in running)
        )
