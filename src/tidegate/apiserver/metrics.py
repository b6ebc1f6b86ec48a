"""`metrics.k8s.io/v1beta1`: what `kubectl top` reads. Measured when asked, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from tidegate.apiserver.exchange import Ask, Reply, as_json
from tidegate.apiserver.selectors import Selection, parse_fields, parse_labels
from tidegate.model.conditions import timestamp
from tidegate.model.core import Node
from tidegate.model.errors import BadRequest, MethodNotAllowed, NotFound, UnknownPath
from tidegate.model.meta import Object
from tidegate.model.pods import Pod
from tidegate.model.usage import Measurement, Usage
from tidegate.store import Store

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
_API = f"{GROUP}/{VERSION}"
_ROOT = f"/apis/{_API}/"
#: Resource -> kind, whether it is namespaced. Discovery lists them.
RESOURCES = {"nodes": ("NodeMetrics", False), "pods": ("PodMetrics", True)}


class UsageSource(Protocol):
    """Who measures; `app` hands in the node's."""

    async def measure(self) -> Measurement: ...


@dataclass(frozen=True, slots=True)
class _Place:
    resource: str
    namespace: str | None
    name: str | None


class Metrics:
    """Answers below `/apis/metrics.k8s.io/v1beta1/`."""

    def __init__(self, store: Store, source: UsageSource | None) -> None:
        self._store, self._source = store, source

    @staticmethod
    def has(path: str) -> bool:
        return path.startswith(_ROOT)

    async def read(self, ask: Ask) -> Reply:
        """Raises UnknownPath, MethodNotAllowed, NotFound, BadRequest."""
        place = _place(ask.path.removeprefix(_ROOT))
        if ask.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{place.resource} of {GROUP} can only be read", details={})
        if self._source is None:
            raise BadRequest("this API server runs without a node, so nothing is measured")
        if place.resource == "nodes":
            return await self._nodes(ask, place, self._source)
        return await self._pods(ask, place, self._source)

    async def _pods(self, ask: Ask, place: _Place, source: UsageSource) -> Reply:
        selection = _selection(ask, Pod, place)
        seen = await source.measure()
        items = []
        for pod in self._store.list(Pod, place.namespace):
            used = dict(_of_pod(pod, seen))
            wanted = place.name is None or pod.metadata.name == place.name
            if used and wanted and selection.holds(pod):
                items.append(_pod_metrics(pod, seen, used))
        return _answer(place, items, "PodMetrics")

    async def _nodes(self, ask: Ask, place: _Place, source: UsageSource) -> Reply:
        selection = _selection(ask, Node, place)
        seen = await source.measure()
        items = [
            _metrics(node, "NodeMetrics", seen) | {"usage": _usage(seen.node)}
            for node in self._store.list(Node)
            if node.metadata.name == seen.node_name
            and place.name in (None, node.metadata.name)
            and selection.holds(node)
        ]
        return _answer(place, items, "NodeMetrics")


def _place(path: str) -> _Place:
    match path.split("/"):
        case ["nodes" | "pods" as resource]:
            return _Place(resource, None, None)
        case ["nodes", name]:
            return _Place("nodes", None, name)
        case ["namespaces", namespace, "pods"]:
            return _Place("pods", namespace, None)
        case ["namespaces", namespace, "pods", name]:
            return _Place("pods", namespace, name)
        case _:
            raise UnknownPath("the server could not find the requested resource", details={})


def _selection(ask: Ask, type_: type[Object], place: _Place) -> Selection:
    return Selection(
        type_,
        place.namespace,
        parse_labels(ask.query.get("labelSelector", "")),
        parse_fields(ask.query.get("fieldSelector", ""), type_),
    )


def _of_pod(pod: Pod, seen: Measurement) -> Iterator[tuple[str, Usage]]:
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        used = seen.containers.get((pod.metadata.uid or "", container.name))
        if used is not None:
            yield container.name, used


def _pod_metrics(pod: Pod, seen: Measurement, used: dict[str, Usage]) -> dict[str, Any]:
    containers = [{"name": name, "usage": _usage(usage)} for name, usage in used.items()]
    return _metrics(pod, "PodMetrics", seen) | {"containers": containers}


def _metrics(obj: Object, kind: str, seen: Measurement) -> dict[str, Any]:
    meta = {"name": obj.metadata.name, "labels": dict(obj.metadata.labels)}
    if obj.metadata.namespace:
        meta["namespace"] = obj.metadata.namespace
    at = timestamp(seen.at_s)
    return {
        "kind": kind,
        "apiVersion": _API,
        "metadata": meta | {"creationTimestamp": at},
        "timestamp": at,
        "window": f"{seen.window_s:.3f}s",
    }


def _usage(usage: Usage) -> dict[str, str]:
    return {"cpu": f"{usage.cpu_nano}n", "memory": f"{usage.memory_bytes // 1024}Ki"}


def _answer(place: _Place, items: list[dict[str, Any]], kind: str) -> Reply:
    if place.name is None:
        listed = {"kind": f"{kind}List", "apiVersion": _API, "metadata": {}, "items": items}
        return as_json(listed)
    if not items:
        raise NotFound(f"{place.resource}.{GROUP}", place.name)
    return as_json(items[0])
