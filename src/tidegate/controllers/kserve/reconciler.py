"""What is read and written for one InferenceService, in which order.

In Standard mode the Deployment's replica count is its scaler's (an HPA made here, or somebody
else's with class external); here it is written only where the class says that it is fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.kserve import serverless, standard, status
from tidegate.controllers.kserve.agent import in_cluster
from tidegate.controllers.kserve.children import Children
from tidegate.controllers.kserve.pods import ComponentPods, plan_pods
from tidegate.controllers.kserve.scaling import (
    carry_hpa,
    carry_scaled_object,
    desired_hpa,
    desired_scaled_object,
)
from tidegate.kit.clock import Clock
from tidegate.model import kserve_names as names
from tidegate.model import serving
from tidegate.model.admission.kserve import mode_of
from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.conditions import is_true, timestamp
from tidegate.model.core import ConfigMap, Namespace, Service
from tidegate.model.domains import DomainMapping
from tidegate.model.errors import BadRequest, Forbidden, Invalid
from tidegate.model.ingresses import Ingress
from tidegate.model.keda import ScaledObject
from tidegate.model.kserve import (
    ClusterServingRuntime,
    Component,
    ComponentStatus,
    InferenceService,
    InferenceServiceStatus,
    Predictor,
    ServingRuntime,
)
from tidegate.model.meta import Condition, Key, Object
from tidegate.model.pods import Pod
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.config_inference import InferenceConfig
from tidegate.policy.kserve_runtimes import Chosen, NoRuntime, choose_runtime
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import write_status

_REFUSED_AGAIN_S = 30.0  # a quota or a policy may let the children in later
_OWNER = "InferenceService"
ComponentT = TypeVar("ComponentT", bound=Component)


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one component."""

    conditions: tuple[Condition, ...]
    status: ComponentStatus
    pods: Sequence[Pod]


class InferenceServiceController:
    """Makes what an InferenceService runs on, and follows it."""

    name = "inferenceservice"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self._children = Children(api)
        self._events = EventRecorder(api, clock, "v1beta1Controllers")
        self.watches: Sequence[Watch] = (
            watch_self(InferenceService),
            watch_owned(Deployment, _OWNER),
            watch_owned(Service, _OWNER),
            watch_owned(HorizontalPodAutoscaler, _OWNER),
            watch_owned(Ingress, _OWNER),
            watch_owned(serving.Service, _OWNER),
            watch_owned(DomainMapping, _OWNER),
            watch_mapped(Pod, _of_pod),
            watch_mapped(ServingRuntime, self._all_in),
            watch_mapped(ClusterServingRuntime, self._all),
            watch_mapped(ConfigMap, self._of_config),
        )

    async def reconcile(self, key: Key) -> Next:
        isvc = self._api.get(InferenceService, *key)
        if isvc is None or isvc.metadata.deletion_timestamp:
            return Done()  # what it owns goes with it
        config = self._config.inference()
        mode = mode_of(isvc, config.default_mode)
        if isvc.metadata.annotations.get(names.STOP, "").lower() == "true":
            await self._stop(isvc, mode)
            return Done()
        try:
            after = await self._bring_about(isvc, mode, config)
            await write_status(self._api, isvc, after)
            await self._tell(isvc, after)
        except (BadRequest, Forbidden, Invalid) as why:
            await write_status(self._api, isvc, self._refused(isvc, mode, str(why)))
            return Again(_REFUSED_AGAIN_S)
        return Done()

    async def _tell(self, isvc: InferenceService, after: InferenceServiceStatus) -> None:
        """Events as KServe words them, when Ready changes."""
        was = isvc.status.conditions if isvc.status else ()
        before, now = is_true(was, "Ready"), is_true(after.conditions, "Ready")
        name = isvc.metadata.name
        if now and not before:
            text = f"InferenceService [{name}] is Ready"
            await self._events.emit(isvc, NORMAL, "InferenceServiceReady", text)
        elif before and not now:
            text = f"InferenceService [{name}] is no longer Ready"
            await self._events.emit(isvc, WARNING, "InferenceServiceNotReady", text)
        why = _unserved(after)
        if why is not None and why != _unserved(isvc.status):
            text = f"fails to reconcile predictor: {why}"
            await self._events.emit(isvc, WARNING, "InternalError", text)

    async def _bring_about(
        self, isvc: InferenceService, mode: str, config: InferenceConfig
    ) -> InferenceServiceStatus:
        runtime: Chosen | None = None
        seen: dict[str, Seen] = {}
        failed: NoRuntime | None = None
        for name, component in _components(isvc):
            try:
                chosen = self._runtime(isvc, component)
            except NoRuntime as why:
                failed = why
                seen[name] = self._without_runtime(isvc, name, why)
                continue
            runtime = chosen if name == "predictor" else runtime
            pods = plan_pods(isvc, name, self._with_sink(isvc, component), chosen)
            make = self._standard if mode == names.STANDARD else self._knative
            seen[name] = await make(isvc, component, pods, config)
        await self._children.remove_all(isvc, keep=standard.components(isvc))
        routed, url = await self._route(isvc, mode, config, seen)
        predictor = seen["predictor"]
        was = isvc.status.model_status if isvc.status else None
        now_s = self._clock.now()
        model = (
            status.no_runtime(failed, time=timestamp(now_s))
            if failed is not None
            else status.model_status(
                predictor.conditions[0], predictor.pods, was, time=timestamp(now_s)
            )
        )
        return status.plan_status(
            isvc,
            mode,
            conditions=(
                *(c for part in seen.values() for c in part.conditions),
                *status.knative_sums(part.conditions for part in seen.values()),
                *routed,
            ),
            components={name: part.status for name, part in seen.items()},
            model=model,
            runtime=runtime,
            url=url,
            now_s=now_s,
        )

    def _runtime(self, isvc: InferenceService, component: Component) -> Chosen | None:
        model = component.model if isinstance(component, Predictor) else None
        if model is None:
            return None
        near = self._api.list(ServingRuntime, isvc.metadata.namespace)
        return choose_runtime(model, near, self._api.list(ClusterServingRuntime))

    def _with_sink(self, isvc: InferenceService, component: ComponentT) -> ComponentT:
        """With the logger's URL as it is true here."""
        logger = component.logger
        if logger is None or not logger.url:
            return component
        space = isvc.metadata.namespace or ""
        url = in_cluster(
            logger.url, space, lambda name: self._api.get(Namespace, "", name) is not None
        )
        return replace(component, logger=replace(logger, url=url))

    def _without_runtime(self, isvc: InferenceService, name: str, why: NoRuntime) -> Seen:
        """What ran before goes on; nothing new is made."""
        was = _component_status(isvc, name)
        failed = Condition(
            type=status.ready_type(name), status="False", reason=why.reason, message=why.message
        )
        return Seen((failed,), was, self._pods(isvc, name))

    # --- the two modes

    async def _standard(
        self,
        isvc: InferenceService,
        component: Component,
        pods: ComponentPods,
        config: InferenceConfig,
    ) -> Seen:
        class_ = isvc.metadata.annotations.get(names.AUTOSCALER_CLASS, names.HPA)
        wanted = standard.desired_deployment(isvc, component, pods, class_)
        deployment = await self._children.ensure(isvc, wanted, standard.carry_deployment)
        await self._children.ensure(
            isvc, standard.desired_service(isvc, pods), standard.carry_service
        )
        await self._scale(isvc, component, pods.name, class_)
        running = self._pods(isvc, pods.name)
        ready = status.standard_ready(pods.name, deployment, running)
        return Seen((ready,), status.standard_component(isvc, pods.name, config), running)

    async def _scale(
        self, isvc: InferenceService, component: Component, name: str, class_: str
    ) -> None:
        """One scaler at most; those of another class go."""
        child = names.child(isvc.metadata.name, name)
        if class_ == names.HPA:
            await self._children.ensure(isvc, desired_hpa(isvc, component, name), carry_hpa)
        else:
            await self._children.remove(isvc, HorizontalPodAutoscaler, child)
        if class_ == names.KEDA:
            wanted = desired_scaled_object(isvc, component, name)
            await self._children.ensure(isvc, wanted, carry_scaled_object)
        else:
            await self._children.remove(isvc, ScaledObject, child)

    async def _knative(
        self,
        isvc: InferenceService,
        component: Component,
        pods: ComponentPods,
        config: InferenceConfig,
    ) -> Seen:
        was = _component_status(isvc, pods.name)
        allow_zero = self._config.autoscaler().allow_zero_initial_scale
        wanted = serverless.desired_ksvc(isvc, component, pods, was, allow_zero=allow_zero)
        ksvc = await self._children.ensure(isvc, wanted, serverless.carry_ksvc)
        return Seen(
            status.knative_conditions(pods.name, ksvc),
            status.knative_component(was, ksvc),
            self._pods(isvc, pods.name),
        )

    async def _route(
        self, isvc: InferenceService, mode: str, config: InferenceConfig, seen: dict[str, Seen]
    ) -> tuple[tuple[Condition, ...], str | None]:
        """The outside host, once there is something behind it. The url that is known stays."""
        known = isvc.status.url if isvc.status else None
        host = config.host(isvc.metadata.name, isvc.metadata.namespace or "")
        url = f"{config.url_scheme}://{host}"
        ready = all(part.conditions[0].status == "True" for part in seen.values())
        if not ready and known is None:
            return (_not_routed(seen),), None
        first = standard.components(isvc)[-1]
        if isvc.metadata.labels.get(names.VISIBILITY) == "cluster-local":
            await self._children.remove(isvc, Ingress, isvc.metadata.name)
            await self._children.remove(isvc, DomainMapping, host)
            child = names.child(isvc.metadata.name, first)
            inside = f"http://{child}.{isvc.metadata.namespace}.svc.cluster.local"
            return (Condition(type="IngressReady", status="True"),), inside
        if not config.make_ingress:
            return (Condition(type="IngressReady", status="True"),), url
        if mode == names.STANDARD:
            ingress = standard.desired_ingress(isvc, config)
            await self._children.ensure(isvc, ingress, standard.carry_ingress)
            return (Condition(type="IngressReady", status="True"),), url
        wanted = serverless.desired_mapping(isvc, host, first)
        mapping = await self._children.ensure(isvc, wanted, serverless.carry_mapping)
        return (status.mapped(mapping),), url

    # --- around it

    def _pods(self, isvc: InferenceService, component: str) -> Sequence[Pod]:
        labels = {names.INFERENCE_SERVICE: isvc.metadata.name, names.COMPONENT: component}
        return self._api.list(Pod, isvc.metadata.namespace, labels=labels)

    async def _stop(self, isvc: InferenceService, mode: str) -> None:
        """Its workload and its route go, the object stays (annotation serving.kserve.io/stop)."""
        await self._children.remove_all(isvc, keep=())
        status_ = status.plan_status(
            isvc,
            mode,
            conditions=status.stopped([name for name, _ in _components(isvc)]),
            components={},
            model=None,
            runtime=None,
            url=None,
            now_s=self._clock.now(),
        )
        await write_status(self._api, isvc, status_)
        await self._tell(isvc, status_)

    def _refused(self, isvc: InferenceService, mode: str, why: str) -> InferenceServiceStatus:
        """One of its parts was refused by admission: say so where people look."""
        was = isvc.status or InferenceServiceStatus()
        return status.plan_status(
            isvc,
            mode,
            conditions=(
                Condition(type="PredictorReady", status="False", reason="Refused", message=why),
            ),
            components=was.components,
            model=was.model_status,
            runtime=None,
            url=was.url,
            now_s=self._clock.now(),
        )

    def _all(self, changed: Object) -> Iterable[Key]:
        return [isvc.key for isvc in self._api.list(InferenceService)]

    def _all_in(self, changed: Object) -> Iterable[Key]:
        space = changed.metadata.namespace
        return [isvc.key for isvc in self._api.list(InferenceService, space)]

    def _of_config(self, changed: ConfigMap) -> Iterable[Key]:
        config = Key(names.SYSTEM_NAMESPACE, names.CONFIG)
        return self._all(changed) if changed.key == config else ()


def _components(isvc: InferenceService) -> Iterable[tuple[str, Component]]:
    yield "predictor", isvc.spec.predictor
    if isvc.spec.transformer is not None:
        yield "transformer", isvc.spec.transformer


def _not_routed(seen: dict[str, Seen]) -> Condition:
    """Unknown, so that Ready tells what the component says."""
    waits = next(p.conditions[0] for p in seen.values() if p.conditions[0].status != "True")
    who = waits.type.removesuffix("Ready")
    message = f"{who} ingress not created"
    return Condition(
        type="IngressReady", status="Unknown", reason=waits.reason, message=waits.message or message
    )


def _unserved(status_: InferenceServiceStatus | None) -> str | None:
    """Why no runtime serves the model."""
    model = status_.model_status if status_ else None
    if model is None or model.transition_status != "InvalidSpec" or not model.last_failure_info:
        return None
    return model.last_failure_info.message


def _component_status(isvc: InferenceService, name: str) -> ComponentStatus:
    known = isvc.status.components if isvc.status else {}
    return known.get(name, ComponentStatus())


def _of_pod(pod: Pod) -> Iterable[Key]:
    name = pod.metadata.labels.get(names.INFERENCE_SERVICE)
    if name:
        yield Key(pod.metadata.namespace or "", name)
