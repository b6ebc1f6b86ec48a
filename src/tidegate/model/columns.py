"""What `kubectl get` prints of each kind: the columns of its Table and their cells.

Built-in kinds as Kubernetes' own printers, Knative's as the printer columns of their CRDs.
Source: kubernetes pkg/printers/internalversion/printers.go.

To add a kind: write its columns below and its line in `_COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.model import apps, core, serving
from tidegate.model.ages import UNKNOWN, age_of, human_age
from tidegate.model.conditions import find
from tidegate.model.core import Container
from tidegate.model.kinds import Kind
from tidegate.model.meta import LabelSelector, Object
from tidegate.model.pod_columns import pod_row

__all__ = ["Column", "columns_of", "human_age"]

NONE = "<none>"
_ROLE = "node-role.kubernetes.io/"

# Cells get an object of their own kind: `columns_of` is the only way to them.
Cell = Callable[[Any, float], str | int | bool]


@dataclass(frozen=True, slots=True)
class Column:
    """`priority` 1: shown with `-o wide` only. `cell` gets the object and the time in seconds."""

    name: str
    type: str  # string, integer, boolean
    priority: int
    cell: Cell


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The kind's columns; Name and Age for kinds that have none of their own."""
    return _COLUMNS.get(kind.type, (NAME, AGE))


def _text(name: str, cell: Cell, *, wide: bool = False) -> Column:
    return Column(name, "string", int(wide), cell)


def _number(name: str, cell: Cell, *, wide: bool = False) -> Column:
    return Column(name, "integer", int(wide), cell)


def _wide(name: str, cell: Cell) -> Column:
    return _text(name, cell, wide=True)


NAME = _text("Name", lambda obj, now_s: obj.metadata.name)
AGE = _text("Age", lambda obj, now_s: age_of(obj.metadata.creation_timestamp, now_s))


# --- pods and what runs them


def _pod_columns() -> tuple[Column, ...]:
    def ip(pod: core.Pod, now_s: float) -> str:
        return (pod.status.pod_ip if pod.status else None) or NONE

    return (
        NAME,
        _text("Ready", lambda pod, now_s: pod_row(pod).ready_text),
        _text("Status", lambda pod, now_s: pod_row(pod).status),
        _text("Restarts", lambda pod, now_s: pod_row(pod).restarts_text(now_s)),
        AGE,
        _wide("IP", ip),
        _wide("Node", lambda pod, now_s: pod.spec.node_name or NONE),
        _wide("Nominated Node", lambda pod, now_s: NONE),
        _wide("Readiness Gates", lambda pod, now_s: NONE),
    )


_TEMPLATE = (
    _wide("Containers", lambda obj, now_s: _joined(obj.spec.template.spec.containers, "name")),
    _wide("Images", lambda obj, now_s: _joined(obj.spec.template.spec.containers, "image")),
    _wide("Selector", lambda obj, now_s: selector_text(obj.spec.selector)),
)

_DEPLOYMENT = (
    NAME,
    _text("Ready", lambda obj, now_s: f"{_status(obj, 'ready_replicas')}/{obj.spec.replicas or 0}"),
    _number("Up-to-date", lambda obj, now_s: _status(obj, "updated_replicas")),
    _number("Available", lambda obj, now_s: _status(obj, "available_replicas")),
    AGE,
    *_TEMPLATE,
)

_REPLICA_SET = (
    NAME,
    _number("Desired", lambda obj, now_s: obj.spec.replicas or 0),
    _number("Current", lambda obj, now_s: _status(obj, "replicas")),
    _number("Ready", lambda obj, now_s: _status(obj, "ready_replicas")),
    AGE,
    *_TEMPLATE,
)


def _status(obj: Any, field: str) -> int:
    return getattr(obj.status, field, None) or 0


def _joined(containers: Sequence[Container], field: str) -> str:
    return ",".join(getattr(container, field) or "" for container in containers)


def selector_text(selector: LabelSelector) -> str:
    """A selector as it is typed on a command line: `app=web,tier in (a,b),!old`."""
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for term in selector.match_expressions:
        values = ",".join(sorted(term.values))
        terms.append(
            {
                "In": f"{term.key} in ({values})",
                "NotIn": f"{term.key} notin ({values})",
                "Exists": term.key,
            }.get(term.operator, f"!{term.key}")
        )
    return ",".join(terms) or NONE


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


_SERVICE = (
    NAME,
    _text("Type", lambda obj, now_s: obj.spec.type or "ClusterIP"),
    _text("Cluster-IP", lambda obj, now_s: obj.spec.cluster_ip or NONE),
    _text("External-IP", _external_ip),
    _text("Port(s)", _ports),
    AGE,
    _wide(
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


_NODE = (
    NAME,
    _text("Status", _node_status),
    _text("Roles", _roles),
    AGE,
    _text("Version", _node_info("kubelet_version", "")),
    _wide("Internal-IP", _address("InternalIP")),
    _wide("External-IP", _address("ExternalIP")),
    _wide("OS-Image", _node_info("os_image")),
    _wide("Kernel-Version", _node_info("kernel_version")),
    _wide("Container-Runtime", _node_info("container_runtime_version")),
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


_EVENT = (
    _text("Last Seen", _event_age),
    _text("Type", lambda obj, now_s: obj.type or ""),
    _text("Reason", lambda obj, now_s: obj.reason or ""),
    _text("Object", _event_about),
    _wide("Subobject", lambda obj, now_s: obj.involved_object.field_path or ""),
    _wide("Source", _event_source),
    _text("Message", lambda obj, now_s: (obj.message or "").strip()),
    _wide("First Seen", lambda obj, now_s: age_of(_first_seen(obj), now_s)),
    _number("Count", lambda obj, now_s: obj.count or 1, wide=True),
    _wide("Name", lambda obj, now_s: obj.metadata.name),
)

_CONFIG_MAP = (
    NAME,
    _number("Data", lambda obj, now_s: len(obj.data) + len(obj.binary_data)),
    AGE,
)
_SECRET = (
    NAME,
    _text("Type", lambda obj, now_s: obj.type or "Opaque"),
    _number("Data", lambda obj, now_s: len(obj.data)),
    AGE,
)
_NAMESPACE = (
    NAME,
    _text("Status", lambda obj, now_s: (obj.status.phase if obj.status else None) or "Active"),
    AGE,
)


# --- Knative: cells of absent values stay empty, as those of any CRD


def _of_status(field: str) -> Cell:
    def cell(obj: Any, now_s: float) -> str | int:
        value: str | int | None = getattr(obj.status, field, None)
        return "" if value is None else value

    return cell


def _of_ready(field: str) -> Cell:
    def cell(obj: Any, now_s: float) -> str:
        ready = find(obj.status.conditions if obj.status else (), "Ready")
        return getattr(ready, field, None) or ""

    return cell


def _of_labels(key: str) -> Cell:
    return lambda obj, now_s: obj.metadata.labels.get(f"serving.knative.dev/{key}", "")


_READY = (_text("Ready", _of_ready("status")), _text("Reason", _of_ready("reason")))
_LATEST = (
    _text("LatestCreated", _of_status("latest_created_revision_name")),
    _text("LatestReady", _of_status("latest_ready_revision_name")),
)
_URL = _text("URL", _of_status("url"))
_REVISION = (
    NAME,
    _text("Config Name", _of_labels("configuration")),
    _text("Generation", _of_labels("configurationGeneration")),
    *_READY,
    _number("Actual Replicas", _of_status("actual_replicas")),
    _number("Desired Replicas", _of_status("desired_replicas")),
)
_POD_AUTOSCALER = (
    NAME,
    _number("DesiredScale", _of_status("desired_scale")),
    _number("ActualScale", _of_status("actual_scale")),
    *_READY,
)

_COLUMNS: Mapping[type[Object], tuple[Column, ...]] = {
    core.Pod: _pod_columns(),
    apps.Deployment: _DEPLOYMENT,
    apps.ReplicaSet: _REPLICA_SET,
    core.Service: _SERVICE,
    core.Node: _NODE,
    core.Event: _EVENT,
    core.ConfigMap: _CONFIG_MAP,
    core.Secret: _SECRET,
    core.Namespace: _NAMESPACE,
    serving.Service: (NAME, _URL, *_LATEST, *_READY),
    serving.Configuration: (NAME, *_LATEST, *_READY),
    serving.Revision: _REVISION,
    serving.Route: (NAME, _URL, *_READY),
    serving.PodAutoscaler: _POD_AUTOSCALER,
}
