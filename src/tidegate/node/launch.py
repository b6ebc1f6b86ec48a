"""From a container of a pod to what the keeper is asked to start.

Decides with reads only, except that it makes the folders it names. The same pod, ports and volumes
give the same launch, so an agent that restarts can work it out again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from tidegate.client.api import Reader
from tidegate.kit.home import Home
from tidegate.kit.quantity import cpu_milli, parse_quantity
from tidegate.link.keeper import SpawnSpec
from tidegate.model.containers import Container, VolumeMount
from tidegate.model.pods import LocalPort, Pod
from tidegate.node.containers.program import ContainerProgram
from tidegate.node.environment import resolve_env
from tidegate.node.errors import CommandNotFound, VolumeNotReady
from tidegate.node.expand import UNKNOWN_REFERENCE, expand
from tidegate.node.image_config import configured_runtimes
from tidegate.node.images import Here, Program, left_out, program_of, without_shell
from tidegate.node.log_files import log_path
from tidegate.node.machine import Machine
from tidegate.node.ports import ports_of
from tidegate.node.rewrite import Rewriting, rewrite_args, rewrite_env, rewrite_path
from tidegate.node.termination import VARIABLE, message_file
from tidegate.node.views import is_view
from tidegate.node.volumes import mount_path_of
from tidegate.policy.gpu_cards import CARDS_NOTE, Card, environment_of, indexes_of, is_gpu

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PORTS = "TIDEGATE_PORTS"
"""The container's local ports, for our servers: they open no other for what they don't serve."""
_THREAD_HINTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Site:
    """Where a pod runs: its folder, real volume paths by name, local ports, the node's GPUs."""

    home: Home
    machine: Machine
    volumes: dict[str, Path]
    ports: tuple[LocalPort, ...]
    log_bytes: int
    cards: tuple[Card, ...] = ()
    gateway: str | None = None  # its host:port

    def folder(self, pod: Pod) -> Path:
        return pod_folder(self.home, pod)


@dataclass(frozen=True, slots=True)
class Inside:
    """A container of podman or docker: by which program, whose (the keeper's name), and the environment
    that the program is called with."""

    program: ContainerProgram
    process: str
    env: Mapping[str, str]
    stop_signal: str = ""  # the image's; empty: it names none
    made: Path | None = None  # a file that is there from when the container was made; None: unknown
    private: bool = False  # its network is its own


@dataclass(frozen=True, slots=True)
class Launch:
    """`inside` None: a process of this machine. `rules` are what was rewritten by, for commands
    beside it; `rewritten` and `not_enforced` are sentences for the pod's status."""

    spec: SpawnSpec
    rules: Rewriting
    rewritten: tuple[str, ...]
    not_enforced: tuple[str, ...]
    inside: Inside | None = None


def pod_folder(home: Home, pod: Pod) -> Path:
    return home.pods / (pod.metadata.uid or "")


def keeper_name(pod: Pod, container: str, attempt: int) -> str:
    """Unique for all time, so asking the keeper twice is safe."""
    return f"{pod.metadata.uid}/{container}/{attempt}"


def plan_launch(
    reader: Reader, pod: Pod, container: Container, *, attempt: int, site: Site
) -> Launch:
    """What to start. Raises `ImageNotRunnable`, `ConfigMissing`, `NotSupported`, `CommandNotFound`,
    `VolumeNotReady` (a mount's subPath)."""
    image, folder = container.image or "", site.folder(pod)
    here = _here(site.machine)
    program = program_of(
        image, container.command, container.args, here, configured_runtimes(reader)
    )
    given = _resolved_env(reader, pod, container, site, program)
    rules = _rules(container, site, folder, given, program)
    own, said_env = _own_env(container, rules, given)
    expanded = tuple(expand(arg, own) for arg in program.argv)
    inside = replace(here, has_program=lambda p: here.has_program(rewrite_path(p, rules)))
    plain = without_shell(expanded, image, program.runtime, inside)
    argv, said_args = rewrite_args(plain or expanded, rules)
    if plain is not None:
        # Only the program: its arguments may have been expanded from a Secret.
        is_module = plain[1:2] == ("-m",)
        what = " ".join(plain[:3] if is_module else plain[:1])
        said_args = (f"{expanded[0]} -c with one plain command became {what}", *said_args)
    env = _base_env(pod, container, folder, program) | own
    cwd, said_cwd = _cwd(container, program, folder, rules)
    spec = SpawnSpec(
        name=keeper_name(pod, container.name, attempt),
        argv=(_found(container, argv[0], env, cwd, site.machine), *argv[1:]),
        cwd=cwd,
        env=env,
        log=str(log_path(site.home.logs, pod, container.name, attempt)),
        log_bytes=site.log_bytes,
    )
    said = (*said_args, *said_env, *said_cwd)
    missing = left_out(plain or expanded, program.runtime)
    return Launch(spec, rules, said, (*_not_enforced(pod, container, site), *missing))


def _here(machine: Machine) -> Here:
    path = f"{Path(sys.executable).parent}:{_SYSTEM_PATH}"
    return Here(sys.executable, os.path.isdir, lambda p: machine.find_program(p, path) is not None)


def _rules(
    container: Container, site: Site, folder: Path, env: dict[str, str], program: Program
) -> Rewriting:
    mounts = dict(program.paths) | {
        mount.mount_path: str(
            mount_path_of(mount.name, site.volumes[mount.name], sub_path(mount, env))
        )
        for mount in container.volume_mounts
        if mount.name in site.volumes
    }
    if container.termination_message_path:
        mounts[container.termination_message_path] = str(message_file(folder, container.name))
    return replace(rewriting_of(container, site), mounts=mounts, interpreter=sys.executable)


def rewriting_of(container: Container, site: Site) -> Rewriting:
    """Of ports and Services, not of paths."""
    # A container may dial its neighbour's port: within a pod they share one network.
    ports = {port.container_port: port.local_port for port in site.ports}
    ports |= {p.container_port: p.local_port for p in ports_of(site.ports, container)}
    return Rewriting(ports, {}, site.gateway)


def sub_path(mount: VolumeMount, env: dict[str, str]) -> str | None:
    """`subPathExpr` is expanded by the container's environment; what it doesn't have is an error."""
    if not mount.sub_path_expr:
        return mount.sub_path
    path = expand(mount.sub_path_expr, env)
    unknown = UNKNOWN_REFERENCE.search(path)
    if unknown:
        why = f"subPathExpr {mount.sub_path_expr!r} uses {unknown[0]}, which env doesn't define"
        raise VolumeNotReady(mount.name, why)
    return path


def _resolved_env(
    reader: Reader, pod: Pod, container: Container, site: Site, program: Program
) -> dict[str, str]:
    """What image, node and document say. PORT is the local port of the first declared one."""
    own_ports = ports_of(site.ports, container)
    given = dict(program.env) | gpu_env(pod, container, site)
    given[PORTS] = ",".join(str(port.local_port) for port in own_ports)
    if own_ports:
        given["PORT"] = str(own_ports[0].local_port)
    return resolve_env(reader, pod, container, given=given)


def gpu_env(pod: Pod, container: Container, site: Site) -> dict[str, str]:
    """The cards that the scheduler gave the pod, for the containers that asked for some."""
    limits = container.resources.limits if container.resources else {}
    asked = {name: parse_quantity(amount) for name, amount in limits.items() if is_gpu(name)}
    given = indexes_of(pod.metadata.annotations.get(CARDS_NOTE)) if asked else ()
    return environment_of(site.cards, given, asked)


def _own_env(
    container: Container, rules: Rewriting, given: dict[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The same, true here."""
    env, said = rewrite_env(given, rules)
    limit = container.resources.limits.get("cpu") if container.resources else None
    if limit is not None:
        threads = str(max(1, ceil(cpu_milli(limit) / 1000)))
        env = dict.fromkeys(_THREAD_HINTS, threads) | env
    return env, said


def _base_env(pod: Pod, container: Container, folder: Path, program: Program) -> dict[str, str]:
    """Not the engine's own environment: a pod sees what a container would, no more."""
    path = f"{Path(sys.executable).parent}:{_SYSTEM_PATH}"
    if program.folder is not None:
        path = f"{program.folder}/bin:{program.folder}/.venv/bin:{path}"
    home, temporary = folder / "home", folder / "tmp"
    for own in (home, temporary):
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "PATH": path,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "HOSTNAME": pod.metadata.name,
        VARIABLE: str(message_file(folder, container.name)),
    }


def _cwd(
    container: Container, program: Program, folder: Path, rules: Rewriting
) -> tuple[str, tuple[str, ...]]:
    if container.working_dir:
        path = rewrite_path(container.working_dir, rules)
        if os.path.isdir(path):
            said = f"workingDir {container.working_dir!r} became {path!r}"
            return path, (said,) if path != container.working_dir else ()
        # A container would have it made; so do we, but inside the pod's own folder.
        own = folder / "work" / path.lstrip("/")
        own.mkdir(parents=True, exist_ok=True)
        return str(own), (f"workingDir {container.working_dir!r} became {str(own)!r}",)
    if program.folder is not None:
        return program.folder, ()
    work = folder / "work"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(work), ()


def _found(
    container: Container, program: str, env: dict[str, str], cwd: str, machine: Machine
) -> str:
    if "/" in program and not program.startswith("/"):
        program = os.path.normpath(os.path.join(cwd, program))
    found = machine.find_program(program, env["PATH"])
    if found is None:
        raise CommandNotFound(container.name, program, env["PATH"])
    return found


def _not_enforced(pod: Pod, container: Container, site: Site) -> tuple[str, ...]:
    limits = container.resources.limits if container.resources else {}
    said = [
        f"{resource} limit {limits[resource]} is not enforced"
        for resource in ("cpu", "memory")
        if resource in limits
    ]
    volumes = {volume.name: volume for volume in pod.spec.volumes}
    for mount in container.volume_mounts:
        volume = volumes.get(mount.name)
        claim = volume.persistent_volume_claim if volume is not None else None
        read_only = mount.read_only or (claim is not None and claim.read_only)
        if is_view(site.volumes.get(mount.name)):
            if os.geteuid() == 0:  # to whom modes mean nothing
                said.append(
                    f"the mount {mount.mount_path} is fetched: write nothing there, root could"
                )
            elif not read_only:
                said.append(f"the mount {mount.mount_path} is fetched: it can't be written here")
        elif read_only:
            said.append(f"readOnly of the mount {mount.mount_path} is not enforced")
        empty = volume.empty_dir if volume is not None else None
        if empty is not None and empty.size_limit is not None:
            said.append(f"sizeLimit {empty.size_limit} of volume {mount.name} is not enforced")
        in_memory = site.home.memory in site.volumes.get(mount.name, Path()).parents
        if empty is not None and empty.medium and not in_memory:
            said.append(f"medium {empty.medium} of volume {mount.name}: it is a folder on disk")
    return tuple(said)
