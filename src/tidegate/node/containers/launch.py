"""From a container of a pod to the `podman run` that the keeper is asked to start.

Kept from process pods: the network is the machine's, so a declared port is a free local one, `$PORT`
names it and literal ports are rewritten, also those that the image itself has in its command and
environment. Not rewritten: paths, since mounts appear where the document says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from tidegate.client.api import Reader
from tidegate.kit.quantity import cpu_milli, parse_quantity
from tidegate.link.keeper import SpawnSpec
from tidegate.model.containers import Container
from tidegate.model.pods import Pod
from tidegate.node.containers.command import (
    Plan,
    container_name,
    passed_env,
    run_argv,
)
from tidegate.node.containers.images import ImageFacts
from tidegate.node.containers.mounts import mounts_of
from tidegate.node.containers.program import ContainerProgram
from tidegate.node.containers.security import security_of, unknown_to_us
from tidegate.node.environment import resolve_env
from tidegate.node.errors import CommandNotFound, NotSupported
from tidegate.node.expand import expand
from tidegate.node.launch import Inside, Launch, Site, gpu_env, keeper_name, rewriting_of
from tidegate.node.log_files import log_path
from tidegate.node.ports import ports_of
from tidegate.node.rewrite import Rewriting, rewrite_args, rewrite_env
from tidegate.policy.gpu_cards import CARDS_NOTE, indexes_of, is_gpu
from tidegate.policy.pod_runtime import NETWORK_NOTE, has_private_network


@dataclass(frozen=True, slots=True)
class Vessel:
    """What a container is started with: the program, its environment, the image, whose engine it is."""

    program: ContainerProgram
    env: Mapping[str, str]
    image: ImageFacts
    home_id: str


def plan_container(
    reader: Reader, pod: Pod, container: Container, *, attempt: int, site: Site, vessel: Vessel
) -> Launch:
    """What to start. Makes the files that are mounted into it. Raises `ConfigMissing`, `NotSupported`,
    `VolumeNotReady`, `CommandNotFound` (neither the image nor the document says what to start)."""
    private = has_private_network(pod)
    if private:
        _check_alone(pod)
    given = _given_env(reader, pod, container, site, private=private)
    rules = None if private else rewriting_of(container, site)
    env, said_env = _true_here(given, vessel.image, rules)
    line, said_line = _line(container, vessel.image, env, rules)
    name = keeper_name(pod, container.name, attempt)
    limits = container.resources.limits if container.resources else {}
    requests = container.resources.requests if container.resources else {}
    plan = Plan(
        name=name,
        home_id=vessel.home_id,
        image=vessel.image.id,
        line=line,
        id_file=str(site.folder(pod) / "containers" / f"{container.name}.{attempt}"),
        hostname=pod.metadata.name[:63].rstrip(".-"),
        env=env,
        mounts=mounts_of(pod, container, site, given),
        workdir=container.working_dir or None,
        cpu_milli=cpu_milli(limits["cpu"]) if "cpu" in limits else None,
        cpu_request_milli=cpu_milli(requests["cpu"]) if "cpu" in requests else None,
        memory_bytes=ceil(parse_quantity(limits["memory"])) if "memory" in limits else None,
        cards=_cards(pod, container, site),
        security=security_of(pod, container, vessel.image),
        published=_published(container, site) if private else None,
    )
    work, made = site.folder(pod) / "work", Path(plan.id_file)
    for folder in (work, made.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made.unlink(missing_ok=True)  # podman refuses one that is there
    spec = SpawnSpec(
        name=name,
        argv=run_argv(vessel.program, plan),
        cwd=str(work),
        env=_without_proxies(vessel.env) | passed_env(plan),
        log=str(log_path(site.home.logs, pod, container.name, attempt)),
        log_bytes=site.log_bytes,
    )
    return Launch(
        spec,
        rules or Rewriting(),
        (*said_line, *said_env),
        _not_enforced(pod, container),
        inside=Inside(
            vessel.program, name, vessel.env, vessel.image.stop_signal, made, private=private
        ),
    )


def launch_beside(
    pod: Pod,
    container: Container,
    *,
    attempt: int,
    site: Site,
    program: ContainerProgram,
    env: Mapping[str, str],
) -> Launch:
    """Of a container that runs already: enough for commands beside it."""
    name = keeper_name(pod, container.name, attempt)
    spec = SpawnSpec(name, (), str(site.folder(pod)), dict(env), "")
    inside = Inside(program, name, env, private=has_private_network(pod))
    return Launch(spec, rewriting_of(container, site), (), (), inside=inside)


def _check_alone(pod: Pod) -> None:
    """Raises `NotSupported`: containers of one pod share localhost, which private networks don't."""
    sidecars = any(init.restart_policy == "Always" for init in pod.spec.init_containers)
    if sidecars or len(pod.spec.containers) > 1:
        raise NotSupported(
            f"{NETWORK_NOTE}: private: only a pod with one container and no sidecars can have it here"
        )


def _published(container: Container, site: Site) -> tuple[tuple[int, int], ...]:
    return tuple((p.local_port, p.container_port) for p in ports_of(site.ports, container))


def _given_env(
    reader: Reader, pod: Pod, container: Container, site: Site, *, private: bool
) -> dict[str, str]:
    own = ports_of(site.ports, container)
    given = gpu_env(pod, container, site)
    if own:
        given["PORT"] = str(own[0].container_port if private else own[0].local_port)
    return resolve_env(reader, pod, container, given=given)


def _true_here(
    given: Mapping[str, str], image: ImageFacts, rules: Rewriting | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The document's variables, and those of the image that are otherwise here. `rules` None: nothing
    is."""
    if rules is None:
        return dict(given), ()
    whole = {**image.env, **given}
    env, said = rewrite_env(whole, rules)
    return {k: v for k, v in env.items() if k in given or v != whole[k]}, said


def _line(
    container: Container, image: ImageFacts, env: Mapping[str, str], rules: Rewriting | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`command` replaces the entry point and its arguments, `args` only the arguments."""
    entry = container.command or image.entrypoint
    rest = container.args or (() if container.command else image.cmd)
    known = {**image.env, **env}
    written = tuple(expand(word, known) for word in (*container.command, *container.args))
    if container.command:
        line = written
    elif container.args:
        line = (*entry, *written)
    else:
        line = (*entry, *rest)
    if not line:
        raise CommandNotFound(container.name, "", f"image {container.image} names no command")
    return (line, ()) if rules is None else rewrite_args(line, rules)


def _cards(pod: Pod, container: Container, site: Site) -> tuple[int, ...]:
    limits = container.resources.limits if container.resources else {}
    if not any(map(is_gpu, limits)):
        return ()
    real = {card.index for card in site.cards if not card.simulated}
    given = indexes_of(pod.metadata.annotations.get(CARDS_NOTE))
    return tuple(index for index in given if index in real)


def _not_enforced(pod: Pod, container: Container) -> tuple[str, ...]:
    sizes = {
        volume.name: volume.empty_dir.size_limit
        for volume in pod.spec.volumes
        if volume.empty_dir is not None and volume.empty_dir.size_limit is not None
    }
    said = [
        f"sizeLimit {sizes[mount.name]} of volume {mount.name} is not enforced"
        for mount in container.volume_mounts
        if mount.name in sizes
    ]
    said += [f"securityContext.{name} is not enforced" for name in unknown_to_us(pod)]
    return tuple(said)


def _without_proxies(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}


__all__ = ["Vessel", "container_name", "launch_beside", "plan_container"]
