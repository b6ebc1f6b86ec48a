"""What a pod stands on: its folder, local ports and volumes; made, made anew, and taken away."""

from __future__ import annotations

import asyncio
import logging

from tidegate.node.errors import VolumeNotReady
from tidegate.node.launch import pod_folder
from tidegate.node.log_files import drop_logs
from tidegate.node.memory_folders import remove_memory
from tidegate.node.pod_files import recall_ports, remember_ports, remove_pod_folder
from tidegate.node.ports import give_ports
from tidegate.node.record import Around, PodRecord
from tidegate.node.volumes import make_volumes

_LOG = logging.getLogger(__name__)


class PodGround:
    """Fills `record.ports` and `record.volumes`."""

    def __init__(self, around: Around, record: PodRecord) -> None:
        self._around, self._record = around, record
        self._folder = pod_folder(around.home, record.pod)
        self._memory = around.home.memory

    def make(self) -> None:
        """Raises `VolumeNotReady`, `NoFreePort`, OSError. Again: only what is missing or has changed."""
        self._give_ports()
        self._make_volumes()

    def refresh(self) -> None:
        """An object that volumes show has changed. One that is gone or wrong now changes nothing: what
        is mounted stays, as in a cluster; so it does where there is no room for the new one."""
        if self._record.volumes is None:
            return
        try:
            self._make_volumes()
        except VolumeNotReady:
            pass
        except OSError as why:
            _LOG.warning("volumes of pod %s stay as they were: %s", self._record.pod.key, why)

    async def clear(self) -> None:
        """Nothing of the pod stays: the keeper's table, folders, ports, logs."""
        around, record = self._around, self._record
        for name in [n for n in around.keeper.processes if n.startswith(f"{record.uid}/")]:
            await around.keeper.forget(name)
        await asyncio.to_thread(remove_pod_folder, self._folder)
        if around.fetcher is not None:
            around.fetcher.release(record.uid)
        await asyncio.to_thread(remove_memory, self._memory, record.uid)
        around.ports.free(record.uid)
        drop_logs(around.home.logs, record.pod)

    def _give_ports(self) -> None:
        record = self._record
        had = recall_ports(self._folder) or record.ports
        record.ports = give_ports(record.pod, had, self._around.ports, record.uid)
        if record.ports != had:
            remember_ports(self._folder, record.ports)

    def _make_volumes(self) -> None:
        spec = self._record.pod.spec
        mounted = {
            m.name for c in (*spec.init_containers, *spec.containers) for m in c.volume_mounts
        }
        volumes = [volume for volume in spec.volumes if volume.name in mounted]
        self._record.volumes = make_volumes(
            self._around.api,
            self._record.pod,
            volumes,
            self._folder / "volumes",
            memory=self._memory,
            fetched=self._record.fetched,
        )
