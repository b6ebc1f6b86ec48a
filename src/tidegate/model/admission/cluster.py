"""Namespaces, Nodes and Events: little to default, little to check."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tidegate.model.admission.problems import Problems, invalid, not_supported, required
from tidegate.model.admission.resources import check_quantities
from tidegate.model.core import (
    Event,
    Namespace,
    NamespaceStatus,
    Node,
)
from tidegate.model.meta import touched

NAME_LABEL = "kubernetes.io/metadata.name"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def default_namespace(namespace: Namespace, old: Namespace | None) -> Namespace:
    """Active, and labelled with its own name so that selectors can pick it.

    The finalizer that a cluster writes into the spec is left out: here the API server itself
    empties a namespace that is deleted.
    """
    meta, status = namespace.metadata, namespace.status
    if meta.name:
        meta = touched(meta, labels={**meta.labels, NAME_LABEL: meta.name})
    if status is None or status.phase is None:
        status = replace(status or NamespaceStatus(), phase="Active")
    return replace(namespace, metadata=meta, status=status)


def check_node(node: Node) -> Problems:
    found: Problems = []
    taints: Any = node.spec.taints if node.spec else None
    for i, taint in enumerate(taints or []):
        path = f"spec.taints[{i}]"
        if not isinstance(taint, dict) or not taint.get("key"):
            found.append(required(f"{path}.key"))
        elif taint.get("effect") not in _EFFECTS:
            found.append(not_supported(f"{path}.effect", taint.get("effect") or "", _EFFECTS))
    if node.status is not None:
        found += check_quantities(node.status.capacity, "status.capacity")
        found += check_quantities(node.status.allocatable, "status.allocatable")
    return found


def check_event(event: Event) -> Problems:
    about, own = event.involved_object.namespace or "default", event.metadata.namespace
    if own and about != own:
        detail = "does not match event.namespace"
        return [invalid("involvedObject.namespace", event.involved_object.namespace or "", detail)]
    return []
