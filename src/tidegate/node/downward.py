"""What a container may learn of its own pod: fields and resources, as values or as files.

Source: kubernetes pkg/fieldpath, pkg/api/v1/resource (`ExtractContainerResourceValue`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from tidegate.client.api import Reader
from tidegate.kit.quantity import BadQuantity, parse_quantity
from tidegate.model.containers import Container, ResourceFieldSelector
from tidegate.model.core import Node
from tidegate.model.pods import Pod
from tidegate.model.volumes import DownwardAPIFile
from tidegate.node.errors import NotSupported

LOOPBACK = "127.0.0.1"
_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")
_OF_NODE = ("cpu", "memory", "ephemeral-storage")


def field_value(pod: Pod, path: str) -> str:
    """A field as an environment variable has it. Raises `NotSupported` for one that is not known."""
    meta, spec = pod.metadata, pod.spec
    subscript = _SUBSCRIPT.match(path)
    if subscript:
        values = meta.labels if subscript[1] == "labels" else meta.annotations
        return values.get(subscript[2], "")
    match path:
        case "metadata.name":
            return meta.name
        case "metadata.namespace":
            return meta.namespace or ""
        case "metadata.uid":
            return meta.uid or ""
        case "spec.nodeName":
            return spec.node_name or ""
        case "spec.serviceAccountName":
            return spec.service_account_name or "default"
        case "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs":
            return LOOPBACK
        case _:
            raise NotSupported(f"fieldPath {path!r} is not one of the downward API's fields")


def resource_value(
    reader: Reader, pod: Pod, container: Container | None, ref: ResourceFieldSelector
) -> str:
    """A container's limit or request in units of the divisor, rounded up. A limit that isn't set is
    what the node has. `container` None: the reference must name one. Raises `NotSupported`."""
    if ref.container_name:
        everyone = (*pod.spec.init_containers, *pod.spec.containers)
        container = next((c for c in everyone if c.name == ref.container_name), None)
    if container is None:
        raise NotSupported(f"resourceFieldRef {ref.resource}: no container {ref.container_name!r}")
    which, _, resource = ref.resource.partition(".")
    if which not in ("limits", "requests") or not resource:
        raise NotSupported(
            f"resourceFieldRef {ref.resource!r}: write limits.cpu, requests.memory or the like"
        )
    amount = _amount(reader, pod, container, which, resource)
    try:
        divisor = parse_quantity(ref.divisor or 0) or Decimal(1)
    except BadQuantity as why:
        raise NotSupported(f"resourceFieldRef {ref.resource}: divisor {why}") from why
    return str(int((amount / divisor).to_integral_value(ROUND_CEILING)))


def downward_file(reader: Reader, pod: Pod, item: DownwardAPIFile) -> bytes:
    """The content of one file of a downwardAPI volume. Raises `NotSupported`."""
    if item.resource_field_ref is not None:
        return resource_value(reader, pod, None, item.resource_field_ref).encode()
    path = item.field_ref.field_path if item.field_ref is not None else ""
    if path == "metadata.labels":
        return _lines(pod.metadata.labels)
    if path == "metadata.annotations":
        return _lines(pod.metadata.annotations)
    return field_value(pod, path).encode()


def _amount(reader: Reader, pod: Pod, container: Container, which: str, resource: str) -> Decimal:
    asked = container.resources
    values = {} if asked is None else (asked.limits if which == "limits" else asked.requests)
    if resource in values:
        return parse_quantity(values[resource])
    if which == "limits" and resource in _OF_NODE:
        node = reader.get(Node, "", pod.spec.node_name or "")
        has = node.status.allocatable if node is not None and node.status is not None else {}
        return parse_quantity(has.get(resource, 0))
    return Decimal(0)


def _lines(values: Mapping[str, str]) -> bytes:
    return "\n".join(f"{k}={json.dumps(v)}" for k, v in sorted(values.items())).encode()
