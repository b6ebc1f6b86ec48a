"""What probing found, applied to the container's record and told as events."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tidegate.model.pods import LocalPort
from tidegate.node.containers.command import runs_in_container
from tidegate.node.grace import grace_of
from tidegate.node.launch import pod_folder
from tidegate.node.lifecycle import Happened
from tidegate.node.pod_files import remember_ports
from tidegate.node.probes import Kind
from tidegate.node.record import NORMAL, WARNING, Around, ContainerRecord, PodRecord
from tidegate.policy.pod_runtime import NETWORK_NOTE, PRIVATE


class Endable(Protocol):
    """The runner, as far as findings need it."""

    record: ContainerRecord

    def has_started(self) -> None: ...
    async def end_this_run(self, grace_s: float, *, again: bool = False) -> None: ...


class RunFindings:
    """What probing found, applied to the container."""

    def __init__(self, runner: Endable, around: Around, pod: PodRecord) -> None:
        self._runner, self._around, self._pod = runner, around, pod
        self._record = runner.record

    def listening(self) -> None:
        self._pod.reached("listening", self._around.clock.monotonic())

    def started(self) -> None:
        if not self._record.started:
            self._record.started = True
            self._runner.has_started()
            self._pod.changed()

    def ready(self, is_ready: bool) -> None:
        self._record.on(Happened.PROBE_OK if is_ready else Happened.PROBE_FAILED)
        if is_ready != self._record.ready:
            self._record.ready = is_ready
            if is_ready:
                self._record.trouble = None
            if all(c.ready for c in (*self._pod.containers, *self._pod.sidecars)):
                self._pod.reached("ready", self._around.clock.monotonic())
            self._pod.changed()

    def unhealthy(self, kind: Kind, detail: str) -> None:
        message = f"{kind} probe failed: {detail}"
        self._say("Unhealthy", message)
        if not self._record.ready:
            self._in_trouble(message)

    def listens_elsewhere(self, wanted: LocalPort, found: tuple[int, ...]) -> None:
        ports = ", ".join(map(str, found))
        message = (
            f"container {self._record.spec.name} listens on {ports} but its port "
            f"{wanted.container_port} is {wanted.local_port} here: let it listen on $PORT, or declare "
            f"the port it listens on as its containerPort"
        )
        self._say("ListensElsewhere", message)
        self._in_trouble(message)

    def listens_nowhere(self, wanted: LocalPort, after_s: float) -> None:
        message = (
            f"container {self._record.spec.name} listens on no port {after_s:.0f} s after its start: "
            f"its port {wanted.container_port} is {wanted.local_port} here, which is $PORT "
            "(its log may tell what it is doing)"
        )
        self._say("ListensNowhere", message)
        self._in_trouble(message)

    def fixed_port(self, port: LocalPort, beyond_loopback: bool) -> None:
        fixed = msgspec.structs.replace(port, local_port=port.container_port)
        self._replace_port(port, fixed)
        name = self._record.spec.name
        self._record.rewritten += (
            f"container {name} listens on its own port {port.container_port}, so that is used: "
            "only one replica can run here" + _way_out(self._record.container_id),
        )
        if beyond_loopback:
            self._record.not_enforced += (
                f"container {name} listens beyond loopback on port {port.container_port}",
            )
        self._pod.changed()

    async def port_stolen(self, port: LocalPort) -> None:
        uid = self._pod.uid
        avoid = {p.container_port for p in self._pod.ports}
        self._around.ports.drop(port.local_port)
        number = self._around.ports.take(uid, avoid=avoid)
        self._replace_port(port, msgspec.structs.replace(port, local_port=number))
        self._say(
            "PortStolen",
            f"local port {port.local_port} of container {self._record.spec.name} is held by another "
            f"program: starting again on {number}",
        )
        await self._runner.end_this_run(1.0, again=True)

    async def failed(self, kind: Kind) -> None:
        spec = self._record.spec
        probe = spec.liveness_probe if kind is Kind.LIVENESS else spec.startup_probe
        grace_s = probe.termination_grace_period_seconds if probe is not None else None
        self._around.say(
            self._pod.pod,
            NORMAL,
            "Killing",
            f"Container {spec.name} failed {kind.lower()} probe, will be restarted",
        )
        await self._runner.end_this_run(grace_of(self._pod.pod) if grace_s is None else grace_s)

    async def hook_failed(self, detail: str) -> None:
        self._say("FailedPostStartHook", f"PostStartHook failed: {detail}")
        await self._runner.end_this_run(grace_of(self._pod.pod))

    def _replace_port(self, old: LocalPort, new: LocalPort) -> None:
        self._pod.ports = tuple(new if port == old else port for port in self._pod.ports)
        remember_ports(pod_folder(self._around.home, self._pod.pod), self._pod.ports)

    def _in_trouble(self, message: str) -> None:
        if message != self._record.trouble:
            self._record.trouble = message
            self._pod.changed()

    def _say(self, reason: str, message: str) -> None:
        self._around.say(self._pod.pod, WARNING, reason, message)


def _way_out(container_id: str | None) -> str:
    if not runs_in_container(container_id):
        return ""
    return f" (annotation {NETWORK_NOTE}: {PRIVATE} gives each a network of its own)"
