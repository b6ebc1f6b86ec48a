"""`custom.metrics.k8s.io` and `external.metrics.k8s.io`: what autoscalers are told, for people to ask.

Read only, and nothing is kept: each question is asked on to whoever has the figure.

    kubectl get --raw /apis/custom.metrics.k8s.io/v1beta1/namespaces/default/pods/*/queue_depth
    kubectl get --raw /apis/external.metrics.k8s.io/v1beta1/namespaces/default/sls_ingress_qps

Source: k8s.io/metrics custom_metrics/v1beta1, v1beta2, external_metrics/v1beta1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tidegate.apiserver.exchange import Ask, Reply, as_json
from tidegate.apiserver.selectors import parse_labels
from tidegate.kit.clock import Clock
from tidegate.kit.quantity import milli_text
from tidegate.model.conditions import timestamp
from tidegate.model.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, UnknownPath
from tidegate.model.label_text import selects
from tidegate.model.pods import Pod
from tidegate.scaling.hpa import ExternalReading, ObjectReading, PodsReading, ReadFailed, Reading
from tidegate.store import Store

CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"
VERSION = "v1beta1"
_CUSTOM_VERSIONS = ("v1beta1", "v1beta2")

#: Resources of paths -> the kind that has figures, and its apiVersion.
_OBJECTS: Mapping[str, tuple[str, str]] = {
    "services": ("Service", "v1"),
    "ingresses": ("Ingress", "networking.k8s.io/v1"),
    "ingresses.networking.k8s.io": ("Ingress", "networking.k8s.io/v1"),
    "services.serving.knative.dev": ("Service", "serving.knative.dev/v1"),
}


class Found(Protocol):
    @property
    def reading(self) -> Reading: ...
    @property
    def simulated(self) -> bool: ...


class MetricsSource(Protocol):
    """Who has figures; `app` hands in the autoscalers' own sources."""

    async def of_pods(
        self, metric: str, labels: Mapping[str, str], *, namespace: str, pods: Sequence[Pod]
    ) -> Found: ...

    async def of_object(
        self, metric: str, labels: Mapping[str, str], *, kind: str, name: str, namespace: str
    ) -> Found: ...

    async def external(
        self, metric: str, labels: Mapping[str, str], *, namespace: str
    ) -> Found: ...


class NotToBeHad(ApiError):
    """Nobody has that metric, or who has it doesn't answer."""

    code, reason = 404, "NotFound"


class CustomMetrics:
    """Answers below the two groups' paths. `source` None: this server runs without autoscalers."""

    def __init__(self, store: Store, source: MetricsSource | None, clock: Clock) -> None:
        self._store, self._source, self._clock = store, source, clock

    @staticmethod
    def has(path: str) -> bool:
        """Paths of a metric; the groups' own are discovery's."""
        steps = path.strip("/").split("/")
        return len(steps) > 3 and steps[0] == "apis" and steps[1] in (CUSTOM, EXTERNAL)

    async def read(self, ask: Ask) -> Reply:
        """Raises UnknownPath, MethodNotAllowed, NotFound, BadRequest, NotToBeHad."""
        _, group, version, *rest = ask.path.strip("/").split("/")
        if ask.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"metrics of {group} can only be read", details={})
        if self._source is None:
            raise BadRequest("this API server runs without autoscalers, so nobody has figures")
        match rest:
            case ["namespaces", namespace, metric] if (group, version) == (EXTERNAL, VERSION):
                return await self._external(ask, self._source, namespace, metric)
            case ["namespaces", namespace, "pods", name, metric] if _is_custom(group, version):
                return await self._pods(ask, self._source, version, namespace, name, metric)
            case ["namespaces", namespace, resource, name, metric] if (
                _is_custom(group, version) and resource in _OBJECTS
            ):
                kind, api_version = _OBJECTS[resource]
                labels = _equal_labels(ask, "metricLabelSelector")
                found = await self._source.of_object(
                    metric, labels, kind=kind, name=name, namespace=namespace
                )
                reading = _had(found)
                assert isinstance(reading, ObjectReading)
                about = {
                    "kind": kind,
                    "namespace": namespace,
                    "name": name,
                    "apiVersion": api_version,
                }
                item = self._item(version, metric, about, reading.milli, self._clock.now())
                return _custom_list(version, [item])
        raise UnknownPath("the server could not find the requested resource", details={})

    async def _pods(
        self, ask: Ask, source: MetricsSource, version: str, namespace: str, name: str, metric: str
    ) -> Reply:
        selector = parse_labels(ask.query.get("labelSelector", ""))
        pods = [
            pod
            for pod in self._store.list(Pod, namespace)
            if selects(selector, pod.metadata.labels) and name in ("*", pod.metadata.name)
        ]
        if not pods and name != "*":
            raise NotFound("pods", name)
        labels = _equal_labels(ask, "metricLabelSelector")
        found = await source.of_pods(metric, labels, namespace=namespace, pods=pods)
        reading = _had(found)
        assert isinstance(reading, PodsReading)
        items = []
        for value in reading.items:
            about = {
                "kind": "Pod",
                "namespace": namespace,
                "name": value.pod,
                "apiVersion": "/v1",
            }
            item = self._item(version, metric, about, value.milli, value.at_s)
            items.append(item | {"windowSeconds": round(value.window_s)})
        return _custom_list(version, items)

    async def _external(
        self, ask: Ask, source: MetricsSource, namespace: str, metric: str
    ) -> Reply:
        labels = _equal_labels(ask, "labelSelector")
        found = await source.external(metric, labels, namespace=namespace)
        reading = _had(found)
        assert isinstance(reading, ExternalReading)
        now = timestamp(self._clock.now())
        items = [
            {
                "metricName": metric,
                "metricLabels": dict(labels),
                "timestamp": now,
                "value": milli_text(milli),
            }
            for milli in reading.milli
        ]
        return _list("ExternalMetricValueList", f"{EXTERNAL}/{VERSION}", items)

    def _item(
        self, version: str, metric: str, about: dict[str, str], milli: int, at_s: float
    ) -> dict[str, Any]:
        named: dict[str, Any] = (
            {"metricName": metric} if version == "v1beta1" else {"metric": {"name": metric}}
        )
        rest = {"timestamp": timestamp(at_s), "value": milli_text(milli)}
        return {"describedObject": about, **named, **rest}


def _is_custom(group: str, version: str) -> bool:
    return group == CUSTOM and version in _CUSTOM_VERSIONS


def _had(found: Found) -> Reading:
    """Raises NotToBeHad."""
    if isinstance(found.reading, ReadFailed):
        raise NotToBeHad(found.reading.why)
    return found.reading


def _equal_labels(ask: Ask, parameter: str) -> dict[str, str]:
    """A selector that only says what is equal. Raises BadRequest for other terms."""
    labels = {}
    for term in parse_labels(ask.query.get(parameter, "")):
        if not term.wanted or term.values is None or len(term.values) != 1:
            raise BadRequest(f"{parameter} can only say key=value here ({term.key})")
        (labels[term.key],) = term.values
    return labels


def _custom_list(version: str, items: list[dict[str, Any]]) -> Reply:
    return _list("MetricValueList", f"{CUSTOM}/{version}", items)


def _list(kind: str, api_version: str, items: list[dict[str, Any]]) -> Reply:
    return as_json({"kind": kind, "apiVersion": api_version, "metadata": {}, "items": items})
