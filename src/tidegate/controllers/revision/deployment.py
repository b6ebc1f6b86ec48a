"""The Deployment that a revision runs on.

Source: knative/serving pkg/reconciler/revision/resources/deploy.go.
"""

from __future__ import annotations

import msgspec

from tidegate.controllers.revision.pods import pod_spec, serving_container
from tidegate.model import serving_names as names
from tidegate.model.apps import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    RollingUpdateDeployment,
)
from tidegate.model.labels import child_name
from tidegate.model.meta import LabelSelector, ObjectMeta, owner_reference
from tidegate.model.pods import PodTemplateSpec
from tidegate.model.serving import Revision
from tidegate.policy import first_replicas, progress_deadline_s
from tidegate.policy.config_autoscaler import AutoscalerConfig
from tidegate.policy.config_deployment import DeploymentConfig
from tidegate.policy.standby import NOTHING, standby_of

API = f"{names.GROUP}/v1"


def desired_deployment(
    revision: Revision, scaling: AutoscalerConfig, deploying: DeploymentConfig
) -> Deployment:
    """The Deployment of a new revision, at its initial scale."""
    meta = revision.metadata
    labels = pod_labels(revision)
    deadline_s = progress_deadline_s(meta.annotations, deploying)
    return Deployment(
        metadata=ObjectMeta(
            name=child_name(meta.name, "-deployment"),
            namespace=meta.namespace,
            labels=labels,
            annotations=_pod_annotations(revision),
            owner_references=(owner_reference("Revision", API, meta),),
        ),
        spec=DeploymentSpec(
            replicas=first_replicas(meta.annotations, scaling),
            selector=LabelSelector(match_labels={names.REVISION_UID: meta.uid or ""}),
            strategy=DeploymentStrategy(
                type="RollingUpdate",
                rolling_update=RollingUpdateDeployment(max_unavailable=0, max_surge="25%"),
            ),
            revision_history_limit=0,
            progress_deadline_seconds=max(1, int(deadline_s)),
            template=PodTemplateSpec(
                metadata=ObjectMeta(
                    labels=labels,
                    annotations={**_meant_container(revision), **_pod_annotations(revision)},
                ),
                spec=pod_spec(revision),
            ),
        ),
    )


def standby_held(revision: Revision) -> str | None:
    """What is to be kept at rest for it, as its Deployment tells its ReplicaSet: nothing while no route
    leads to it. None: the revision never said anything about it."""
    standby = standby_of(revision.metadata.annotations)
    if standby == NOTHING:
        return None
    routed = revision.metadata.labels.get(names.ROUTING_STATE) == names.ACTIVE
    return (standby if routed else NOTHING).text


def with_standby(deployment: Deployment, held: str) -> Deployment:
    meta = deployment.metadata
    annotations = {**meta.annotations, names.STANDBY_HELD: held}
    meta = msgspec.structs.replace(meta, annotations=annotations)
    return msgspec.structs.replace(deployment, metadata=meta)


def pod_labels(revision: Revision) -> dict[str, str]:
    """The labels of a revision's Deployment and pods."""
    meta = revision.metadata
    labels = {k: v for k, v in meta.labels.items() if k != names.ROUTING_STATE}
    own = {names.REVISION: meta.name, names.REVISION_UID: meta.uid or ""}
    return {"app": meta.name, **labels, **own}


def _meant_container(revision: Revision) -> dict[str, str]:
    """Which of several containers `logs` and `exec` are about when they name none."""
    containers = revision.spec.containers
    if len(containers) < 2:
        return {}
    return {names.DEFAULT_CONTAINER: containers[serving_container(containers)].name}


def _pod_annotations(revision: Revision) -> dict[str, str]:
    changing = {names.ROUTING_STATE_MODIFIED, names.ROUTES, names.LAST_APPLIED, names.IN_FRONT}
    return {k: v for k, v in revision.metadata.annotations.items() if k not in changing}
