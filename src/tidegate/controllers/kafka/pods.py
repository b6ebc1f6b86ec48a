"""The Deployment of an adapter: what sources and sinks have in common. Pure.

Source: eventing-contrib kafka/source/pkg/reconciler/source/resources/receive_adapter.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tidegate.controllers.kafka.destinations import Address
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
    EnvVar,
    HTTPGetAction,
    Probe,
)
from tidegate.model.meta import LabelSelector, ObjectMeta, OwnerReference, touched
from tidegate.model.pods import PodSpec, PodTemplateSpec

PORT, PORT_NAME = 8080, "http"
SECRETS = "tidegate.dev/secrets"  # digest of the credentials in force: another one rolls the pods
CONTAINER = "receive-adapter"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
#: An adapter that is told to end gives its events so long: a little more than it takes for itself.
_GRACE_S = 30


def deployment(
    name: str,
    namespace: str,
    owner: OwnerReference,
    *,
    image: str,
    replicas: int,
    labels: Mapping[str, str],
    env: tuple[EnvVar, ...],
    secrets: str,
) -> Deployment:
    """One pod goes before the next comes: two of a group at once would share its partitions anew twice."""
    meta = ObjectMeta(
        name=name, namespace=namespace, labels=dict(labels), owner_references=(owner,)
    )
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=dict(labels), annotations={SECRETS: secrets} if secrets else {}),
        spec=PodSpec(
            containers=(_container(image, env),), termination_grace_period_seconds=_GRACE_S
        ),
    )
    rolling = RollingUpdateDeployment(max_surge=0, max_unavailable=1)
    return Deployment(
        metadata=meta,
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels=dict(labels)),
            template=default_template(template),
            strategy=DeploymentStrategy(type="RollingUpdate", rolling_update=rolling),
            revision_history_limit=1,
        ),
    )


def carry_deployment(existing: Deployment, desired: Deployment) -> Deployment:
    """The existing one with what is wanted; other people's labels and annotations stay."""
    meta = replace(
        existing.metadata,
        labels={**existing.metadata.labels, **desired.metadata.labels},
        owner_references=desired.metadata.owner_references,
    )
    desired = _restarted(desired, existing.spec.template)
    return replace(existing, metadata=meta, spec=default_deployment(desired, existing).spec)


def _restarted(desired: Deployment, existing: PodTemplateSpec) -> Deployment:
    """`kubectl rollout restart` leaves a mark in the template, which would be taken out again."""
    said = existing.metadata.annotations.get(_RESTARTED) if existing.metadata else None
    template = desired.spec.template
    if said is None or template.metadata is None:
        return desired
    marked = touched(
        template.metadata, annotations={**template.metadata.annotations, _RESTARTED: said}
    )
    spec = replace(desired.spec, template=replace(template, metadata=marked))
    return replace(desired, spec=spec)


def config_text(config: Mapping[str, Any]) -> str:
    """As a variable's value: the same for the same settings, whatever their order. `$(NAME)` in it would be
    replaced by another variable: `$$` stands for `$`."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("$", "$$")


def as_json(address: Address | None) -> dict[str, Any] | None:
    """A destination as adapters read it; `uri` is its name, for people."""
    if address is None:
        return None
    return {
        "url": address.url,
        "host": address.host,
        "uri": address.uri,
        "caCerts": address.ca_certs,
    }


def _container(image: str, env: tuple[EnvVar, ...]) -> Container:
    return Container(
        name=CONTAINER,
        image=image,
        env=env,
        ports=(ContainerPort(container_port=PORT, name=PORT_NAME),),
        readiness_probe=_probe("/readyz", failures=3),
        liveness_probe=_probe("/healthz", failures=6),
        termination_message_policy="FallbackToLogsOnError",
    )


def _probe(path: str, *, failures: int) -> Probe:
    return Probe(
        http_get=HTTPGetAction(path=path, port=PORT_NAME),
        timeout_seconds=3,
        period_seconds=5,
        success_threshold=1,
        failure_threshold=failures,
    )
