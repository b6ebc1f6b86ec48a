"""Objects with good defaults, so that a test names only what it is about."""

from __future__ import annotations

from tidegate.model.containers import Container, ContainerPort, ResourceRequirements
from tidegate.model.core import ConfigMap
from tidegate.model.meta import ObjectMeta
from tidegate.model.serving import (
    RevisionSpec,
    RevisionTemplateSpec,
    Service,
    ServiceSpec,
    TrafficTarget,
)


def service(
    name: str,
    *,
    image: str = "python:3",
    scaling: dict[str, str] | None = None,
    concurrency: int = 0,
    traffic: tuple[TrafficTarget, ...] = (),
    revision: str | None = None,
    cpu: str | None = None,
    annotations: dict[str, str] | None = None,
) -> Service:
    """A Knative Service. `scaling` keys come without `autoscaling.knative.dev/`; `annotations` are the
    template's others."""
    noted = {f"autoscaling.knative.dev/{k}": v for k, v in (scaling or {}).items()}
    annotations = {**(annotations or {}), **noted}
    container = Container(
        name="user-container",
        image=image,
        command=("python", "-m", "http.server"),
        ports=(ContainerPort(container_port=8080),),
        resources=ResourceRequirements(requests={"cpu": cpu}) if cpu else None,
    )
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(
            template=RevisionTemplateSpec(
                metadata=ObjectMeta(name=revision or "", annotations=annotations),
                spec=RevisionSpec(
                    containers=(container,),
                    container_concurrency=concurrency,
                    timeout_seconds=300,
                ),
            ),
            traffic=traffic or (TrafficTarget(latest_revision=True, percent=100),),
        ),
    )


def config_map(name: str, data: dict[str, str], namespace: str = "knative-serving") -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace), data=data)
