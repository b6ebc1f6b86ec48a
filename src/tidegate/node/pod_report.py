"""Writes a pod's status whenever it says something new."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from tidegate.model.errors import ApiError, Conflict, NotFound
from tidegate.model.pods import Pod
from tidegate.node.record import Around, PodRecord
from tidegate.node.status import pod_status

_LOG = logging.getLogger(__name__)
_WRITE_AGAIN_S = 1.0
_READ_AGAIN_S = 0.001


class PodReport:
    """The one writer of the pod's status, but for conditions that others own."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._dirty = asyncio.Event()
        self._over = False

    def mark(self) -> None:
        """There may be something new to say."""
        self._dirty.set()

    def end(self) -> None:
        """The object is no more: nothing is written from now on."""
        self._over = True

    async def last_words(self, record: PodRecord) -> None:
        """How it ended, for whoever still holds the object: with a finalizer it outlives its processes."""
        try:
            await self._write(record)
        except ApiError as why:
            _LOG.warning("last status of pod %s: %s", record.pod.key, why)

    async def run(self, record: PodRecord) -> None:
        """Until cancelled."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write(record)
            except ApiError as why:
                _LOG.warning("status of pod %s: %s", record.pod.key, why)
                await self._around.clock.sleep(_WRITE_AGAIN_S)
                self._dirty.set()

    async def _write(self, record: PodRecord) -> None:
        meta, api = record.pod.metadata, self._around.api
        while not self._over:
            pod = api.get(Pod, meta.namespace or "", meta.name)
            if pod is None or pod.metadata.uid != meta.uid:
                return
            status = pod_status(pod.status, record, now_s=self._around.clock.now())
            if status == pod.status:
                return
            try:
                await api.update_status(msgspec.structs.replace(pod, status=status))
            except Conflict:
                # Somebody writes a condition: keep it. It can be read once it is committed.
                await self._around.clock.sleep(_READ_AGAIN_S)
                continue
            except NotFound:
                pass
            return
