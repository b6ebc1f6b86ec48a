"""One container of a revision.

Source: knative serving pkg/apis/serving/{fieldmask,k8s_validation}.go.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.model.admission.image_names import parses
from tidegate.model.admission.knative.probes import (
    Port,
    check_probe,
    check_readiness_probe,
    check_sidecar_probes,
)
from tidegate.model.admission.knative.security import check_security_context
from tidegate.model.admission.knative.settings import Features
from tidegate.model.admission.knative.words import (
    Errors,
    disallowed,
    got_both,
    got_neither,
    invalid_value,
    missing,
    out_of_bounds,
)
from tidegate.model.admission.resources import check_resources
from tidegate.model.containers import (
    Container,
    ContainerPort,
    EnvFromSource,
    EnvVar,
    VolumeMount,
)
from tidegate.model.field_errors import FieldError
from tidegate.model.volumes import Volume

_RESERVED_NAMES = ("queue-proxy",)
_RESERVED_ENV = frozenset({"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"})
_RESERVED_PORTS = frozenset({8008, 8012, 8013, 8022, 9090, 9091})
_RESERVED_PATHS = frozenset({"/", "/dev", "/dev/log"})
_PORT_NAMES = frozenset({"", "http1", "h2c"})
_NEVER: Mapping[str, str] = {
    "lifecycle": "lifecycle",
    "stdin": "stdin",
    "stdinOnce": "stdin_once",
    "tty": "tty",
    "volumeDevices": "volume_devices",
    "restartPolicy": "restart_policy",
    "resizePolicy": "resize_policy",
}
_NO_PROBES = "field not allowed in an init container"


def check_serving(
    container: Container, volumes: Sequence[Volume], features: Features, port: Port, path: str
) -> Errors:
    """The container that takes the requests."""
    found = check_probe(container.liveness_probe, port, f"{path}.livenessProbe")
    found += check_readiness_probe(container.readiness_probe, port, f"{path}.readinessProbe")
    found += check_probe(container.startup_probe, port, f"{path}.startupProbe")
    return found + _check(container, volumes, features, path, reserved_env=_RESERVED_ENV)


def check_sidecar(
    container: Container, volumes: Sequence[Volume], features: Features, path: str
) -> Errors:
    found = check_sidecar_probes(container, features, path)
    reserved = _RESERVED_ENV - {"PORT"}
    return found + _check(container, volumes, features, path, reserved_env=reserved)


def check_init(
    container: Container, volumes: Sequence[Volume], features: Features, path: str
) -> Errors:
    given = {
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
        "lifecycle": container.lifecycle,
    }
    found = [
        FieldError(_NO_PROBES, (f"{path}.{name}",))
        for name, value in given.items()
        if value is not None
    ]
    reserved = _RESERVED_ENV - {"PORT"}
    return found + _check(container, volumes, features, path, reserved_env=reserved, init=True)


def _check(
    container: Container,
    volumes: Sequence[Volume],
    features: Features,
    path: str,
    *,
    reserved_env: frozenset[str],
    init: bool = False,
) -> Errors:
    if container == Container():
        return [missing(path)]
    found = _check_fields(container, path)
    if container.name in _RESERVED_NAMES:
        message = f'"{container.name}" is a reserved container name'
        found.append(FieldError(message, (f"{path}.name",)))
    found += _check_env(container.env, features, reserved_env, f"{path}.env")
    found += _check_env_from(container.env_from, f"{path}.envFrom")
    found += _check_image(container.image, f"{path}.image")
    for port in container.ports if init else container.ports[:1]:
        found += _check_port(port, f"{path}.ports", named=not init)
    found += _check_resources(container, path)
    found += check_security_context(container.security_context, features, f"{path}.securityContext")
    policy = container.termination_message_policy
    if policy not in (None, "", "File", "FallbackToLogsOnError"):
        found.append(invalid_value(policy, f"{path}.terminationMessagePolicy"))
    return found + _check_mounts(container.volume_mounts, volumes, features, path)


def _check_resources(container: Container, path: str) -> Errors:
    """Upstream leaves these to the Deployment, whose refusal nobody sees; the words are Kubernetes'."""
    problems = check_resources(container.resources, f"{path}.resources")
    return [FieldError(problem.message, (problem.field,)) for problem in problems]


def _check_fields(container: Container, path: str) -> Errors:
    refused = [
        f"{path}.{name}"
        for name, field in _NEVER.items()
        if getattr(container, field) not in (None, False, "", [])
    ]
    if container.resources is not None and container.resources.claims:
        refused.append(f"{path}.resources.claims")
    return [disallowed(*refused)] if refused else []


def _check_image(image: str | None, path: str) -> Errors:
    if not image:
        return [missing(path)]
    if parses(image):
        return []
    details = f'image: "{image}", error: could not parse reference: {image}'
    return [FieldError("Failed to parse image reference", (path,), details)]


def _check_port(port: ContainerPort, path: str, *, named: bool) -> Errors:
    """Paths carry no index. `named`: the name tells the protocol, so only some are allowed."""
    found: Errors = []
    refused = [
        f"{path}.{name}"
        for name, value in (("hostPort", port.host_port), ("hostIP", port.host_ip))
        if value
    ]
    if refused:
        found.append(disallowed(*refused))
    number = port.container_port
    if number in _RESERVED_PORTS:
        reserved = f"{number} is a reserved port"
        details = f"{reserved}, please use a different value"
        found.append(invalid_value(reserved, f"{path}.containerPort", details))
    if not 0 <= number <= 65535:
        found.append(out_of_bounds(number, 0, 65535, f"{path}.containerPort"))
    if not named:
        return found
    if port.protocol not in (None, "", "TCP"):
        found.append(invalid_value(port.protocol, f"{path}.protocol"))
    if (port.name or "") not in _PORT_NAMES:
        message = f"Port name {port.name} is not allowed"
        details = "Name must be empty, or one of: 'h2c', 'http1'"
        found.append(FieldError(message, (path,), details))
    return found


def _check_env(
    env: Sequence[EnvVar], features: Features, reserved: frozenset[str], path: str
) -> Errors:
    found: Errors = []
    for i, var in enumerate(env):
        here = f"{path}[{i}]"
        if not var.name:
            found.append(missing(f"{here}.name"))
        elif var.name in reserved:
            message = f'"{var.name}" is a reserved environment variable'
            found.append(FieldError(message, (f"{here}.name",)))
        source = var.value_from
        if source is not None and not features.allows("kubernetes.podspec-fieldref"):
            refused = [
                f"{here}.valueFrom.{name}"
                for name, ref in (
                    ("fieldRef", source.field_ref),
                    ("resourceFieldRef", source.resource_field_ref),
                )
                if ref is not None
            ]
            found += [disallowed(*refused)] if refused else []
    return found


def _check_env_from(sources: Sequence[EnvFromSource], path: str) -> Errors:
    """As upstream, the paths carry no index."""
    found: Errors = []
    paths = (f"{path}.configMapRef", f"{path}.secretRef")
    for source in sources:
        given = [ref for ref in (source.config_map_ref, source.secret_ref) if ref is not None]
        if not given:
            found.append(got_neither(*paths))
        elif len(given) > 1:
            found.append(got_both(*paths))
    return found


def _check_mounts(
    mounts: Sequence[VolumeMount], volumes: Sequence[Volume], features: Features, path: str
) -> Errors:
    by_name = {volume.name: volume for volume in volumes}
    seen: set[str] = set()
    found: Errors = []
    for i, mount in enumerate(mounts):
        here = f"{path}.volumeMounts[{i}]"
        volume = by_name.get(mount.name)
        if volume is None:
            found.append(FieldError("volumeMount has no matching volume", (f"{here}.name",)))
        found += _check_mount_fields(mount, features, here)
        found += _check_mount_path(mount.mount_path, seen, f"{here}.mountPath")
        seen.add(_clean(mount.mount_path))
        if volume is not None:
            found += _check_read_only(mount, volume, f"{here}.readOnly")
    return found


def _check_mount_fields(mount: VolumeMount, features: Features, path: str) -> Errors:
    given: dict[str, Any] = {
        "subPathExpr": mount.sub_path_expr,
        "recursiveReadOnly": mount.recursive_read_only,
    }
    if not features.allows("kubernetes.podspec-volumes-mount-propagation"):
        given["mountPropagation"] = mount.mount_propagation
    refused = [f"{path}.{name}" for name, value in given.items() if value]
    return [disallowed(*refused)] if refused else []


def _check_mount_path(text: str, seen: set[str], path: str) -> Errors:
    if not text:
        return [missing(path)]
    clean = _clean(text)
    if clean in _RESERVED_PATHS:
        return [FieldError(f'mountPath "{clean}" is a reserved path', (path,))]
    if not posixpath.isabs(text):
        return [invalid_value(text, path)]
    if clean in seen:
        return [invalid_value(f'"{text}" must be unique', path)]
    return []


def _check_read_only(mount: VolumeMount, volume: Volume, path: str) -> Errors:
    """Only some kinds of volume can be written to."""
    claim = volume.persistent_volume_claim
    if mount.read_only:
        return []
    if claim is not None:
        if claim.read_only:
            return [FieldError("volume is readOnly but volume mount is not", (path,))]
        return []
    if volume.empty_dir is None and volume.ephemeral is None:
        message = "volume mount should be readOnly for this type of volume"
        return [FieldError(message, (path,))]
    return []


def _clean(path: str) -> str:
    """As Go's path.Clean, which knows no double slash at the start."""
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else path
