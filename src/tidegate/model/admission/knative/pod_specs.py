"""The pod part of a revision: which fields it may use, its containers together, its volumes.

Source: knative serving pkg/apis/serving/{fieldmask,k8s_validation}.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.model import labels
from tidegate.model.admission.knative.containers import (
    check_init,
    check_serving,
    check_sidecar,
)
from tidegate.model.admission.knative.probes import Port
from tidegate.model.admission.knative.settings import Features
from tidegate.model.admission.knative.words import (
    Errors,
    disallowed,
    got_both,
    got_neither,
    invalid_value,
    missing,
    switched_off,
)
from tidegate.model.admission.volumes import sources_of
from tidegate.model.containers import Container
from tidegate.model.field_errors import FieldError
from tidegate.model.pods import PodSpec
from tidegate.model.volumes import KeyToPath, Volume

_FEATURE = "kubernetes.podspec-"

#: Fields behind a feature: wire name -> (attribute, feature without its prefix).
GATED: Mapping[str, tuple[str, str]] = {
    "affinity": ("affinity", "affinity"),
    "topologySpreadConstraints": ("topology_spread_constraints", "topologyspreadconstraints"),
    "hostAliases": ("host_aliases", "hostaliases"),
    "nodeSelector": ("node_selector", "nodeselector"),
    "tolerations": ("tolerations", "tolerations"),
    "runtimeClassName": ("runtime_class_name", "runtimeclassname"),
    "dnsPolicy": ("dns_policy", "dnspolicy"),
    "dnsConfig": ("dns_config", "dnsconfig"),
    "securityContext": ("security_context", "securitycontext"),
    "shareProcessNamespace": ("share_process_namespace", "shareprocessnamespace"),
    "hostIPC": ("host_ipc", "hostipc"),
    "hostPID": ("host_pid", "hostpid"),
    "hostNetwork": ("host_network", "hostnetwork"),
    "priorityClassName": ("priority_class_name", "priorityclassname"),
    "schedulerName": ("scheduler_name", "schedulername"),
    "initContainers": ("init_containers", "init-containers"),
}
NEVER: Mapping[str, str] = {
    "restartPolicy": "restart_policy",
    "terminationGracePeriodSeconds": "termination_grace_period_seconds",
    "activeDeadlineSeconds": "active_deadline_seconds",
    "nodeName": "node_name",
    "hostname": "hostname",
    "subdomain": "subdomain",
    "setHostnameAsFQDN": "set_hostname_as_fqdn",
    "priority": "priority",
    "preemptionPolicy": "preemption_policy",
    "readinessGates": "readiness_gates",
    "ephemeralContainers": "ephemeral_containers",
    "serviceAccount": "service_account",
    "overhead": "overhead",
    "hostUsers": "host_users",
    "os": "os",
    "schedulingGates": "scheduling_gates",
    "resourceClaims": "resource_claims",
    "resources": "resources",
}
_PLAIN_SOURCES = ("secret", "configMap", "projected")
#: Volumes behind a feature: source -> (feature, how a refusal calls it).
_GATED_SOURCES: Mapping[str, tuple[str, str]] = {
    "emptyDir": (f"{_FEATURE}volumes-emptydir", "EmptyDir"),
    "persistentVolumeClaim": (f"{_FEATURE}persistent-volume-claim", "Persistent volume claim"),
    "hostPath": (f"{_FEATURE}volumes-hostpath", "HostPath"),
    "csi": (f"{_FEATURE}volumes-csi", "CSI"),
    "ephemeral": (f"{_FEATURE}volumes-ephemeral", "Ephemeral"),
    "image": (f"{_FEATURE}volumes-image", "Image"),
}


def check_pod_spec(spec: PodSpec, features: Features, path: str) -> Errors:
    found = _check_fields(spec, features, path)
    found += _check_volumes(spec, features, f"{path}.volumes")
    found += _check_init_containers(spec, features, path)
    port, problems = _serving_port(spec.containers, path)
    found += problems
    if not spec.containers:
        found.append(missing(f"{path}.containers"))
    elif len(spec.containers) == 1:
        here = f"{path}.containers[0]"
        found += check_serving(spec.containers[0], spec.volumes, features, port, here)
    else:
        found += _check_several(spec, features, port, path)
    name = spec.service_account_name
    if name:
        found += [
            invalid_value(name, f"{path}.serviceAccountName", why)
            for why in labels.dns1123_subdomain(name)
        ]
    return found


def _check_fields(spec: PodSpec, features: Features, path: str) -> Errors:
    refused = [name for name, field in NEVER.items() if _is_set(getattr(spec, field))]
    refused += [
        name
        for name, (field, feature) in GATED.items()
        if _is_set(getattr(spec, field)) and not features.allows(_FEATURE + feature)
    ]
    if spec.automount_service_account_token is True:
        refused.append("automountServiceAccountToken")
    return [disallowed(*(f"{path}.{name}" for name in refused))] if refused else []


def _is_set(value: Any) -> bool:
    """Go's notion: the zero of a plain type counts as unset."""
    return value not in (None, (), {}, "", [])


def _serving_port(containers: Sequence[Container], path: str) -> tuple[Port, Errors]:
    """The one port that requests go to; of several containers exactly one may declare one."""
    ports = [port for container in containers for port in container.ports]
    here = f"{path}.containers[*].ports"
    last = next((c.ports[0] for c in reversed(containers) if c.ports), None)
    serving = Port(name=(last.name if last else None) or "http")
    if not ports and len(containers) > 1:
        return serving, [missing(here)]
    if len(ports) > 1:
        details = "Only a single port is allowed across all containers"
        return serving, [FieldError("more than one container port is set", (here,), details)]
    return serving, []


def _check_several(spec: PodSpec, features: Features, port: Port, path: str) -> Errors:
    if not features.enables("multi-container"):
        text = f"multi-container is off, but found {len(spec.containers)} containers"
        return [switched_off(text)]
    found: Errors = []
    names: set[str] = set()
    for i, container in enumerate(spec.containers):
        here = f"{path}.containers[{i}]"
        if container.name in names:
            found.append(_taken(container.name, here))
        names.add(container.name)
        if container.ports:
            found += check_serving(container, spec.volumes, features, port, here)
        else:
            found += check_sidecar(container, spec.volumes, features, here)
    return found


def _check_init_containers(spec: PodSpec, features: Features, path: str) -> Errors:
    """Paths name `initContainers`; upstream writes `containers` there, which misleads."""
    count = len(spec.init_containers)
    if count and not features.enables(f"{_FEATURE}init-containers"):
        text = f"pod spec support for init-containers is off, but found {count} init containers"
        return [switched_off(text)]
    found: Errors = []
    names = {container.name for container in spec.containers}
    for i, container in enumerate(spec.init_containers):
        here = f"{path}.initContainers[{i}]"
        if container.name in names:
            found.append(_taken(container.name, here))
        names.add(container.name)
        found += check_init(container, spec.volumes, features, here)
    return found


def _taken(name: str, path: str) -> FieldError:
    return FieldError(f'duplicate container name "{name}"', (f"{path}.name",))


# --- volumes


def _check_volumes(spec: PodSpec, features: Features, path: str) -> Errors:
    mounted = {
        mount.name
        for container in (*spec.init_containers, *spec.containers)
        for mount in container.volume_mounts
    }
    found: Errors = []
    seen: set[str] = set()
    for i, volume in enumerate(spec.volumes):
        here = f"{path}[{i}]"
        name = volume.name
        if name in seen:
            found.append(FieldError(f'duplicate volume name "{name}"', (f"{here}.name",)))
        seen.add(name)
        if name not in mounted:
            found.append(FieldError(f'volume with name "{name}" not mounted', (f"{here}.name",)))
        if not name:
            found.append(missing(f"{here}.name"))
        elif labels.dns1123_label(name):
            found.append(invalid_value(name, f"{here}.name"))
        found += _check_gates(volume, features)
        found += _check_source(volume, features, here)
    return found


def _check_gates(volume: Volume, features: Features) -> Errors:
    found: Errors = []
    claim = volume.persistent_volume_claim
    for source in sources_of(volume):
        feature, name = _GATED_SOURCES.get(source, ("", ""))
        if not feature or features.enables(feature):
            continue
        if claim is not None and source == "persistentVolumeClaim":
            text = f"but found persistent volume claim {claim.claim_name}"
            found.append(switched_off(f"Persistent volume claim support is disabled, {text}"))
        else:
            text = f"{name} volume support is disabled, but found {name} volume {volume.name}"
            found.append(switched_off(text))
    if (
        claim is not None
        and not claim.read_only
        and not features.enables(f"{_FEATURE}persistent-volume-write")
    ):
        text = (
            "Persistent volume write support is disabled, but found persistent volume claim "
            f"{claim.claim_name} that is not read-only"
        )
        found.append(switched_off(text))
    return found


def _check_source(volume: Volume, features: Features, path: str) -> Errors:
    known = (
        *_PLAIN_SOURCES,
        *(name for name, gate in _GATED_SOURCES.items() if features.enables(gate[0])),
    )
    given = sources_of(volume)
    refused = [s for s in given if s not in _PLAIN_SOURCES and s not in _GATED_SOURCES]
    found: Errors = [disallowed(*(f"{path}.{s}" for s in refused))] if refused else []
    accepted = [s for s in given if s not in refused]
    if not accepted:
        found.append(got_neither(*(f"{path}.{name}" for name in known)))
    elif len(accepted) > 1:
        found.append(got_both(*(f"{path}.{name}" for name in accepted)))
    for files in (volume.secret, volume.config_map):
        if files is not None:
            found += _check_items(files.items, path)
    empty = volume.empty_dir
    if empty is not None and empty.medium not in (None, "", "Memory"):
        found.append(invalid_value(empty.medium, f"{path}.emptyDir.medium"))
    return found


def _check_items(items: Sequence[KeyToPath], path: str) -> Errors:
    return [
        missing(f"{path}.items[{i}].{field}")
        for i, item in enumerate(items)
        for field, text in (("key", item.key), ("path", item.path))
        if not text
    ]
