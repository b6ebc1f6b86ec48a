"""What Knative fills into its kinds.

Source: knative serving pkg/apis/serving/v1/{revision,route,service}_defaults.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from tidegate.model.admission.knative.settings import DISABLED, ENABLED, RevisionDefaults, Settings
from tidegate.model.containers import (
    Container,
    Probe,
    ResourceRequirements,
    SecurityContext,
    TCPSocketAction,
)
from tidegate.model.labels import child_name
from tidegate.model.meta import ObjectMeta
from tidegate.model.serving import RevisionSpec, TrafficTarget
from tidegate.model.volumes import Volume
from tidegate.model.wire import QuantityText

_SECURE = "secure-pod-defaults"
_PRIVILEGED_PORTS = range(1, 1024)


def default_traffic(
    traffic: tuple[TrafficTarget, ...], *, of_service: bool
) -> tuple[TrafficTarget, ...]:
    """A Service without traffic sends everything to its latest revision; a Route does not."""
    if not traffic and of_service:
        return (TrafficTarget(latest_revision=True, percent=100),)
    return tuple(map(_target, traffic))


def _target(target: TrafficTarget) -> TrafficTarget:
    latest = target.latest_revision
    return replace(
        target,
        latest_revision=not target.revision_name if latest is None else latest,
        percent=target.percent or 0,
    )


def default_revision_spec(
    spec: RevisionSpec, settings: Settings, *, parent: ObjectMeta, creating: bool
) -> RevisionSpec:
    """`parent`'s name and namespace may appear in the names of containers."""
    defaults = settings.defaults
    timeout_s = spec.timeout_seconds or defaults.timeout_s
    concurrency = spec.container_concurrency
    links = spec.enable_service_links
    if links is None and creating:
        links = defaults.enable_service_links
    return replace(
        _containers(spec, settings, parent),
        timeout_seconds=timeout_s,
        response_start_timeout_seconds=_below(
            timeout_s, spec.response_start_timeout_seconds, defaults.response_start_timeout_s
        ),
        idle_timeout_seconds=_below(timeout_s, spec.idle_timeout_seconds, defaults.idle_timeout_s),
        container_concurrency=defaults.concurrency if concurrency is None else concurrency,
        enable_service_links=links,
    )


def _below(timeout_s: int, given_s: int | None, default_s: int) -> int | None:
    """The default only if it says something: not zero, and less than the whole timeout."""
    if given_s is None and 0 < default_s < timeout_s:
        return default_s
    return given_s


def _containers(spec: RevisionSpec, settings: Settings, parent: ObjectMeta) -> RevisionSpec:
    defaults = settings.defaults
    where = (parent.name, parent.namespace or "")
    used = {c.name for c in (*spec.containers, *spec.init_containers) if c.name}
    serving = _named(spec.containers, used, defaults.container_name(*where))
    used |= {c.name for c in serving}
    init = _named(spec.init_containers, used, defaults.init_container_name(*where))
    alone = len(serving) == 1
    secure = settings.features.state(_SECURE)
    return replace(
        spec,
        containers=tuple(
            _container(c, spec.volumes, defaults, secure, probed=alone or bool(c.ports))
            for c in serving
        ),
        init_containers=tuple(
            _container(c, spec.volumes, defaults, secure, probed=False) for c in init
        ),
    )


def _named(
    containers: tuple[Container, ...], used: set[str], default: str
) -> tuple[Container, ...]:
    """Unnamed containers get the default name, numbered where it would not be unique."""
    taken, number, out = set(used), 0, []
    for container in containers:
        if container.name:
            out.append(container)
            continue
        name = default
        if len(containers) > 1 or name in taken:
            name = child_name(default, f"-{number}")
            number += 1
            while name in taken:
                name = child_name(default, f"-{number}")
                number += 1
        out.append(replace(container, name=name))
    return tuple(out)


def _container(
    container: Container,
    volumes: tuple[Volume, ...],
    defaults: RevisionDefaults,
    secure: str,
    *,
    probed: bool,
) -> Container:
    """`probed`: it serves the requests, so it gets a readiness probe."""
    wanted = container.resources or ResourceRequirements()
    writable = {
        v.name
        for v in volumes
        if v.empty_dir is not None
        or v.persistent_volume_claim is not None
        or v.ephemeral is not None
    }
    return replace(
        container,
        resources=replace(
            wanted,
            requests=_with(wanted.requests, defaults.requests),
            limits=_with(wanted.limits, defaults.limits),
        ),
        readiness_probe=_readiness(container.readiness_probe)
        if probed
        else container.readiness_probe,
        volume_mounts=tuple(
            mount if mount.name in writable else replace(mount, read_only=True)
            for mount in container.volume_mounts
        ),
        security_context=_secured(container, secure),
    )


def _with(
    given: Mapping[str, QuantityText], defaults: Mapping[str, str]
) -> dict[str, QuantityText]:
    return {**given, **{name: text for name, text in defaults.items() if name not in given}}


def _readiness(given: Probe | None) -> Probe:
    """Port 0 stands for the container's own; periodSeconds 0 for Knative's own fast probing."""
    probe = given or Probe()
    handlers = (probe.http_get, probe.tcp_socket, probe.exec, probe.grpc)
    if all(handler is None for handler in handlers):
        probe = replace(probe, tcp_socket=TCPSocketAction(port=0))
    if probe.grpc is not None and probe.grpc.service is None:
        probe = replace(probe, grpc=replace(probe.grpc, service=""))
    probe = replace(probe, success_threshold=probe.success_threshold or 1)
    if not probe.period_seconds:
        return probe
    return replace(
        probe,
        failure_threshold=probe.failure_threshold or 3,
        timeout_seconds=probe.timeout_seconds or 1,
    )


def _secured(container: Container, secure: str) -> SecurityContext | None:
    """The restricted profile where nothing was said, if secure-pod-defaults is on."""
    given = container.security_context
    if secure == DISABLED:
        return given
    context = given or SecurityContext()
    capabilities = context.capabilities
    if capabilities is None:
        capabilities = {"drop": ["ALL"]}
        if any(port.container_port in _PRIVILEGED_PORTS for port in container.ports):
            capabilities["add"] = ["NET_BIND_SERVICE"]
    changes = {
        "allow_privilege_escalation": _or(context.allow_privilege_escalation, False),
        "seccomp_profile": _or(context.seccomp_profile, {"type": "RuntimeDefault"}),
        "capabilities": capabilities,
    }
    if secure == ENABLED:
        changes["run_as_non_root"] = _or(context.run_as_non_root, True)
    return replace(context, **changes)


def _or(given: object, default: object) -> object:
    return default if given is None else given
