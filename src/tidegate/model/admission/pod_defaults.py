"""What Kubernetes fills into a pod's spec, alone or in a workload's template.

Source: kubernetes pkg/apis/core/v1/defaults.go. Left out: what only a cluster's kubelet reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import fields, replace

from tidegate.model.admission.image_names import pull_policy
from tidegate.model.containers import (
    Container,
    ContainerPort,
    EnvVar,
    Probe,
)
from tidegate.model.pods import (
    Pod,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
)
from tidegate.model.volumes import EmptyDirVolumeSource, Volume
from tidegate.model.wire import Wire

GRACE_S = 30
DEFAULT_SCHEDULER = "default-scheduler"
FILE_MODE = 0o644
_QUALITY_COUNTS = ("cpu", "memory")

_FIRST_SOURCES: Mapping[str, str] = {
    "hostPath": "host_path",
    "emptyDir": "empty_dir",
    "nfs": "nfs",
    "secret": "secret",
    "persistentVolumeClaim": "persistent_volume_claim",
    "downwardAPI": "downward_api",
    "configMap": "config_map",
    "projected": "projected",
    "csi": "csi",
    "ephemeral": "ephemeral",
    "image": "image",
}
#: Wire name of each source of a volume -> field, those that are used here first.
VOLUME_SOURCES: Mapping[str, str] = {
    **_FIRST_SOURCES,
    **{field.encode_name: field.name for field in fields(Volume) if field.name != "name"},
}


def default_pod(pod: Pod, old: Pod | None) -> Pod:
    """A new pod is Pending. Requests follow limits, which templates leave to their pods."""
    spec = default_pod_spec(pod.spec)
    spec = replace(
        spec,
        containers=tuple(map(_requests_from_limits, spec.containers)),
        init_containers=tuple(map(_requests_from_limits, spec.init_containers)),
    )
    status = pod.status
    if old is None and (status is None or status.phase is None):
        filled = {"phase": "Pending", "qos_class": quality(spec)}
        status = replace(status or PodStatus(), **filled)
    return replace(pod, spec=spec, status=status)


def default_template(template: PodTemplateSpec) -> PodTemplateSpec:
    return replace(template, spec=default_pod_spec(template.spec))


def default_pod_spec(spec: PodSpec) -> PodSpec:
    filled: PodSpec = _fill(
        spec,
        restart_policy="Always",
        dns_policy="ClusterFirst",
        scheduler_name=DEFAULT_SCHEDULER,
        termination_grace_period_seconds=GRACE_S,
        enable_service_links=True,
        security_context={},
    )
    return replace(
        filled,
        containers=tuple(map(_container, spec.containers)),
        init_containers=tuple(map(_container, spec.init_containers)),
        volumes=tuple(map(_volume, spec.volumes)),
    )


def quality(spec: PodSpec) -> str:
    """The pod's quality of service: Guaranteed, Burstable or BestEffort."""
    containers = (*spec.init_containers, *spec.containers)
    asked = [c.resources for c in containers if c.resources is not None]
    if not any(r.limits or r.requests for r in asked):
        return "BestEffort"
    equal = all(
        c.resources is not None
        and all(name in c.resources.limits for name in _QUALITY_COUNTS)
        and all(
            c.resources.requests.get(name, c.resources.limits[name]) == c.resources.limits[name]
            for name in _QUALITY_COUNTS
        )
        for c in containers
    )
    return "Guaranteed" if equal else "Burstable"


def _container(container: Container) -> Container:
    filled: Container = _fill(
        container,
        image_pull_policy=pull_policy(container.image or ""),
        termination_message_path="/dev/termination-log",
        termination_message_policy="File",
    )
    return replace(
        filled,
        ports=tuple(map(_port, container.ports)),
        env=tuple(map(_env, container.env)),
        liveness_probe=_probe(container.liveness_probe),
        readiness_probe=_probe(container.readiness_probe),
        startup_probe=_probe(container.startup_probe),
    )


def _port(port: ContainerPort) -> ContainerPort:
    return replace(port, protocol=port.protocol or "TCP")


def _env(env: EnvVar) -> EnvVar:
    source = env.value_from
    if source is None or source.field_ref is None:
        return env
    filled = replace(source, field_ref=_fill(source.field_ref, api_version="v1"))
    return replace(env, value_from=filled)


def _probe(probe: Probe | None) -> Probe | None:
    """Zero counts as unset, as in Go."""
    if probe is None:
        return None
    get, grpc = probe.http_get, probe.grpc
    return replace(
        probe,
        http_get=get and replace(get, path=get.path or "/", scheme=get.scheme or "HTTP"),
        grpc=grpc and _fill(grpc, service=""),
        timeout_seconds=probe.timeout_seconds or 1,
        period_seconds=probe.period_seconds or 10,
        success_threshold=probe.success_threshold or 1,
        failure_threshold=probe.failure_threshold or 3,
    )


def _volume(volume: Volume) -> Volume:
    if all(getattr(volume, field) is None for field in VOLUME_SOURCES.values()):
        return replace(volume, empty_dir=EmptyDirVolumeSource())
    return replace(
        volume,
        config_map=volume.config_map and _fill(volume.config_map, default_mode=FILE_MODE),
        secret=volume.secret and _fill(volume.secret, default_mode=FILE_MODE),
        host_path=volume.host_path and _fill(volume.host_path, type=""),
        downward_api=volume.downward_api and _fill(volume.downward_api, default_mode=FILE_MODE),
        projected=volume.projected and _fill(volume.projected, default_mode=FILE_MODE),
    )


def _requests_from_limits(container: Container) -> Container:
    wanted = container.resources
    if wanted is None or not wanted.limits:
        return container
    return replace(
        container, resources=replace(wanted, requests={**wanted.limits, **wanted.requests})
    )


def _fill(value: Any, **defaults: Any) -> Any:
    """The struct with those of its fields set that were None."""
    assert isinstance(value, Wire)
    unset = {name: default for name, default in defaults.items() if getattr(value, name) is None}
    return replace(value, **unset) if unset else value
