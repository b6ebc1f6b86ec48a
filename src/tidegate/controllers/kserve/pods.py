"""The pods of a component: its containers over its runtime's, the model where they look for it. Pure.

Source: kserve pkg/controller/v1beta1/inferenceservice/components/{predictor,transformer}.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from tidegate.controllers.kserve.agent import agent_container
from tidegate.controllers.kserve.models import with_models
from tidegate.model import kserve_names as names
from tidegate.model.containers import Container, ContainerPort, EnvVar
from tidegate.model.kserve import Component, InferenceService, Predictor, ServingRuntimeSpec
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import PodSpec
from tidegate.policy.kserve_runtimes import Chosen, by_key, filled_in, serving_container

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_COPIED = {
    _LAST_APPLIED,
    "autoscaling.knative.dev/min-scale",
    "autoscaling.knative.dev/max-scale",
}
_AGENT_PORT = ContainerPort(container_port=names.AGENT_PORT, name="agent-port", protocol="TCP")
_SCRAPE_KEYS = {
    "prometheus.kserve.io/port": "prometheus.io/port",
    "prometheus.kserve.io/path": "prometheus.io/path",
}


@dataclass(frozen=True, slots=True)
class ComponentPods:
    """`port` is the one that clients reach; the others of that container can be reached as well."""

    name: str  # predictor, transformer
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: PodSpec
    port: ContainerPort
    more_ports: tuple[ContainerPort, ...] = ()


def plan_pods(
    isvc: InferenceService, name: str, component: Component, runtime: Chosen | None
) -> ComponentPods:
    """`runtime`: the chosen one, for a predictor with a `model`."""
    containers, base = _containers(isvc, component, runtime)
    models = with_models(containers, component)
    containers = models.containers
    if name == "transformer":
        containers = tuple(_with_predictor(c, isvc) for c in containers)
    serving = serving_of(containers)
    fields: dict[str, Any] = {
        field: _set(getattr(component, field), getattr(base, field) if base else None)
        for field in PodSpec.__struct_fields__
    }
    volumes = by_key(base.volumes if base else (), component.volumes, "name")
    fields["volumes"] = (*volumes, *models.volumes)
    fields["init_containers"] = (*models.init_containers, *fields["init_containers"])
    ports = serving.ports or (ContainerPort(container_port=names.DEFAULT_PORT, protocol="TCP"),)
    if component.logger is not None or component.batcher is not None:
        # The port must be declared: only then the agent's flag is made true for this machine.
        containers = tuple(replace(c, ports=ports) if c == serving else c for c in containers)
        containers = (*containers, agent_container(isvc, name, component, ports[0]))
        ports = (_AGENT_PORT, *ports)
    fields["containers"] = containers
    return ComponentPods(
        name=name,
        labels=_labels(isvc, name, component, base),
        annotations=_annotations(isvc, component, base),
        spec=PodSpec(**fields),
        port=ports[0],
        more_ports=ports[1:],
    )


def serving_of(containers: tuple[Container, ...]) -> Container:
    """The container that clients reach: a transformer beside the model comes before the model."""
    for wanted in (names.TRANSFORMER_CONTAINER, names.CONTAINER):
        for container in containers:
            if container.name == wanted:
                return container
    return containers[0]


def _set(first: Any, second: Any) -> Any:
    """The component's value, else the runtime's; of two mappings the one over the other."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {**second, **first}
    return first if first not in (None, (), {}) else (second if second is not None else first)


def _containers(
    isvc: InferenceService, component: Component, runtime: Chosen | None
) -> tuple[tuple[Container, ...], ServingRuntimeSpec | None]:
    if runtime is None:
        given = tuple(_identified(c, isvc) for c in component.containers)
        return tuple(filled_in(_logged(c), isvc.metadata) for c in given), None
    assert isinstance(component, Predictor)
    assert component.model is not None
    model = component.model
    main = serving_container(runtime.spec, model, isvc.metadata)
    beside = tuple(
        filled_in(c, isvc.metadata)
        for c in runtime.spec.containers
        if c.name != names.CONTAINER and len(runtime.spec.containers) > 1
    )
    return (_logged(main), *beside, *component.containers), runtime.spec


def _identified(container: Container, isvc: InferenceService) -> Container:
    if container.name != names.CONTAINER:
        return container
    name = EnvVar(name="INFERENCE_SERVICE_NAME", value=isvc.metadata.name)
    return replace(container, env=(name, *container.env))


def _logged(container: Container) -> Container:
    """The end of the log tells why a model did not load; KServe reads its storage container's so."""
    policy = container.termination_message_policy or "FallbackToLogsOnError"
    return replace(container, termination_message_policy=policy)


# --- a transformer's way to its predictor


def _with_predictor(container: Container, isvc: InferenceService) -> Container:
    """KServe's arguments, unless the user gave them."""
    namespace = isvc.metadata.namespace or ""
    host = f"{names.child(isvc.metadata.name, 'predictor')}.{namespace}"
    more: list[str] = []
    for flag, value in (
        ("--model_name", isvc.metadata.name),
        ("--predictor_host", host),
        ("--http_port", str(names.DEFAULT_PORT)),
    ):
        if not any(arg == flag or arg.startswith(f"{flag}=") for arg in container.args):
            more += [flag, value]
    return replace(container, args=(*container.args, *more))


# --- labels and annotations


def _labels(
    isvc: InferenceService, name: str, component: Component, base: ServingRuntimeSpec | None
) -> dict[str, str]:
    meta = isvc.metadata
    return {
        **(base.labels if base else {}),
        **{k: v for k, v in meta.labels.items() if k != names.VISIBILITY},
        **component.labels,
        names.INFERENCE_SERVICE: meta.name,
        names.COMPONENT: name,
    }


def _annotations(
    isvc: InferenceService, component: Component, base: ServingRuntimeSpec | None
) -> dict[str, str]:
    meta: ObjectMeta = isvc.metadata
    of_runtime = base.annotations if base else {}
    found = {
        **of_runtime,
        **{k: v for k, v in meta.annotations.items() if k not in _NOT_COPIED},
        **component.annotations,
    }
    # KServe has them on pods too; a pause would be a rolling update.
    found = {key: value for key, value in found.items() if not names.is_kedas(key)}
    if found.get(names.ENABLE_PROMETHEUS) == "true":
        found["prometheus.io/scrape"] = "true"
        for theirs, ours in _SCRAPE_KEYS.items():
            if theirs in found:
                found[ours] = found[theirs]
    return found
