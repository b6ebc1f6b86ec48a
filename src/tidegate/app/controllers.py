"""The controllers of the control plane, by what they look after.

To add one: its line in the group it belongs to. What programs the gateway is in `gateway_program`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.app.surroundings import Surroundings
from tidegate.client.api import Api
from tidegate.controllers.accounts import ServiceAccountController
from tidegate.controllers.configuration import ConfigurationController
from tidegate.controllers.cronjob import CronJobController
from tidegate.controllers.deployment import DeploymentController
from tidegate.controllers.domain_mapping import DomainMappingController
from tidegate.controllers.fluid import DataLoadController, DatasetController
from tidegate.controllers.image_cache import ImageCacheController
from tidegate.controllers.job import JobController
from tidegate.controllers.kafka import KafkaSinkController, KafkaSourceController
from tidegate.controllers.kserve import InferenceServiceController
from tidegate.controllers.labeler import LabelerController
from tidegate.controllers.prefetch import AppliedPrefetch, CronPrefetch, KedaPrefetch
from tidegate.controllers.quota import QuotaController
from tidegate.controllers.replicaset import ReplicaSetController
from tidegate.controllers.revision import RevisionController
from tidegate.controllers.revision_gc import RevisionGcController
from tidegate.controllers.route import RouteController
from tidegate.controllers.scheduler import SchedulerController
from tidegate.controllers.service import ServiceController
from tidegate.controllers.service_endpoints import ServiceEndpointsController
from tidegate.controllers.storage import VolumeBinder
from tidegate.kit.clock import Clock
from tidegate.model.apps import Deployment
from tidegate.model.serving import Revision
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Controller


@dataclass(frozen=True, slots=True)
class Ground:
    """What controllers stand on."""

    api: Api
    clock: Clock
    config: ClusterConfig
    around: Surroundings


def object_controllers(on: Ground) -> list[Controller]:
    """All that make objects of objects."""
    return [*_serving(on), *_workloads(on), *_eventing(on), *_pods(on), *_data(on)]


def _serving(on: Ground) -> list[Controller]:
    """Knative's kinds and KServe's."""
    api, clock, config = on.api, on.clock, on.config
    return [
        ServiceController(api, clock),
        ConfigurationController(api, clock),
        RevisionController(api, clock, config),
        RouteController(api, clock, config),
        LabelerController(api, clock),
        RevisionGcController(api, clock, config),
        DomainMappingController(api, clock, config),
        InferenceServiceController(api, clock, config),
    ]


def _workloads(on: Ground) -> list[Controller]:
    api, clock = on.api, on.clock
    return [
        DeploymentController(api, clock),
        ReplicaSetController(api, clock),
        JobController(api, clock),
        CronJobController(api, clock, on.around.zone),
    ]


def _eventing(on: Ground) -> list[Controller]:
    api, clock, around = on.api, on.clock, on.around
    return [
        KafkaSourceController(api, clock, around.dialled, around.reports),
        KafkaSinkController(api, clock, around.reports),
    ]


def _pods(on: Ground) -> list[Controller]:
    """Where pods run, what they may take, and what leads to them."""
    api, clock = on.api, on.clock
    return [
        ServiceEndpointsController(api),
        SchedulerController(api, clock),
        QuotaController(api),
        VolumeBinder(api, clock, on.around.volumes),
        ServiceAccountController(api),
    ]


def _data(on: Ground) -> list[Controller]:
    """Models, datasets and images that are here before a pod wants them."""
    api, clock, around = on.api, on.clock, on.around
    datasets, caches, images, zone = around.datasets, around.caches, around.images, around.zone
    out: list[Controller] = []
    if images is not None:
        out.append(ImageCacheController(api, clock, images))
    if datasets is not None:
        out.append(DatasetController(api, clock, datasets, caches))
        out.append(DataLoadController(api, clock, datasets, caches, zone))
    if caches is not None:
        out.append(CronPrefetch(api, clock, caches, lambda: caches.look_ahead_s, zone))
        out.append(KedaPrefetch(api, clock, caches, lambda: caches.look_ahead_s))
        out.append(AppliedPrefetch(api, clock, caches, Revision))
        out.append(AppliedPrefetch(api, clock, caches, Deployment))
    return out
