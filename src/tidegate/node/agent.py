"""The node agent: runs the pods that are bound to this machine.

Starts by reading what is there: pods of this node from the API, processes from the keeper. What
matches is adopted, what no pod owns is ended. From then on each pod has one worker, told of changes.
"""

from __future__ import annotations

import asyncio
import logging

from tidegate.client.api import Api
from tidegate.client.events import EventRecorder
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.model.accounts import ServiceAccount
from tidegate.model.changes import Change, ChangeType
from tidegate.model.core import ConfigMap, Node, Secret
from tidegate.model.errors import ApiError
from tidegate.model.pods import Pod
from tidegate.model.storage import PersistentVolumeClaim
from tidegate.node.containers import Containers, NoContainers
from tidegate.node.fetching import Fetcher
from tidegate.node.image_config import is_image_table
from tidegate.node.imported import ImportedStandby
from tidegate.node.keeper_link import Keeper
from tidegate.node.launch import pod_folder
from tidegate.node.log_files import drop_orphans
from tidegate.node.machine import LocalMachine, Machine
from tidegate.node.memory_folders import remove_orphan_memory
from tidegate.node.pod import PodWorker
from tidegate.node.pod_files import recall_ports, remove_orphan_folders
from tidegate.node.ports import PortRange
from tidegate.node.record import Around
from tidegate.node.registration import register
from tidegate.node.settings import NodeSettings
from tidegate.node.zygote_config import is_zygote_config, zygote_config
from tidegate.node.zygote_kinds import PREFIX
from tidegate.node.zygotes import Zygotes

_LOG = logging.getLogger(__name__)
_AGAIN_S = 1.0
_WATCHED = (Pod, ConfigMap, Secret, ServiceAccount, PersistentVolumeClaim, Node)
_MOST_EVENTS = 10_000  # waiting to be written; more are dropped, an event is never worth a failure


class NodeAgent:
    """`run` is its whole life. Cancelling it leaves the pods alone."""

    def __init__(
        self,
        api: Api,
        keeper: Keeper,
        clock: Clock,
        home: Home,
        settings: NodeSettings | None = None,
        *,
        machine: Machine | None = None,
        fetcher: Fetcher | None = None,
        containers: Containers | None = None,
    ) -> None:
        settings, machine = settings or NodeSettings(), machine or LocalMachine()
        self._facts = machine.facts()
        self._cards = settings.simulated_gpus or machine.cards()
        self.node_name = settings.name or self._facts.hostname
        self._events: asyncio.Queue[tuple[Pod, str, str, str]] = asyncio.Queue(_MOST_EVENTS)
        self._recorder = EventRecorder(api, clock, "tidegate-node")
        self._zygotes = Zygotes(keeper, clock, home, lambda: zygote_config(api))
        self._imported = ImportedStandby(api, clock, machine, self._zygotes)
        ports = PortRange(
            settings.port_low, settings.port_high, machine.port_is_free, seed=str(home.root)
        )
        self._around = Around(
            api=api,
            keeper=keeper,
            clock=clock,
            home=home,
            machine=machine,
            settings=settings,
            node_name=self.node_name,
            ports=ports,
            cards=self._cards,
            zygotes=self._zygotes,
            say=self._say,
            fetcher=fetcher,
            containers=containers or NoContainers(),
        )
        self._workers: dict[str, PodWorker] = {}
        self._unregistered = asyncio.Event()

    async def run(self) -> None:
        """Register, adopt, then run pods until cancelled."""
        around = self._around
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(around.keeper.run())
            tasks.create_task(self._write_events())
            await around.keeper.connected()
            await around.containers.recall()
            self._zygotes.adopt()
            tasks.create_task(self._zygotes.run(), name="zygotes")
            tasks.create_task(self._imported.run(), name="standby: imported")

            def on_change(change: Change) -> None:
                self._heard(change, tasks)

            unsubscribe = around.api.subscribe(_WATCHED, on_change)
            try:
                self._take_stock(tasks)
                await self._stay_registered()
            finally:
                unsubscribe()

    @property
    def pods(self) -> tuple[str, ...]:
        """For tests and metrics: uids of the pods that have a worker."""
        return tuple(self._workers)

    @property
    def zygotes(self) -> Zygotes:
        """For who wants one kept warm."""
        return self._zygotes

    def worker_of(self, namespace: str, name: str) -> PodWorker | None:
        """Who runs the pod; None: nobody here does."""
        pod = self._around.api.get(Pod, namespace, name)
        return self._workers.get(pod.metadata.uid or "") if pod is not None else None

    def _take_stock(self, tasks: asyncio.TaskGroup) -> None:
        around = self._around
        pods = [pod for pod in around.api.list(Pod) if self._is_ours(pod)]
        uids = {pod.metadata.uid or "" for pod in pods}
        for pod in pods:  # all ports first: no new pod may get one that an adopted one has
            for port in recall_ports(pod_folder(around.home, pod)):
                around.ports.hold(port.local_port, pod.metadata.uid or "")
        for pod in pods:
            self._start(pod, tasks)
        for name in list(around.keeper.processes):
            if name.partition("/")[0] not in uids and not name.startswith(PREFIX):
                tasks.create_task(self._end_orphan(name))
        remove_orphan_folders(around.home.pods, uids)
        remove_orphan_memory(around.home.memory, uids)
        if around.fetcher is not None:
            around.fetcher.keep_only(uids)
        drop_orphans(around.home.logs, pods)
        tasks.create_task(around.containers.sweep(lambda name: _uid_of(name) in self._workers))

    async def _stay_registered(self) -> None:
        """Level-triggered: somebody may delete the Node."""
        self._unregistered.set()
        settings = self._around.settings
        while True:
            await self._unregistered.wait()
            self._unregistered.clear()
            try:
                await register(
                    self._around.api,
                    self._around.clock,
                    self._facts,
                    name=self.node_name,
                    max_pods=settings.max_pods,
                    cards=self._cards,
                )
            except ApiError as why:  # a full disk is no reason to stop watching pods
                _LOG.warning("the node can't be registered yet: %s", why)
                await self._around.clock.sleep(_AGAIN_S)
                self._unregistered.set()

    def _heard(self, change: Change, tasks: asyncio.TaskGroup) -> None:
        obj = change.object
        match obj:
            case Pod():
                self._heard_pod(obj, change.type is ChangeType.DELETED, tasks)
            case ConfigMap() | Secret() | ServiceAccount() | PersistentVolumeClaim():
                everywhere = isinstance(obj, ConfigMap) and is_image_table(obj)
                if isinstance(obj, ConfigMap) and is_zygote_config(obj):
                    self._zygotes.config_changed()
                for worker in self._workers.values():
                    if everywhere or worker.record.pod.metadata.namespace == obj.metadata.namespace:
                        worker.references_changed(type(obj), obj.metadata.name)
            case Node():
                if change.type is ChangeType.DELETED and obj.metadata.name == self.node_name:
                    self._unregistered.set()
            case _:
                pass

    def _heard_pod(self, pod: Pod, deleted: bool, tasks: asyncio.TaskGroup) -> None:
        worker = self._workers.get(pod.metadata.uid or "")
        if worker is not None and deleted:
            worker.pod_gone()
        elif worker is not None:
            worker.pod_changed(pod)
        elif not deleted and self._is_ours(pod):
            self._start(pod, tasks)

    def _is_ours(self, pod: Pod) -> bool:
        return pod.spec.node_name == self.node_name

    def _start(self, pod: Pod, tasks: asyncio.TaskGroup) -> None:
        uid = pod.metadata.uid or ""
        self._workers[uid] = PodWorker(self._around, pod)
        tasks.create_task(self._work(uid), name=f"pod {pod.key}")

    async def _work(self, uid: str) -> None:
        """A worker to its end. One that fails is reported and replaced by one that adopts its pod."""
        while True:
            worker = self._workers[uid]
            try:
                await worker.run()
            except Exception:  # noqa: BLE001  (the loop's edge: reported, tried again)
                _LOG.exception("pod %s: its worker failed; it starts anew", worker.record.pod.key)
                here = asyncio.current_task()
                if here is not None and here.cancelling():  # a failure on the way out hid it
                    raise asyncio.CancelledError from None
            else:
                break
            await self._around.clock.sleep(_AGAIN_S)
            self._workers[uid] = self._again(worker)
        del self._workers[uid]

    def _again(self, failed: PodWorker) -> PodWorker:
        meta = failed.record.pod.metadata
        pod = self._around.api.get(Pod, meta.namespace or "", meta.name)
        if pod is not None and pod.metadata.uid == meta.uid:
            return PodWorker(self._around, pod)
        fresh = PodWorker(self._around, failed.record.pod)
        fresh.pod_gone()
        return fresh

    async def _end_orphan(self, name: str) -> None:
        keeper = self._around.keeper
        process = keeper.processes.get(name)
        if process is not None and not process.ended:
            _LOG.warning("process %s belongs to no pod: ended", name)
            await keeper.kill_tree(name)
            await keeper.ended(name)
        await keeper.forget(name)

    def _say(self, pod: Pod, type_: str, reason: str, message: str) -> None:
        try:
            self._events.put_nowait((pod, type_, reason, message))
        except asyncio.QueueFull:
            _LOG.warning("event dropped: pod %s %s %s", pod.key, reason, message)

    async def _write_events(self) -> None:
        while True:
            await self._recorder.emit(*await self._events.get())


def _uid_of(name: str) -> str:
    """Of the pod of a keeper's process."""
    return name.partition("/")[0]
