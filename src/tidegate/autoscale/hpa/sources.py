"""A reading for each metric of an autoscaler, from whoever has it.

The order: for Pods metrics the GPU's name, then what `config-metrics` says to ask a Prometheus server,
then the gateway's names, then the pods' own pages. For Object and External ones `config-metrics`, then
the gateway. The API's custom.metrics.k8s.io and external.metrics.k8s.io answer from here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tidegate.autoscale.hpa.asked import Asked, Found
from tidegate.autoscale.hpa.fetch import Get, get
from tidegate.autoscale.hpa.gateway_metrics import GatewayMetrics, NotCounted
from tidegate.autoscale.hpa.gpu import SM_UTIL, Gpu, GpuSource
from tidegate.autoscale.hpa.pages import Pages
from tidegate.autoscale.hpa.prometheus import NoAnswer, query
from tidegate.autoscale.hpa.resources import Resources, UsageSource
from tidegate.autoscale.hpa.traffic import Traffic
from tidegate.client.api import Reader
from tidegate.kit.clock import Clock
from tidegate.model.autoscaling import HorizontalPodAutoscaler, MetricSpec
from tidegate.model.pods import Pod
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.config_metrics import Query, QueryFor
from tidegate.scaling.hpa import (
    ExternalReading,
    ObjectReading,
    PodsReading,
    PodValue,
    ReadFailed,
    Reading,
)

__all__ = ["Asked", "ExternalSource", "Found", "Sources"]

_NO_LABELS: Mapping[str, str] = {}


class ExternalSource(Protocol):
    """Somebody else's external metrics, told by their labels."""

    def asked(self, labels: Mapping[str, str]) -> bool: ...

    async def external(
        self, metric: str, labels: Mapping[str, str], *, namespace: str
    ) -> ExternalReading | ReadFailed: ...


class Sources:
    """Owner of what metrics are read from. `get_` fetches pages; `others` are asked first for external
    metrics whose labels are theirs."""

    def __init__(
        self,
        api: Reader,
        clock: Clock,
        config: ClusterConfig,
        traffic: Traffic,
        *,
        usage: UsageSource | None = None,
        gpu: GpuSource | None = None,
        get_: Get = get,
        others: Sequence[ExternalSource] = (),
    ) -> None:
        self._clock, self._config, self._get, self._others = clock, config, get_, others
        self._gateway = GatewayMetrics(api, traffic)
        self._resources = Resources(usage)
        self._pages = Pages(get_)
        self._gpu = Gpu(gpu, self._gateway)

    async def prepare(self, hpa: HorizontalPodAutoscaler, pods: tuple[Pod, ...]) -> None:
        """What must be looked at twice before it says anything is looked at for the first time."""
        types = {metric.type for metric in hpa.spec.metrics}
        if types & {"Resource", "ContainerResource"}:
            await self._resources.prepare()
        if "Pods" in types:
            await self._pages.prepare(Asked(hpa.metadata.namespace or "", pods, self._clock.now()))

    async def read(self, metric: MetricSpec, asked: Asked) -> Found:
        """One metric of a spec. Raises nothing: what went wrong is the reading."""
        resource = metric.resource or metric.container_resource
        if resource is not None:
            return Found(resource.name, await self._resources.read(asked))
        source = metric.pods or metric.object or metric.external
        assert source is not None, "checked"
        name, selector, namespace = source.metric.name, source.metric.selector, asked.namespace
        if selector is not None and selector.match_expressions:
            why = f"the selector of {name} has matchExpressions: only matchLabels are honoured here"
            return Found(name, ReadFailed(why))
        labels = selector.match_labels if selector is not None else _NO_LABELS
        if metric.pods is not None:
            return await self.of_pods(name, labels, namespace=namespace, pods=asked.pods)
        if metric.object is not None:
            about = metric.object.described_object
            return await self.of_object(
                name, labels, kind=about.kind, name=about.name, namespace=namespace
            )
        return await self.external(name, labels, namespace=namespace)

    async def of_pods(
        self, metric: str, labels: Mapping[str, str], *, namespace: str, pods: Sequence[Pod]
    ) -> Found:
        """Pod by pod."""
        asked = Asked(namespace, tuple(pods), self._clock.now())
        if metric == SM_UTIL:
            reading, simulated = await self._gpu.read(asked, monotonic_s=self._clock.monotonic())
            return Found(metric, reading, simulated)
        rule = self._query(metric, QueryFor.PODS)
        if rule is not None:
            return Found(metric, await self._pods_query(rule, labels, asked))
        if GatewayMetrics.has(metric):
            return Found(metric, self._shared(metric, asked))
        return Found(metric, await self._pages.read(metric, labels, asked))

    async def of_object(
        self, metric: str, labels: Mapping[str, str], *, kind: str, name: str, namespace: str
    ) -> Found:
        rule = self._query(metric, QueryFor.OBJECT)
        if rule is not None:
            text = rule.filled(namespace=namespace, labels=labels, object_name=name)
            values = await self._ask(rule, text)
            if isinstance(values, tuple) and len(values) != 1:
                values = ReadFailed(
                    f"the query of {metric} gives {len(values)} values: it must give one"
                )
            reading: Reading = ObjectReading(values[0]) if isinstance(values, tuple) else values
            return Found(metric, reading)
        if not GatewayMetrics.has(metric):
            return Found(metric, _unknown(metric, f"for {kind.lower()} {name}", "object"))
        try:
            now_s = self._clock.monotonic()
            figure = self._gateway.of_object(metric, kind, namespace, name, now_s=now_s)
        except NotCounted as why:
            return Found(metric, ReadFailed(str(why)))
        return Found(metric, ObjectReading(_milli(figure)))

    async def external(self, metric: str, labels: Mapping[str, str], *, namespace: str) -> Found:
        for other in self._others:
            if other.asked(labels):
                return Found(metric, await other.external(metric, labels, namespace=namespace))
        rule = self._query(metric, QueryFor.EXTERNAL)
        if rule is not None:
            values = await self._ask(rule, rule.filled(namespace=namespace, labels=labels))
            reading: Reading = ExternalReading(values) if isinstance(values, tuple) else values
            return Found(metric, reading)
        if not GatewayMetrics.has(metric):
            return Found(metric, _unknown(metric, "", "external"))
        try:
            now_s = self._clock.monotonic()
            figure = self._gateway.external(metric, namespace, labels, now_s=now_s)
        except NotCounted as why:
            return Found(metric, ReadFailed(str(why)))
        return Found(metric, ExternalReading((_milli(figure),)))

    def _query(self, metric: str, sort: QueryFor) -> Query | None:
        return self._config.metrics().queries.get((metric, sort))

    async def _ask(self, rule: Query, text: str) -> tuple[int, ...] | ReadFailed:
        try:
            values = await query(rule.server, text, get_=self._get)
        except NoAnswer as why:
            return ReadFailed(str(why))
        return tuple(value.milli for value in values)

    async def _pods_query(
        self, rule: Query, labels: Mapping[str, str], asked: Asked
    ) -> PodsReading | ReadFailed:
        names = [pod.metadata.name for pod in asked.pods]
        text = rule.filled(namespace=asked.namespace, labels=labels, pods=names)
        try:
            values = await query(rule.server, text, get_=self._get)
        except NoAnswer as why:
            return ReadFailed(str(why))
        known = set(names)
        return PodsReading(
            tuple(
                PodValue(v.labels["pod"], v.milli, v.at_s)
                for v in values
                if v.labels.get("pod") in known
            )
        )

    def _shared(self, metric: str, asked: Asked) -> PodsReading | ReadFailed:
        """The gateway counts for all replicas together: each running one gets its share."""
        running = [pod for pod in asked.pods if pod.status and pod.status.phase == "Running"]
        if not running:
            return PodsReading(())
        try:
            now_s = self._clock.monotonic()
            figure = self._gateway.of_pods(metric, running, now_s=now_s)
        except NotCounted as why:
            return ReadFailed(str(why))
        share = _milli(figure if "_latency_" in metric else figure / len(running))
        return PodsReading(
            tuple(PodValue(p.metadata.name, share, asked.now_s, 30.0) for p in running)
        )


def _unknown(metric: str, where: str, sort: str) -> ReadFailed:
    at = f" {where}" if where else ""
    return ReadFailed(
        f"the server could not find the metric {metric}{at}: say in the ConfigMap config-metrics in "
        f"namespace knative-serving how to ask for it ({metric}.{sort})"
    )


def _milli(figure: float) -> int:
    whole = round(figure * 1_000_000)
    return -(-whole // 1000)
