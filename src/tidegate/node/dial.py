"""Connections to a pod's ports, for `kubectl port-forward`."""

from __future__ import annotations

import asyncio
import os

from tidegate.model.errors import BadRequest
from tidegate.node.agent import NodeAgent
from tidegate.node.listeners import Holder
from tidegate.node.machine import LOOPBACK, Machine
from tidegate.node.pod import PodWorker


class PodPorts:
    """Dials ports of pods that `agent` runs, by the numbers that their documents have."""

    def __init__(self, agent: NodeAgent, machine: Machine) -> None:
        self._agent, self._machine = agent, machine

    async def connect(
        self, namespace: str, pod: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the local port of a declared one, or to one on which the pod listens without having
        declared it. Raises BadRequest."""
        worker = self._agent.worker_of(namespace, pod)
        if worker is None:
            raise BadRequest(f'pod "{pod}" is not running')
        local = self._local_port(worker, port)
        if local is None:
            raise BadRequest(
                f'pod "{pod}" neither declares port {port} nor listens on it: name one of its '
                "containerPorts"
            )
        try:
            return await asyncio.open_connection(LOOPBACK, local)
        except OSError as why:
            said = os.strerror(why.errno).lower() if why.errno else str(why)
            raise BadRequest(
                f'port {port} of pod "{pod}" ({LOOPBACK}:{local} here): {said}'
            ) from why

    def _local_port(self, worker: PodWorker, port: int) -> int | None:
        for known in worker.record.ports:
            if port in (known.container_port, known.local_port):
                return known.local_port
        for container in worker.record.containers:
            process = container.process
            if process is not None and self._machine.holder(port, process) is Holder.POD:
                return port
        return None
