"""Revisions of class hpa: a HorizontalPodAutoscaler for each, and what becomes of it as the
PodAutoscaler's status.

The HorizontalPodAutoscaler decides; nothing here does. Such a revision never goes to zero.
Source: Knative, serving pkg/reconciler/autoscaling/hpa (hpa.go, resources/hpa.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.autoscale.history import DECISIONS, micro
from tidegate.autoscale.hpa_document import carry_hpa, desired_hpa
from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model import autoscaling as hpa
from tidegate.model import serving_names as names
from tidegate.model.conditions import derive_ready, find, is_true, merged
from tidegate.model.core import ConfigMap
from tidegate.model.meta import Condition, Key, controller_of
from tidegate.model.pods import Pod
from tidegate.model.serving import PodAutoscaler, PodAutoscalerStatus, ScaleDecision
from tidegate.policy import annotation_keys as keys
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status


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
            existing = await ensure(self._api, desired, carry_hpa)
        ready = sum(_is_ready(pod) for pod in self._pods(key))
        status = plan_status(autoscaler, existing, ready, now_s=self._clock.now())
        await write_status(self._api, autoscaler, status)
        return Done()

    def _pods(self, key: Key) -> Sequence[Pod]:
        return self._api.list(Pod, key.namespace, labels={names.REVISION: key.name})


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
    decisions = _decisions(was, scaler, ready, now_s)
    return PodAutoscalerStatus(
        observed_generation=autoscaler.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
        service_name=autoscaler.metadata.name,
        desired_scale=seen.desired_replicas if scaler.status else None,
        actual_scale=ready,
        decision=decisions[-1].message if decisions else None,
        decisions=decisions,
    )


def _decisions(
    was: PodAutoscalerStatus,
    scaler: hpa.HorizontalPodAutoscaler,
    ready: int,
    now_s: float,
) -> tuple[ScaleDecision, ...]:
    """The last changes of the HorizontalPodAutoscaler's mind, in the form of Knative's own."""
    seen = scaler.status
    if seen is None or not seen.conditions:
        return was.decisions
    limited = find(seen.conditions, "ScalingLimited")
    active = find(seen.conditions, "ScalingActive")
    rule = next((c.reason for c in (limited, active) if c is not None and c.reason), "hpa")
    last = was.decisions[-1] if was.decisions else None
    if last is not None and (last.replicas, last.rule) == (seen.desired_replicas, rule):
        return was.decisions
    told = ScaleDecision(
        time=micro(now_s),
        rule=rule,
        message=_words(scaler, seen),
        ready=ready,
        was=last.replicas if last is not None else seen.current_replicas,
        replicas=seen.desired_replicas,
    )
    return (*was.decisions[1 - DECISIONS :], told)


def _words(scaler: hpa.HorizontalPodAutoscaler, seen: hpa.HorizontalPodAutoscalerStatus) -> str:
    """The measured figures, and the sentences that the HorizontalPodAutoscaler has for what it does."""
    figures = [
        f"{metric.resource.name} at {_figure(metric.resource.current)} of "
        f"{_figure(spec.resource.target)}"
        for metric, spec in zip(seen.current_metrics, scaler.spec.metrics, strict=False)
        if metric.resource is not None and spec.resource is not None
    ]
    found = (find(seen.conditions, type_) for type_ in ("ScalingActive", "ScalingLimited"))
    said = [c.message for c in found if c is not None and c.message]
    return "; ".join((*figures, *said)) + "."


def _figure(value: hpa.MetricValueStatus | hpa.MetricTarget) -> str:
    if value.average_utilization is not None:
        return f"{value.average_utilization}%"
    return str(value.average_value)


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
