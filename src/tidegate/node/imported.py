"""Standby of level `imported`: zygotes that stay because a ReplicaSet says so, whether or not a pod of it ever ran.

Level-triggered: looks at all ReplicaSets when one has changed, or a zygote that is wanted has gone. The kind is worked out
from the template as it would be from a pod, without making anything for one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from tidegate.client.api import Api, Reader
from tidegate.kit.clock import Clock
from tidegate.link.keeper import SpawnSpec
from tidegate.model.apps import ReplicaSet
from tidegate.model.changes import Change
from tidegate.model.containers import Container
from tidegate.model.errors import ApiError
from tidegate.model.meta import Key, ObjectMeta
from tidegate.model.pods import Pod
from tidegate.model.serving_names import STANDBY_HELD, STANDBY_ZYGOTES
from tidegate.node.environment import resolve_env
from tidegate.node.errors import KeeperRefused, NodeError
from tidegate.node.expand import expand
from tidegate.node.image_config import configured_runtimes
from tidegate.node.images import Here, program_of, without_shell
from tidegate.node.machine import Machine
from tidegate.node.python_imports import module_file
from tidegate.node.zygote_kinds import PYTHON_SERVER, Kind
from tidegate.node.zygotes import Zygotes
from tidegate.policy.config_zygotes import ANNOTATION, NEVER
from tidegate.policy.standby import Level, standby_from

_LOG = logging.getLogger(__name__)
_AGAIN_S = 10.0  # where one is wanted and can't be had
_PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


class ImportedStandby:
    """Holds zygotes. `run` is its whole life; cancelled, it lets them go (they stay for their time)."""

    def __init__(self, api: Api, clock: Clock, machine: Machine, zygotes: Zygotes) -> None:
        self._api, self._clock, self._machine, self._zygotes = api, clock, machine, zygotes
        self._changed = asyncio.Event()
        self._held: dict[str, ExitStack] = {}

    async def run(self) -> None:
        self._zygotes.on_lost = self._changed.set
        unsubscribe = self._api.subscribe((ReplicaSet,), self._heard)
        self._changed.set()
        try:
            await self._keep()
        finally:
            unsubscribe()
            for stack in self._held.values():
                stack.close()

    def _heard(self, change: Change) -> None:
        assert isinstance(change.object, ReplicaSet)
        self._changed.set()

    async def _keep(self) -> None:
        lacking = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S if lacking else None):
                    await self._changed.wait()
            self._changed.clear()
            wanted = wanted_kinds(self._api, self._machine, self._zygotes)
            kinds = {kind.id: kind for some in wanted.values() for kind in some}
            for id_ in [id_ for id_ in self._held if id_ not in kinds]:
                self._held.pop(id_).close()
            for id_, kind in kinds.items():
                if id_ not in self._held:
                    self._held[id_] = stack = ExitStack()
                    stack.enter_context(self._zygotes.held(kind))
                try:
                    await self._zygotes.warm(kind)
                except KeeperRefused as why:
                    _LOG.warning("a zygote for standby can't be started yet: %s", why)
            living = {zygote.kind for zygote in self._zygotes.living()}
            said = [await self._say(key, some) for key, some in wanted.items()]
            lacking = not living.issuperset(kinds) or not all(said)

    async def _say(self, key: Key, kinds: tuple[Kind, ...]) -> bool:
        """Note at a ReplicaSet what is kept for it, for who asks; False: another write came first."""
        replica_set = self._api.get(ReplicaSet, key.namespace, key.name)
        text = ",".join(kind.id for kind in kinds)
        if replica_set is None or replica_set.metadata.annotations.get(STANDBY_ZYGOTES) == text:
            return True
        annotations = {**replica_set.metadata.annotations, STANDBY_ZYGOTES: text}
        meta = msgspec.structs.replace(replica_set.metadata, annotations=annotations)
        try:
            await self._api.update(msgspec.structs.replace(replica_set, metadata=meta))
        except ApiError as why:
            _LOG.info("ReplicaSet %s can't be told its zygotes yet: %s", key, why)
            return False
        return True


def wanted_kinds(reader: Reader, machine: Machine, zygotes: Zygotes) -> dict[Key, tuple[Kind, ...]]:
    """Those of each ReplicaSet that wants any, in the order of its containers."""
    found: dict[Key, tuple[Kind, ...]] = {}
    for replica_set in reader.list(ReplicaSet):
        meta = replica_set.metadata
        standby = standby_from(meta.annotations.get(STANDBY_HELD))
        if standby.level is not Level.IMPORTED or meta.deletion_timestamp is not None:
            continue
        pod = _pod_of(replica_set)
        never = pod.metadata.annotations.get(ANNOTATION) == NEVER
        kinds = (
            _kind_of(reader, machine, zygotes, pod, container)
            for container in (() if never else pod.spec.containers)
        )
        found[replica_set.key] = tuple({kind.id: kind for kind in kinds if kind}.values())
    return found


def _pod_of(replica_set: ReplicaSet) -> Pod:
    """A pod that nobody runs: it has no uid."""
    template, meta = replica_set.spec.template, replica_set.metadata
    said = template.metadata or ObjectMeta(name="")
    return Pod(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=said.labels,
            annotations=said.annotations,
        ),
        spec=template.spec,
    )


def _kind_of(
    reader: Reader, machine: Machine, zygotes: Zygotes, pod: Pod, container: Container
) -> Kind | None:
    """None: nothing to fork it from, or not known before there is a pod (a module in a volume)."""
    image = container.image or ""
    here = Here(sys.executable, os.path.isdir, lambda p: machine.find_program(p, _PATH) is not None)
    try:
        runtimes = configured_runtimes(reader)
        program = program_of(image, container.command, container.args, here, runtimes)
        env = resolve_env(reader, pod, container, given=dict(program.env))
        expanded = tuple(expand(arg, env) for arg in program.argv)
        argv = without_shell(expanded, image, program.runtime, here) or expanded
    except NodeError:  # its pods will say it
        return None
    cwd = container.working_dir or program.folder or "/"
    kind = zygotes.kind_of(SpawnSpec("", argv, cwd, env, ""))
    if kind is not None and kind.module == PYTHON_SERVER:
        file = module_file(argv)
        if file is None or not Path(cwd, file).is_file():
            return None
    return kind
