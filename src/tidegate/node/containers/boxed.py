"""One container of a pod as podman or docker runs it: its start, and what became of it.

Beside `ContainerRunner`, which asks before each start and after each end; everything between is the
keeper's process, as with any other pod.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidegate.link.keeper import Process
from tidegate.node.containers.choice import Stands, must_have, wants_container
from tidegate.node.containers.launch import Vessel, launch_beside, plan_container
from tidegate.node.containers.presence import Presence
from tidegate.node.errors import ContainerNotStarted, NotSupported
from tidegate.node.launch import Launch, Site
from tidegate.node.log_files import log_path
from tidegate.node.log_lines import last_words
from tidegate.node.record import Around, ContainerRecord, PodRecord
from tidegate.node.status import PREFIX
from tidegate.policy.pod_runtime import NETWORK_NOTE, RUNTIME_NOTE, has_private_network

_LOOK_AGAIN_S = 0.03  # a start takes a tenth of a second
_PATIENCE_S = 120.0  # a large image on a slow disk
_OWN_CODES = (125, 126, 127)  # podman's and docker's: no container, can't run it, no such program


@dataclass(frozen=True, slots=True)
class Fate:
    """How a container's process ended. `problem`: why it never began; None: it did."""

    process: Process
    out_of_memory: bool = False
    problem: str | None = None


class Boxed:
    """Owned by the runner of the container."""

    def __init__(self, around: Around, pod: PodRecord, record: ContainerRecord) -> None:
        self._around, self._pod, self._record = around, pod, record
        self._presence = Presence(around)

    async def plan(self, site: Site, stands: Stands) -> Launch | None:
        """None: it is a process. Raises what `plan_container` raises, `ImageNotRunnable`, `ImageMissing`."""
        pod, spec, containers = self._pod.pod, self._record.spec, self._around.containers
        why = wants_container(pod, spec, stands)
        if why is None and has_private_network(pod):
            raise NotSupported(
                f"{NETWORK_NOTE}: private: container {spec.name} is a process, which shares the machine's "
                f"network; {RUNTIME_NOTE}: container makes it one"
            )
        if why is None:
            return None
        image = spec.image or ""
        program = must_have(image, why, await containers.program())
        facts = await self._presence.ensure(pod, image, spec.image_pull_policy)
        vessel = Vessel(program, containers.env, facts, containers.home_id)
        launch = plan_container(
            self._around.api, pod, spec, attempt=self._record.runs, site=site, vessel=vessel
        )
        containers.used()
        self._record.image_id = facts.digest or facts.id
        return launch

    def again(self, site: Site, stands: Stands) -> Launch | None:
        """Of a container that runs already, as far as commands beside it need it. None: a process."""
        program, record = self._around.containers.known, self._record
        if program is None or record.process is None:
            return None
        if not self._is_one(stands):
            return None
        name = record.process.name
        record.container_id = f"{program.kind}://{name}"  # nobody may have told of this run yet
        return launch_beside(
            self._pod.pod,
            record.spec,
            attempt=max(0, record.runs - 1),
            site=site,
            program=program,
            env=self._around.containers.env,
        )

    async def begun(self, process: Process, launch: Launch) -> ContainerNotStarted | None:
        """Wait until the container's own process runs (or has run): only then are there hooks and probes.
        Why it never did, otherwise; nothing of it is left then."""
        around = self._around
        until_s = around.clock.monotonic() + _PATIENCE_S
        while around.clock.monotonic() < until_s:
            known = around.keeper.processes.get(process.name, process)
            made = launch.inside.made if launch.inside is not None else None
            seen = await around.containers.beginning(process.name, made)
            if seen is not None and seen.began:
                return None
            if known.ended and (known.signal is not None or known.code not in _OWN_CODES):
                return None  # stopped on its way, or ended and removed: its end will be looked at
            if known.ended:
                await around.containers.remove(process.name)
                return ContainerNotStarted(self._record.spec.name, self._complaint(process.name))
            await around.clock.sleep(_LOOK_AGAIN_S)
        return None  # it lives, and podman doesn't answer: probes will tell

    async def fate(self, process: Process, launch: Launch | None) -> Fate | None:
        """What became of it; nothing of it is left afterwards. None: it was no container."""
        if launch is None or launch.inside is None:
            return None
        containers = self._around.containers
        ending = await containers.ending(process.name)
        await containers.remove(process.name)
        by_itself = process.signal is None
        began = ending.began if ending is not None else process.code not in _OWN_CODES
        if by_itself and not began:
            why = ContainerNotStarted(self._record.spec.name, self._complaint(process.name))
            return Fate(process, problem=str(why))
        if ending is None:
            return Fate(process)
        code = ending.code if by_itself and process.code is None else process.code
        return Fate(replace(process, code=code), out_of_memory=ending.out_of_memory)

    def _is_one(self, stands: Stands) -> bool:
        if not (self._record.container_id or PREFIX).startswith(PREFIX):
            return True
        try:
            return wants_container(self._pod.pod, self._record.spec, stands) is not None
        except NotSupported:
            return False

    def _complaint(self, process: str) -> str:
        attempt = int(process.rpartition("/")[2])
        path = log_path(self._around.home.logs, self._pod.pod, self._record.spec.name, attempt)
        lines = (last_words(path) or "").strip().splitlines()
        said = next(
            (line for line in reversed(lines) if "Error" in line), lines[-1] if lines else ""
        )
        return said.partition("Error: ")[2] or said or "the container could not be started"
