"""The columns of core and apps kinds, as Kubernetes' own printers make them.

Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.model import core, label_text
from tidegate.model.ages import UNKNOWN, age_of
from tidegate.model.column import AGE, NAME, NONE, Cell, number, text, wide
from tidegate.model.conditions import find, is_true
from tidegate.model.containers import Container
from tidegate.model.meta import LabelSelector
from tidegate.model.pod_columns import pod_row
from tidegate.model.pods import Pod

_ROLE = "node-role.kubernetes.io/"


def _pod_ip(pod: Pod, now_s: float) -> str:
    return (pod.status.pod_ip if pod.status else None) or NONE


def _readiness_gates(pod: Pod, now_s: float) -> str:
    gates = [gate.condition_type for gate in pod.spec.readiness_gates]
    conditions = pod.status.conditions if pod.status else ()
    return f"{sum(is_true(conditions, g) for g in gates)}/{len(gates)}" if gates else NONE


POD = (
    NAME,
    text("Ready", lambda pod, now_s: pod_row(pod).ready_text),
    text("Status", lambda pod, now_s: pod_row(pod).status),
    text("Restarts", lambda pod, now_s: pod_row(pod).restarts_text(now_s)),
    AGE,
    wide("IP", _pod_ip),
    wide("Node", lambda pod, now_s: pod.spec.node_name or NONE),
    wide("Nominated Node", lambda pod, now_s: NONE),
    wide("Readiness Gates", _readiness_gates),
)


_TEMPLATE = (
    wide("Containers", lambda obj, now_s: _joined(obj.spec.template.spec.containers, "name")),
    wide("Images", lambda obj, now_s: _joined(obj.spec.template.spec.containers, "image")),
    wide("Selector", lambda obj, now_s: selector_text(obj.spec.selector)),
)

DEPLOYMENT = (
    NAME,
    text("Ready", lambda obj, now_s: f"{_status(obj, 'ready_replicas')}/{obj.spec.replicas or 0}"),
    number("Up-to-date", lambda obj, now_s: _status(obj, "updated_replicas")),
    number("Available", lambda obj, now_s: _status(obj, "available_replicas")),
    AGE,
    *_TEMPLATE,
)

REPLICA_SET = (
    NAME,
    number("Desired", lambda obj, now_s: obj.spec.replicas or 0),
    number("Current", lambda obj, now_s: _status(obj, "replicas")),
    number("Ready", lambda obj, now_s: _status(obj, "ready_replicas")),
    AGE,
    *_TEMPLATE,
)


def _status(obj: Any, field: str) -> int:
    return getattr(obj.status, field, None) or 0


def _joined(containers: Sequence[Container], field: str) -> str:
    return ",".join(getattr(container, field) or "" for container in containers)


def selector_text(selector: LabelSelector) -> str:
    """A selector as it is typed on a command line: `app=web,tier in (a,b),!old`."""
    return label_text.selector_text(selector) or NONE


# --- services, nodes, and the rest of core


def _external_ip(service: core.Service, now_s: float) -> str:
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name or NONE
    if spec.type == "LoadBalancer" and not spec.external_ips:
        return _balancer(service.status) or "<pending>"
    return ",".join(spec.external_ips) or NONE


def _balancer(status: Any) -> str:
    given = status.get("loadBalancer", {}) if isinstance(status, dict) else {}
    places = given.get("ingress") or []
    return ",".join(place.get("ip") or place.get("hostname") or "" for place in places)


def _ports(service: core.Service, now_s: float) -> str:
    def one(port: core.ServicePort) -> str:
        node = f":{port.node_port}" if port.node_port else ""
        return f"{port.port}{node}/{port.protocol or 'TCP'}"

    return ",".join(map(one, service.spec.ports)) or NONE


SERVICE = (
    NAME,
    text("Type", lambda obj, now_s: obj.spec.type or "ClusterIP"),
    text("Cluster-IP", lambda obj, now_s: obj.spec.cluster_ip or NONE),
    text("External-IP", _external_ip),
    text("Port(s)", _ports),
    AGE,
    wide(
        "Selector", lambda obj, now_s: selector_text(LabelSelector(match_labels=obj.spec.selector))
    ),
)


def _node_status(node: core.Node, now_s: float) -> str:
    ready = find(node.status.conditions if node.status else (), "Ready")
    text = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    if node.spec is not None and node.spec.unschedulable:
        text += ",SchedulingDisabled"
    return text


def _roles(node: core.Node, now_s: float) -> str:
    labels = node.metadata.labels
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)}
    roles |= {value for key, value in labels.items() if key == "kubernetes.io/role" and value}
    return ",".join(sorted(filter(None, roles))) or NONE


def _address(type_: str) -> Cell:
    def cell(node: core.Node, now_s: float) -> str:
        addresses = node.status.addresses if node.status else ()
        return next((a.address for a in addresses if a.type == type_), NONE)

    return cell


def _node_info(field: str, default: str = UNKNOWN) -> Cell:
    def cell(node: core.Node, now_s: float) -> str:
        info = node.status.node_info if node.status else None
        text: str = getattr(info, field, "")
        return text or default

    return cell


NODE = (
    NAME,
    text("Status", _node_status),
    text("Roles", _roles),
    AGE,
    text("Version", _node_info("kubelet_version", "")),
    wide("Internal-IP", _address("InternalIP")),
    wide("External-IP", _address("ExternalIP")),
    wide("OS-Image", _node_info("os_image")),
    wide("Kernel-Version", _node_info("kernel_version")),
    wide("Container-Runtime", _node_info("container_runtime_version")),
)


def _event_about(event: core.Event, now_s: float) -> str:
    about = event.involved_object
    return f"{(about.kind or '').lower()}/{about.name or ''}"


def _event_source(event: core.Event, now_s: float) -> str:
    source = event.source
    parts = (source.component, source.host) if source else (event.reporting_component, None)
    return ", ".join(filter(None, parts))


def _event_age(event: core.Event, now_s: float) -> str:
    return age_of(event.last_timestamp or _first_seen(event), now_s)


def _first_seen(event: core.Event) -> str | None:
    return event.first_timestamp or event.event_time


EVENT = (
    text("Last Seen", _event_age),
    text("Type", lambda obj, now_s: obj.type or ""),
    text("Reason", lambda obj, now_s: obj.reason or ""),
    text("Object", _event_about),
    wide("Subobject", lambda obj, now_s: obj.involved_object.field_path or ""),
    wide("Source", _event_source),
    text("Message", lambda obj, now_s: (obj.message or "").strip()),
    wide("First Seen", lambda obj, now_s: age_of(_first_seen(obj), now_s)),
    number("Count", lambda obj, now_s: obj.count or 1, priority=1),
    wide("Name", lambda obj, now_s: obj.metadata.name),
)

CONFIG_MAP = (
    NAME,
    number("Data", lambda obj, now_s: len(obj.data) + len(obj.binary_data)),
    AGE,
)
SECRET = (
    NAME,
    text("Type", lambda obj, now_s: obj.type or "Opaque"),
    number("Data", lambda obj, now_s: len(obj.data)),
    AGE,
)
NAMESPACE = (
    NAME,
    text("Status", lambda obj, now_s: (obj.status.phase if obj.status else None) or "Active"),
    AGE,
)
