"""Standard (RawDeployment) mode: a component's Deployment, Service and HorizontalPodAutoscaler, and
the Ingress in front of all. Pure.

Source: kserve pkg/controller/v1beta1/inferenceservice/reconcilers/{deployment,service,hpa,ingress}.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from tidegate.controllers.kserve.pods import ComponentPods, serving_of
from tidegate.model import kserve_names as names
from tidegate.model.admission.pod_defaults import default_template
from tidegate.model.admission.workloads import default_deployment
from tidegate.model.apps import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    RollingUpdateDeployment,
)
from tidegate.model.containers import (
    Container,
    ContainerPort,
    Probe,
    TCPSocketAction,
)
from tidegate.model.core import Service, ServicePort, ServiceSpec
from tidegate.model.ingresses import (
    HTTPIngressPath,
    HTTPIngressRuleValue,
    Ingress,
    IngressBackend,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
    ServiceBackendPort,
)
from tidegate.model.kserve import Component, InferenceService
from tidegate.model.meta import LabelSelector, ObjectMeta, owner_reference
from tidegate.model.pods import PodTemplateSpec
from tidegate.policy.config_inference import InferenceConfig

API = f"{names.GROUP}/v1beta1"
_HTTP = 80
_QUARTER = RollingUpdateDeployment(max_unavailable="25%", max_surge="25%")


def child_meta(
    isvc: InferenceService,
    name: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> ObjectMeta:
    """Metadata of an object that the InferenceService owns."""
    return ObjectMeta(
        name=name,
        namespace=isvc.metadata.namespace,
        labels=dict(labels or {}),
        annotations=dict(annotations or {}),
        owner_references=(owner_reference("InferenceService", API, isvc.metadata),),
    )


# --- Deployment


def desired_deployment(
    isvc: InferenceService, component: Component, pods: ComponentPods, class_: str
) -> Deployment:
    """`replicas` is left to whoever scales it; class none fixes it at minReplicas."""
    name = names.child(isvc.metadata.name, pods.name)
    selector = {names.APP: names.app_label(isvc.metadata.name, pods.name)}
    labels = {**pods.labels, **selector}
    fixed = class_ == names.NONE
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels, annotations=dict(pods.annotations)),
        spec=replace(pods.spec, containers=tuple(_probed(c, pods) for c in pods.spec.containers)),
    )
    return Deployment(
        metadata=child_meta(isvc, name, labels, pods.annotations),
        spec=DeploymentSpec(
            replicas=_low(component) if fixed else None,
            selector=LabelSelector(match_labels=selector),
            template=default_template(template),
            strategy=component.deployment_strategy
            or DeploymentStrategy(type="RollingUpdate", rolling_update=_QUARTER),
        ),
    )


def carry_deployment(existing: Deployment, desired: Deployment) -> Deployment:
    """The existing one with what is wanted; its size stays its scaler's."""
    spec = desired.spec
    if spec.replicas is None:
        spec = replace(spec, replicas=existing.spec.replicas)
    filled = default_deployment(replace(desired, spec=spec), existing).spec
    spec = replace(
        filled, paused=existing.spec.paused, min_ready_seconds=existing.spec.min_ready_seconds
    )
    return replace(existing, metadata=_carried(existing.metadata, desired.metadata), spec=spec)


def _carried(existing: ObjectMeta, desired: ObjectMeta) -> ObjectMeta:
    """Other people's labels and annotations stay."""
    return replace(
        existing,
        labels={**existing.labels, **desired.labels},
        annotations={**existing.annotations, **desired.annotations},
        owner_references=desired.owner_references,
    )


def _probed(container: Container, pods: ComponentPods) -> Container:
    """The serving container is ready when its port accepts connections, unless it says otherwise."""
    if container.name != serving_of(pods.spec.containers).name or container.readiness_probe:
        return container
    number = container.ports[0].container_port if container.ports else names.DEFAULT_PORT
    at_port = TCPSocketAction(port=number)
    return replace(
        container,
        readiness_probe=Probe(
            tcp_socket=at_port,
            timeout_seconds=1,
            period_seconds=10,
            success_threshold=1,
            failure_threshold=3,
        ),
    )


def _low(component: Component) -> int:
    return 1 if component.min_replicas is None else component.min_replicas


# --- Service


def desired_service(isvc: InferenceService, pods: ComponentPods) -> Service:
    name = names.child(isvc.metadata.name, pods.name)
    return Service(
        metadata=child_meta(isvc, name, pods.labels),
        spec=ServiceSpec(
            selector={names.APP: names.app_label(isvc.metadata.name, pods.name)},
            ports=(
                ServicePort(
                    name=pods.port.name or name,
                    port=_HTTP,
                    target_port=pods.port.container_port,
                    protocol=pods.port.protocol or "TCP",
                ),
                *(_further(port) for port in pods.more_ports),
            ),
            type="ClusterIP",
        ),
    )


def _further(port: ContainerPort) -> ServicePort:
    return ServicePort(
        name=port.name or f"port-{port.container_port}",
        port=port.container_port,
        target_port=port.container_port,
        protocol=port.protocol or "TCP",
    )


def carry_service(existing: Service, desired: Service) -> Service:
    return replace(
        existing,
        metadata=_carried(existing.metadata, desired.metadata),
        spec=replace(
            existing.spec, selector=desired.spec.selector, ports=_ports(existing, desired)
        ),
    )


def _ports(existing: Service, desired: Service) -> tuple[ServicePort, ...]:
    """What the API filled in stays."""
    known = {port.name: port for port in existing.spec.ports}
    return tuple(
        replace(known[port.name], port=port.port, target_port=port.target_port)
        if port.name in known
        else port
        for port in desired.spec.ports
    )


# --- Ingress


def desired_ingress(isvc: InferenceService, config: InferenceConfig) -> Ingress:
    """The InferenceService's own host goes to the transformer, if there is one; each component
    has a host too."""
    meta = isvc.metadata
    namespace = meta.namespace or ""
    first = "transformer" if isvc.spec.transformer is not None else "predictor"
    hosts = [(config.host(meta.name, namespace), names.child(meta.name, first))]
    for component in components(isvc):
        child = names.child(meta.name, component)
        hosts.append((config.host(child, namespace), child))
    return Ingress(
        metadata=child_meta(isvc, meta.name, meta.labels),
        spec=IngressSpec(
            ingress_class_name=config.ingress_class,
            rules=tuple(_rule(host, service) for host, service in hosts),
        ),
    )


def components(isvc: InferenceService) -> tuple[str, ...]:
    """The components that it has, the predictor first."""
    return ("predictor", *(("transformer",) if isvc.spec.transformer is not None else ()))


def _rule(host: str, service: str) -> IngressRule:
    backend = IngressServiceBackend(name=service, port=ServiceBackendPort(number=_HTTP))
    path = HTTPIngressPath(path="/", path_type="Prefix", backend=IngressBackend(service=backend))
    return IngressRule(host=host, http=HTTPIngressRuleValue(paths=(path,)))


def carry_ingress(existing: Ingress, desired: Ingress) -> Ingress:
    return replace(
        existing, metadata=_carried(existing.metadata, desired.metadata), spec=desired.spec
    )
