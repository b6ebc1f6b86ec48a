"""Containers: names, images, ports, environment.

Source: kubernetes pkg/apis/core/validation/validation.go (`validateContainers`).
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.model import labels
from tidegate.model.admission.downward import check_env_field, check_resource
from tidegate.model.admission.probes import check_probes
from tidegate.model.admission.problems import (
    Problems,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    one_of,
    repeated,
    required,
)
from tidegate.model.admission.resources import check_resources
from tidegate.model.admission.volumes import check_mounts
from tidegate.model.containers import (
    Container,
    ContainerPort,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
)
from tidegate.model.pods import PodSpec

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")


def check_containers(spec: PodSpec, path: str) -> Problems:
    """`path` is that of the pod's spec."""
    found: Problems = []
    if not spec.containers:
        found.append(required(f"{path}.containers"))
    names: set[str] = set()
    for field, containers in (
        ("containers", spec.containers),
        ("initContainers", spec.init_containers),
    ):
        for i, container in enumerate(containers):
            here = f"{path}.{field}[{i}]"
            found += _check_container(container, spec, here)
            if field == "containers":
                found += check_probes(container, here)
                if container.restart_policy is not None:
                    detail = "may not be set for non-init containers"
                    found.append(forbidden(f"{here}.restartPolicy", detail))
            else:
                found += _check_init(container, here)
            if container.name and container.name in names:
                found.append(duplicate(f"{here}.name", container.name))
            names.add(container.name)
        found += _check_host_ports(containers, f"{path}.{field}")
    return found


def _check_container(container: Container, spec: PodSpec, path: str) -> Problems:
    found: Problems = []
    if not container.name:
        found.append(required(f"{path}.name"))
    else:
        problems = labels.dns1123_label(container.name)
        found += each_invalid(f"{path}.name", container.name, problems)
    image = container.image or ""
    if not image:
        found.append(required(f"{path}.image"))
    elif image != image.strip():
        detail = "must not have leading or trailing whitespace"
        found.append(invalid(f"{path}.image", image, detail))
    found += _check_ports(container.ports, f"{path}.ports")
    found += _check_env(container.env, f"{path}.env")
    found += _check_env_from(container.env_from, f"{path}.envFrom")
    found += check_mounts(container.volume_mounts, spec.volumes, f"{path}.volumeMounts")
    found += one_of(f"{path}.imagePullPolicy", container.image_pull_policy, _PULL_POLICIES)
    here = f"{path}.terminationMessagePolicy"
    found += one_of(here, container.termination_message_policy, _MESSAGE_POLICIES)
    return found + check_resources(container.resources, f"{path}.resources")


def _check_init(container: Container, path: str) -> Problems:
    """Init containers run to their end. A sidecar (restartPolicy Always) is a long-lived one."""
    policy = one_of(f"{path}.restartPolicy", container.restart_policy, ("Always",))
    if policy:
        return policy
    if container.restart_policy == "Always":
        return check_probes(container, path)
    given = (
        ("lifecycle", container.lifecycle),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    )
    detail = "may not be set for init containers without restartPolicy=Always"
    return [forbidden(f"{path}.{name}", detail) for name, value in given if value is not None]


def _check_ports(ports: Sequence[ContainerPort], path: str) -> Problems:
    found: Problems = []
    for i, port in enumerate(ports):
        here = f"{path}[{i}]"
        if port.name:
            found += each_invalid(f"{here}.name", port.name, labels.port_name(port.name))
        if port.container_port == 0:
            found.append(required(f"{here}.containerPort"))
        else:
            problems = labels.port_number(port.container_port)
            found += each_invalid(f"{here}.containerPort", port.container_port, problems)
        if port.host_port:
            problems = labels.port_number(port.host_port)
            found += each_invalid(f"{here}.hostPort", port.host_port, problems)
        found += one_of(f"{here}.protocol", port.protocol, PROTOCOLS)
    return found + repeated((f"{path}[{i}].name", p.name or "") for i, p in enumerate(ports))


def _check_host_ports(containers: Sequence[Container], path: str) -> Problems:
    return repeated(
        (
            f"{path}[{i}].ports[{j}].hostPort",
            f"{port.protocol or 'TCP'}/{port.host_ip or ''}/{port.host_port}"
            if port.host_port
            else "",
        )
        for i, container in enumerate(containers)
        for j, port in enumerate(container.ports)
    )


def _check_env(env: Sequence[EnvVar], path: str) -> Problems:
    found: Problems = []
    for i, var in enumerate(env):
        here = f"{path}[{i}]"
        if not var.name:
            found.append(required(f"{here}.name"))
        else:
            found += each_invalid(f"{here}.name", var.name, labels.env_name(var.name))
        if var.value_from is not None:
            found += _check_source(var.value_from, var.value, f"{here}.valueFrom")
    return found


def _check_source(source: EnvVarSource, value: str | None, path: str) -> Problems:
    given = (
        source.config_map_key_ref,
        source.secret_key_ref,
        source.field_ref,
        source.resource_field_ref,
    )
    found: Problems = []
    if sum(ref is not None for ref in given) == 0:
        detail = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, "
            "`configMapKeyRef` or `secretKeyRef`"
        )
        found.append(invalid(path, "", detail))
    elif value:
        found.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif sum(ref is not None for ref in given) > 1:
        found.append(invalid(path, "", "may not have more than one field specified at a time"))
    if source.field_ref is not None:
        found += check_env_field(source.field_ref, f"{path}.fieldRef")
    if source.resource_field_ref is not None:
        found += check_resource(source.resource_field_ref, f"{path}.resourceFieldRef")
    for name, ref in (
        ("configMapKeyRef", source.config_map_key_ref),
        ("secretKeyRef", source.secret_key_ref),
    ):
        if ref is not None:
            found += [
                required(f"{path}.{name}.{field}")
                for field, text in (("name", ref.name), ("key", ref.key))
                if not text
            ]
    return found


def _check_env_from(sources: Sequence[EnvFromSource], path: str) -> Problems:
    found: Problems = []
    for i, source in enumerate(sources):
        here = f"{path}[{i}]"
        given = [ref for ref in (source.config_map_ref, source.secret_ref) if ref is not None]
        if not given:
            detail = "must specify one of: `configMapRef` or `secretRef`"
            found.append(invalid(here, "", detail))
        elif len(given) > 1:
            detail = "may not have more than one field specified at a time"
            found.append(invalid(here, "", detail))
        for name, ref in (
            ("configMapRef", source.config_map_ref),
            ("secretRef", source.secret_ref),
        ):
            if ref is not None and not ref.name:
                found.append(required(f"{here}.{name}.name"))
        if source.prefix:
            found += each_invalid(f"{here}.prefix", source.prefix, labels.env_name(source.prefix))
    return found
