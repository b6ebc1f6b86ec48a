"""Names for what the gateway counts, so that autoscalers can ask for it.

`tidegate_tokens_per_second` are those that answers of the OpenAI API brought clients.
`tidegate_requests_per_second`, `tidegate_concurrency`, `tidegate_queue`, `tidegate_errors_per_second` and
`tidegate_latency_p50_ms` (p90, p95, p99), of the last 30 seconds; `tidegate_batch_...` of batch requests,
which are in none of those. `sls_ingress_*`: what Alibaba's
log service says of an Ingress' upstreams, by its own selector labels.

Source of the latter: Alibaba Cloud, ACK, "Horizontal pod scaling by Nginx Ingress metrics".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import floor

from tidegate.autoscale.hpa.traffic import Traffic, Window
from tidegate.client.api import Reader
from tidegate.model import serving_names as names
from tidegate.model.core import Service
from tidegate.model.ingresses import Ingress
from tidegate.model.istio import DestinationRule
from tidegate.model.pods import Pod
from tidegate.model.service_targets import (
    find_port,
    lane_key,
    routed_ports,
    selects,
    subset_lane_key,
)
from tidegate.model.serving import Revision
from tidegate.model.subsets import subsets_of

WINDOW_S = 30.0
_PREFIX, _SLS = "tidegate_", "sls_ingress_"
_LATENCY = re.compile(r"tidegate_latency_p(\d{2})_ms")
_SLS_LATENCY = re.compile(r"sls_ingress_latency_p(\d{2,4})")
_SLS_INTERVAL_S, _SLS_DELAY_S = 15.0, 10.0
_ROUTE = "sls.ingress.route"
#: Labels of Alibaba's adapter; those that say where its logs are have no meaning here.
_SLS_LABELS = frozenset(
    (
        _ROUTE,
        "sls.query.interval",
        "sls.query.delay",
        "sls.query.max_retry",
        "sls.project",
        "sls.logstore",
        "sls.internal.endpoint",
    )
)


class NotCounted(ValueError):
    """The gateway has no such figure; the sentence says what there is."""


class GatewayMetrics:
    """Reads `traffic`; finds out which of the gateway's keys belong to an object. `now_s` are
    monotonic seconds."""

    def __init__(self, api: Reader, traffic: Traffic) -> None:
        self._api, self._traffic = api, traffic

    @staticmethod
    def has(metric: str) -> bool:
        return metric.startswith((_PREFIX, _SLS))

    def of_pods(self, metric: str, pods: Iterable[Pod], *, now_s: float) -> float:
        """All of the pods together. Raises `NotCounted`."""
        return self._figure(metric, self._keys_of_pods(pods), now_s)

    def of_object(
        self, metric: str, kind: str, namespace: str, name: str, *, now_s: float
    ) -> float:
        """Of a Service's, Knative Service's or Ingress' upstreams. Raises `NotCounted`."""
        keys = self._keys_of_object(kind, namespace, name)
        return self._figure(metric, keys, now_s)

    def external(
        self, metric: str, namespace: str, labels: Mapping[str, str], *, now_s: float
    ) -> float:
        """By labels: `service` (of that namespace), `revision`; none: all of the namespace. Those of
        `sls_ingress_*` are its own. Raises `NotCounted`."""
        if metric.startswith(_SLS):
            return float(floor(self._sls(metric, labels, now_s)))
        unknown = labels.keys() - {"service", "revision", "namespace"}
        if unknown:
            raise NotCounted(
                f"{metric} has no label {', '.join(sorted(unknown))}: use service or revision"
            )
        within = labels.get("namespace", namespace)
        if service := labels.get("service"):
            keys = self._keys_of_object("Service", within, service)
        elif revision := labels.get("revision"):
            keys = [f"{within}/{revision}"]
        else:
            places = (f"svc:{within}/", f"{within}/")
            keys = [key for key in self._traffic.lanes() if key.startswith(places)]
        return self._figure(metric, keys, now_s)

    def _figure(self, metric: str, keys: Iterable[str], now_s: float) -> float:
        self._check_heard()
        window = Window(now_s - WINDOW_S, now_s)
        traffic = self._traffic
        if match := _LATENCY.fullmatch(metric):
            return traffic.latency_ms(keys, window, int(match[1]) / 100)
        match metric.removeprefix(_PREFIX):
            case "requests_per_second":
                return traffic.rate(keys, window)
            case "concurrency":
                return traffic.concurrency(keys, window)
            case "queue":
                return traffic.queue(keys, window)
            case "tokens_per_second":
                return traffic.tokens(keys, window)
            case "errors_per_second":
                return traffic.errors(keys, window)
            case (
                "batch_requests_per_second"
                | "batch_running"
                | "batch_queue"
                | "batch_yields_per_second"
            ):
                return traffic.batch(keys, window, metric.removeprefix(_PREFIX))
            case _:
                raise NotCounted(
                    f"the gateway has no {metric}: there are tidegate_requests_per_second, "
                    "tidegate_concurrency, tidegate_queue, tidegate_errors_per_second, "
                    "tidegate_tokens_per_second, "
                    "tidegate_latency_p50_ms (p90, p95, p99) and, of batch requests, "
                    "tidegate_batch_requests_per_second, tidegate_batch_running, "
                    "tidegate_batch_queue and tidegate_batch_yields_per_second"
                )

    def _check_heard(self) -> None:
        if not self._traffic.speaks:
            raise NotCounted("no gateway has told anything yet")

    # --- sls_ingress_*

    def _sls(self, metric: str, labels: Mapping[str, str], now_s: float) -> float:
        self._check_heard()
        if unknown := labels.keys() - _SLS_LABELS:
            raise NotCounted(
                f"{metric} has no label {', '.join(sorted(unknown))}: use {_ROUTE}, "
                "sls.query.interval and sls.query.delay"
            )
        interval_s = max(_seconds(labels, "sls.query.interval", _SLS_INTERVAL_S), 1.0)
        delay_s = _seconds(labels, "sls.query.delay", _SLS_DELAY_S)
        end_s = floor(now_s - delay_s)
        window = Window(end_s - interval_s, end_s)
        route = labels.get(_ROUTE)
        lanes = [k for k in self._traffic.lanes() if route in (None, upstream_name(k))]
        if metric == "sls_ingress_qps":
            count = self._traffic.requests(lanes, window)
            if not lanes and route is not None:
                by_route = [k for k in self._traffic.routes() if _is_knative_route(k, route)]
                count = self._traffic.route_requests(by_route, window)
            return count / interval_s
        if metric == "sls_ingress_latency_avg":
            return self._traffic.mean_ms(lanes, window)
        if match := _SLS_LATENCY.fullmatch(metric):
            digits = match[1]
            return self._traffic.latency_ms(lanes, window, int(digits) / 10 ** len(digits))
        raise NotCounted(
            f"the gateway has no {metric}: there are sls_ingress_qps, sls_ingress_latency_avg and "
            "sls_ingress_latency_p50 (p95, p99, p9999)"
        )

    # --- whose keys

    def _keys_of_object(self, kind: str, namespace: str, name: str) -> list[str]:
        if kind == "Ingress":
            return self._keys_of_ingress(namespace, name)
        if kind != "Service":
            raise NotCounted(f"the gateway counts for Services and Ingresses, not for a {kind}")
        labels = {names.SERVICE: name}
        keys = [
            f"{namespace}/{r.metadata.name}"
            for r in self._api.list(Revision, namespace, labels=labels)
        ]
        service = self._api.get(Service, namespace, name)
        if service is not None:
            keys += self._keys_of_service(service)
        if not keys:
            raise NotCounted(f'services "{name}" not found')
        return keys

    def _keys_of_service(self, service: Service, pod: Pod | None = None) -> list[str]:
        """Of its ports and its subsets' ports. `pod`: of those subsets only that it is in."""
        namespace, name = service.key
        subsets = subsets_of(service.key, self._api.list(DestinationRule))
        mine = [
            subset
            for subset, labels in subsets.items()
            if pod is None or labels.items() <= pod.metadata.labels.items()
        ]
        keys = []
        for port in routed_ports(service):
            keys.append(lane_key(namespace, name, port.port))
            keys += [subset_lane_key(namespace, name, port.port, subset) for subset in mine]
        return keys

    def _keys_of_ingress(self, namespace: str, name: str) -> list[str]:
        ingress = self._api.get(Ingress, namespace, name)
        if ingress is None:
            raise NotCounted(f'ingresses.networking.k8s.io "{name}" not found')
        backends = [
            path.backend for rule in ingress.spec.rules if rule.http for path in rule.http.paths
        ]
        if ingress.spec.default_backend is not None:
            backends.append(ingress.spec.default_backend)
        keys = []
        for backend in backends:
            wanted = backend.service
            if wanted is None or wanted.port is None:
                continue
            service = self._api.get(Service, namespace, wanted.name)
            named = wanted.port.number or wanted.port.name or 0
            port = find_port(service, named) if service is not None else None
            if port is not None:
                keys.append(lane_key(namespace, wanted.name, port.port))
        return list(dict.fromkeys(keys))

    def _keys_of_pods(self, pods: Iterable[Pod]) -> list[str]:
        keys: dict[str, None] = {}
        for pod in pods:
            namespace = pod.metadata.namespace or ""
            if revision := pod.metadata.labels.get(names.REVISION):
                keys[f"{namespace}/{revision}"] = None
            for service in self._api.list(Service, namespace):
                if selects(service, pod):
                    keys |= dict.fromkeys(self._keys_of_service(service, pod))
        return list(keys)


def upstream_name(key: str) -> str:
    """A plain Service's key as nginx names the upstream: `<namespace>-<service>-<port>`."""
    place, _, port = key.partition("@")[0].removeprefix("svc:").rpartition(":")
    return f"{place.replace('/', '-', 1)}-{port}" if key.startswith("svc:") else key


def _is_knative_route(key: str, upstream: str) -> bool:
    """A Knative Service answers on port 80, by all its tags."""
    return f"{key.partition('#')[0].replace('/', '-', 1)}-80" == upstream


def _seconds(labels: Mapping[str, str], key: str, default_s: float) -> float:
    text = labels.get(key)
    if not text:
        return default_s
    try:
        return max(0.0, float(text))
    except ValueError as why:
        raise NotCounted(f'{key} is "{text}": it must be a number of seconds') from why
