"""Revisions of class hpa: a HorizontalPodAutoscaler for each, and what becomes of it as the
PodAutoscaler's status.

The HorizontalPodAutoscaler decides; nothing here does. Such a revision never goes to zero.
Source: Knative, serving pkg/reconciler/autoscaling/hpa (hpa.go, resources/hpa.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import autoscaling as hpa
from tidegate.model import serving_names as names
from tidegate.model.conditions import derive_ready, find, is_true, merged
from tidegate.model.core import ConfigMap, Pod
from tidegate.model.meta import Condition, Key, ObjectMeta, controller_of, owner_reference
from tidegate.model.serving import PodAutoscaler, PodAutoscalerStatus
from tidegate.policy import annotation_keys as keys
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.config_autoscaler import AutoscalerConfig
from tidegate.policy.go_values import parse_float, parse_seconds
from tidegate.policy.kpa import scale_bounds
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status
from tidegate.scaling import Reachability

_API = "autoscaling.internal.knative.dev/v1alpha1"
_UNLIMITED = 2**31 - 1


def is_hpa(autoscaler: PodAutoscaler) -> bool:
    """Whether its replicas are a HorizontalPodAutoscaler's. Admission has filled in the class."""
    return autoscaler.metadata.annotations.get(keys.CLASS.key) == keys.HPA_CLASS


class RevisionHpaController:
    """The one writer of the status of PodAutoscalers of class hpa."""

    name = "revision-hpa"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self.watches: Sequence[Watch] = (
            watch_self(PodAutoscaler),
            watch_owned(hpa.HorizontalPodAutoscaler, "PodAutoscaler"),
            watch_mapped(Pod, _of_pod),
            watch_mapped(ConfigMap, self._of_config),
        )

    def _of_config(self, config: ConfigMap) -> Iterable[Key]:
        """Bounds may come from the cluster's settings."""
        if config.key != (names.SYSTEM_NAMESPACE, "config-autoscaler"):
            return ()
        return [autoscaler.key for autoscaler in self._api.list(PodAutoscaler)]

    async def reconcile(self, key: Key) -> Next:
        autoscaler = self._api.get(PodAutoscaler, *key)
        if autoscaler is None or autoscaler.metadata.deletion_timestamp:
            return Done()
        existing = self._api.get(hpa.HorizontalPodAutoscaler, *key)
        if not is_hpa(autoscaler):
            if existing is not None and _owned(existing, autoscaler):  # the class was changed
                await self._api.delete(hpa.HorizontalPodAutoscaler, *key)
            return Done()
        if existing is None or _owned(existing, autoscaler):
            desired = desired_hpa(autoscaler, self._config.autoscaler())
            existing = await ensure(self._api, desired, _carry)
        ready = sum(_is_ready(pod) for pod in self._pods(key))
        status = plan_status(autoscaler, existing, ready, now_s=self._clock.now())
        await write_status(self._api, autoscaler, status)
        return Done()

    def _pods(self, key: Key) -> Sequence[Pod]:
        return self._api.list(Pod, key.namespace, labels={names.REVISION: key.name})


def desired_hpa(autoscaler: PodAutoscaler, config: AutoscalerConfig) -> hpa.HorizontalPodAutoscaler:
    """The HorizontalPodAutoscaler of a revision. Without a target it has no metric, which
    Kubernetes takes for 80 % of the requested CPU."""
    meta, ref = autoscaler.metadata, autoscaler.spec.scale_target_ref
    reachability = Reachability(autoscaler.spec.reachability or "")
    bounds = scale_bounds(meta.annotations, config, reachability)
    return hpa.HorizontalPodAutoscaler(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=meta.labels,
            annotations=meta.annotations,
            owner_references=(owner_reference("PodAutoscaler", _API, meta),),
        ),
        spec=hpa.HorizontalPodAutoscalerSpec(
            scale_target_ref=hpa.CrossVersionObjectReference(
                api_version=ref.api_version, kind=ref.kind or "", name=ref.name or ""
            ),
            min_replicas=bounds.min_scale or None,
            max_replicas=bounds.max_scale or _UNLIMITED,
            metrics=_metrics(meta.annotations),
            behavior=_behavior(meta.annotations),
        ),
    )


def _metrics(annotations: Mapping[str, str]) -> tuple[hpa.MetricSpec, ...]:
    target = keys.TARGET.read(annotations, parse_float)
    if target is None:
        return ()
    found = keys.METRIC.find(annotations)
    name = found[1] if found else "cpu"
    if name == "cpu":
        of_request = hpa.MetricTarget(type="Utilization", average_utilization=ceil(target))
        return (_resource("cpu", of_request),)
    if name == "memory":
        size = hpa.MetricTarget(type="AverageValue", average_value=_mebibytes(int(target)))
        return (_resource("memory", size),)
    each = hpa.MetricTarget(type="AverageValue", average_value=str(int(target)))
    pods = hpa.PodsMetricSource(metric=hpa.MetricIdentifier(name=name), target=each)
    return (hpa.MetricSpec(type="Pods", pods=pods),)


def _resource(name: str, target: hpa.MetricTarget) -> hpa.MetricSpec:
    source = hpa.ResourceMetricSource(name=name, target=target)
    return hpa.MetricSpec(type="Resource", resource=source)


def _behavior(annotations: Mapping[str, str]) -> hpa.HorizontalPodAutoscalerBehavior | None:
    window_s = keys.WINDOW.read(annotations, parse_seconds)
    if window_s is None:
        return None
    rules = hpa.HPAScalingRules(stabilization_window_seconds=int(window_s))
    return hpa.HorizontalPodAutoscalerBehavior(scale_up=rules, scale_down=rules)


def _mebibytes(count: int) -> str:
    for suffix, size in (("Ti", 1024 * 1024), ("Gi", 1024)):
        if count and count % size == 0:
            return f"{count // size}{suffix}"
    return f"{count}Mi"


def _carry(
    existing: hpa.HorizontalPodAutoscaler, desired: hpa.HorizontalPodAutoscaler
) -> hpa.HorizontalPodAutoscaler:
    """Defaults that admission filled in are not differences."""
    meta = msgspec.structs.replace(
        existing.metadata, labels=desired.metadata.labels, annotations=desired.metadata.annotations
    )
    spec, given = desired.spec, existing.spec
    kept = msgspec.structs.replace(
        spec,
        min_replicas=given.min_replicas
        if spec.min_replicas is None and given.min_replicas == 1
        else spec.min_replicas,
        metrics=spec.metrics or given.metrics,
        behavior=given.behavior
        if _window_of(given.behavior) == _window_of(spec.behavior)
        else spec.behavior,
    )
    return msgspec.structs.replace(existing, metadata=meta, spec=kept)


def _window_of(behavior: hpa.HorizontalPodAutoscalerBehavior | None) -> int | None:
    up = behavior.scale_up if behavior is not None else None
    return up.stabilization_window_seconds if up is not None else None


def plan_status(
    autoscaler: PodAutoscaler,
    scaler: hpa.HorizontalPodAutoscaler,
    ready: int,
    *,
    now_s: float,
) -> PodAutoscalerStatus:
    """The whole status: always active, initialized once a replica was ready."""
    was = autoscaler.status or PodAutoscalerStatus()
    seen = scaler.status or hpa.HorizontalPodAutoscalerStatus()
    if not _owned(scaler, autoscaler):
        text = f'There is an existing HorizontalPodAutoscaler "{scaler.metadata.name}" that we do not own.'
        active = Condition(type="Active", status="False", reason="NotOwned", message=text)
    else:
        active = Condition(type="Active", status="True")
    begun = ready > 0 or is_true(was.conditions, "ScaleTargetInitialized")
    parts = (
        active,
        Condition(type="SKSReady", status="True")
        if ready
        else Condition(
            type="SKSReady",
            status="Unknown",
            reason="NotReady",
            message="No healthy backends",
        ),
        Condition(type="ScaleTargetInitialized", status="True")
        if begun
        else Condition(type="ScaleTargetInitialized", severity="Info", status="Unknown"),
    )
    kept = merged(was.conditions, parts, now_s=now_s)
    return PodAutoscalerStatus(
        observed_generation=autoscaler.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
        service_name=autoscaler.metadata.name,
        desired_scale=seen.desired_replicas if scaler.status else None,
        actual_scale=ready,
        decision=_words(seen),
    )


def _words(seen: hpa.HorizontalPodAutoscalerStatus) -> str | None:
    """The sentences that the HorizontalPodAutoscaler has for what it does."""
    found = (find(seen.conditions, type_) for type_ in ("ScalingActive", "ScalingLimited"))
    return "; ".join(c.message for c in found if c is not None and c.message) or None


def _owned(scaler: hpa.HorizontalPodAutoscaler, by: PodAutoscaler) -> bool:
    ref = controller_of(scaler.metadata)
    return ref is not None and ref.uid == by.metadata.uid


def _is_ready(pod: Pod) -> bool:
    going = pod.metadata.deletion_timestamp is not None
    return not going and pod.status is not None and is_true(pod.status.conditions, "Ready")


def _of_pod(pod: Pod) -> Iterable[Key]:
    name = pod.metadata.labels.get(names.REVISION)
    if name:
        yield Key(pod.metadata.namespace or "", name)
