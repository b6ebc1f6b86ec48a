"""KServe's init container `storage-initializer`, run as a fetch into the model cache.

No process is started and nothing is copied: what was fetched takes the place of the emptyDir that the
init container fills on a cluster. To everybody who looks it is an init container: waiting with its
progress, Completed, or failed with exit code 1, the reason as its message and a back-off.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from tidegate.client.api import Reader
from tidegate.kit.sizes import bytes_text
from tidegate.link.keeper import Process
from tidegate.model.accounts import ServiceAccount
from tidegate.model.conditions import timestamp
from tidegate.model.containers import Container
from tidegate.model.core import Secret
from tidegate.model.pods import ContainerStateTerminated, Pod
from tidegate.modelcache.errors import CacheError
from tidegate.modelcache.values import Snapshot
from tidegate.node.environment import resolve_env
from tidegate.node.errors import ConfigMissing, NotSupported
from tidegate.node.fetching import PodFetches, counted
from tidegate.node.launch import Launch, pod_folder
from tidegate.node.lifecycle import Happened, Phase, starts_again
from tidegate.node.log_files import log_path
from tidegate.node.record import NORMAL, WARNING, Around, ContainerRecord, PodRecord, Waiting
from tidegate.node.views import lay_view, view_folder
from tidegate.policy.kserve_credentials import DEFAULT_ACCOUNT, credentials_of
from tidegate.policy.storage_access import BadAccess, of_environment
from tidegate.policy.storage_initializer import downloads_of

_FETCHING = "Fetching"
_PREFIX = "fetch://"  # of its containerID: no process stands behind it
#: Shorter than the kubelet's: nothing is lost by asking again, and what was wrong may have been mended.
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 30.0


class FetchRunner:
    """In the place of a `ContainerRunner`: the owner of such an init container's record."""

    def __init__(
        self,
        around: Around,
        pod: PodRecord,
        record: ContainerRecord,
        fetches: PodFetches,
        *,
        restart_policy: str,
    ) -> None:
        self._around, self._pod, self.record = around, pod, record
        self._fetches, self._policy = fetches, restart_policy
        self._woken, self._stopping = asyncio.Event(), False
        if record.phase is not Phase.ENDED or self._was_lost():
            # What an agent before this one left half done, or what is gone by now.
            record.phase, record.process, record.runs = Phase.PENDING, None, 0

    def _was_lost(self) -> bool:
        """Whether it is through and its data is not there, with nobody using it and a pod to go on."""
        pod, mounts = self._pod, self.record.spec.volume_mounts
        idle = all(
            (c.process is None or c.process.ended) and c.phase is not Phase.ENDED
            for c in pod.containers
        )
        return idle and any(mount.name not in pod.fetched for mount in mounts)

    async def run(self) -> None:
        """Until it is through, or has failed for good, or the pod goes."""
        delay_s = _FIRST_DELAY_S
        while self.record.phase is not Phase.ENDED:
            if self._stopping:
                self.record.on(Happened.STOP_ASKED)
                break
            began = timestamp(self._around.clock.now())
            self._show(f"fetching {' '.join(self.record.spec.args[:1])}")
            try:
                said = await self._fetch_all()
            except (CacheError, BadAccess, ConfigMissing, NotSupported, OSError) as why:
                self._failed(str(why), began, delay_s)
                await self._until_woken(delay_s)
                delay_s = min(_LONGEST_DELAY_S, 2 * delay_s)
            else:
                if said is not None:
                    self._ended(0, said, began)
        self._pod.changed()

    async def _fetch_all(self) -> str | None:
        """What to say of it; None: the pod goes."""
        said = []
        for uri, path in downloads_of(self.record.spec):
            env = _environment(self._around.api, self._pod.pod, self.record.spec)
            access = of_environment(uri, env)
            self._log(f"fetching {access.uri} to {path}")
            found = await self._fetches.fetch(access, self._show)
            if found is None:
                return None
            self._place(path, found)
            said.append(f"{access.uri}: {bytes_text(found.total_bytes)}, {counted(found.files)}")
        return "; ".join(said)

    def _place(self, path: str, found: Snapshot) -> None:
        """Let the volume that is mounted at `path` lead to what was fetched."""
        for mount in self.record.spec.volume_mounts:
            inner = _inside(path, mount.mount_path)
            if inner is None:
                continue
            record, pod = self._pod, self._pod.pod
            sub = "/".join(part for part in (mount.sub_path or "", inner) if part)
            folder = view_folder(pod_folder(self._around.home, pod), mount.name)
            made = lay_view(folder, {sub: found.path})
            record.fetched = {**record.fetched, mount.name: made}
            record.volumes = {**(record.volumes or {}), mount.name: made}
            return
        raise NotSupported(
            f"{self.record.spec.name}: no volume is mounted at {path}, where the model is to go"
        )

    # --- what it looks like

    def _show(self, text: str) -> None:
        waiting = Waiting(_FETCHING, text)
        if self.record.waiting != waiting:
            self.record.waiting = waiting
            self._pod.changed()

    def _failed(self, why: str, began: str, delay_s: float) -> None:
        name = self.record.spec.name
        self._around.say(self._pod.pod, WARNING, "FailedFetch", f"Error: {why}")
        self._log(why)
        self._ended(1, why, began)
        if self.record.phase is not Phase.ENDED:
            text = f"back-off {delay_s:g}s restarting failed container={name}: {why}"
            self.record.waiting = Waiting("CrashLoopBackOff", text)
            self._pod.changed()

    def _ended(self, code: int, message: str, began: str) -> None:
        record = self.record
        record.runs += 1
        record.before, record.terminated = (
            record.terminated,
            ContainerStateTerminated(
                exit_code=code,
                reason="Error" if code else "Completed",
                message=message,
                started_at=began,
                finished_at=timestamp(self._around.clock.now()),
                container_id=record.container_id,
            ),
        )
        record.waiting, record.ready = None, code == 0
        if code == 0:
            self._log(message)
        again = starts_again(self._policy, code) and not self._stopping
        record.on(Happened.EXITED_AGAIN if again else Happened.EXITED_FOR_GOOD)
        self._pod.changed()
        if code == 0:
            self._around.say(self._pod.pod, NORMAL, "Completed", f"{record.spec.name}: {message}")

    def _log(self, text: str) -> None:
        """Where `kubectl logs -c storage-initializer` looks; a full disk is no reason not to fetch."""
        name, pod = self.record.spec.name, self._pod.pod
        self.record.container_id = f"{_PREFIX}{self._pod.uid}/{name}/0"
        line = {"log": f"{text}\n", "stream": "stdout", "time": timestamp(self._around.clock.now())}
        with suppress(OSError), open(log_path(self._around.home.logs, pod, name, 0), "a") as file:
            file.write(f"{json.dumps(line)}\n")

    # --- as a ContainerRunner has it

    def wake(self) -> None:
        """A Secret or a ServiceAccount may have been mended: the next try is now."""
        self._woken.set()

    def redefine(self, spec: Container) -> None:
        self.record.spec = spec

    async def until_started(self) -> None:
        """It is never a sidecar."""

    def begin_stop(self) -> None:
        self._stopping = True
        self._woken.set()
        self.record.ready = False
        self._pod.changed()

    async def stop(self) -> None:
        self.begin_stop()

    async def finish(self, grace_s: float) -> None:
        self.begin_stop()

    async def kill(self) -> None:
        self.begin_stop()

    def running(self) -> tuple[Process, Launch] | None:
        return None

    async def _until_woken(self, timeout_s: float) -> None:
        if not self._stopping:
            self._woken.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()


def _environment(reader: Reader, pod: Pod, container: Container) -> dict[str, str]:
    space = pod.metadata.namespace or ""
    account = reader.get(ServiceAccount, space, pod.spec.service_account_name or DEFAULT_ACCOUNT)
    given = credentials_of(account, lambda name: reader.get(Secret, space, name))
    return resolve_env(reader, pod, container, given=given)


def _inside(path: str, folder: str) -> str | None:
    path, folder = path.rstrip("/"), folder.rstrip("/")
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
