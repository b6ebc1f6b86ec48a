"""The deciding half of the control plane: controllers, autoscaler, and what programs the gateway.

Built over an `Api`, a clock and a gateway link, whatever they are: the real process and the test
world run the same plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Protocol

from tidegate.autoscale.cron import CronHpaController
from tidegate.autoscale.hpa.controller import HpaController
from tidegate.autoscale.hpa.gpu import GpuSource
from tidegate.autoscale.hpa.resources import UsageSource
from tidegate.autoscale.hpa.sources import Sources
from tidegate.autoscale.hpa.traffic import Traffic
from tidegate.autoscale.keda import (
    BrokerOffsets,
    GroupLags,
    KedaMetrics,
    OffsetSource,
    ScaledObjectController,
)
from tidegate.autoscale.loop import Autoscaler
from tidegate.autoscale.revision_hpa import RevisionHpaController
from tidegate.autoscale.traffic import TrafficRecorder
from tidegate.client.api import Api
from tidegate.controllers.accounts import ServiceAccountController
from tidegate.controllers.configuration import ConfigurationController
from tidegate.controllers.cronjob import CronJobController
from tidegate.controllers.deployment import DeploymentController
from tidegate.controllers.domain_mapping import DomainMappingController
from tidegate.controllers.fluid import (
    DataLoadController,
    DatasetCaches,
    DatasetController,
    DatasetFolders,
)
from tidegate.controllers.image_cache import ImageCacheController, Images
from tidegate.controllers.job import JobController
from tidegate.controllers.kafka import KafkaSinkController, KafkaSourceController, Reports
from tidegate.controllers.kserve import InferenceServiceController
from tidegate.controllers.labeler import LabelerController
from tidegate.controllers.prefetch import (
    AppliedPrefetch,
    CronPrefetch,
    KedaPrefetch,
    Warmer,
)
from tidegate.controllers.quota import QuotaController
from tidegate.controllers.replicaset import ReplicaSetController
from tidegate.controllers.revision import RevisionController
from tidegate.controllers.revision_gc import RevisionGcController
from tidegate.controllers.route import RouteController
from tidegate.controllers.scheduler import SchedulerController
from tidegate.controllers.service import ServiceController
from tidegate.controllers.service_endpoints import ServiceEndpointsController
from tidegate.controllers.storage import VolumeBinder, VolumeFolders
from tidegate.ingress.balancers import BalancersController, GatewayAddress
from tidegate.ingress.certificates import (
    DEFAULT,
    Issue,
    certificates_controllers,
    default_certificate,
)
from tidegate.ingress.draining import DrainingController
from tidegate.ingress.endpoints import EndpointsController
from tidegate.ingress.ingresses import IngressesController
from tidegate.ingress.istio import VirtualServicesController
from tidegate.ingress.openai_batch import OpenAiBatchController
from tidegate.ingress.publisher import Publisher
from tidegate.ingress.routes import RoutesController
from tidegate.ingress.services import ServicesController
from tidegate.ingress.table import GatewayTable
from tidegate.ingress.unready import UnreadyController
from tidegate.kit.clock import Clock
from tidegate.link.gateway import FromGateway, Snapshot, ToGateway
from tidegate.model import serving_names as names
from tidegate.model.apps import Deployment
from tidegate.model.core import ConfigMap
from tidegate.model.image_cache import ImageCache
from tidegate.model.serving import Revision
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Controller, Engine

_NOTHING: Mapping[str, str] = {}


class Link(Protocol):
    """What the plane needs of `link.gateway_link.GatewayLink`."""

    @property
    def connected(self) -> bool: ...
    def send(self, message: ToGateway) -> None: ...
    def listen(self, listener: Callable[[FromGateway], None]) -> None: ...
    async def run(self, snapshot: Callable[[], Snapshot]) -> None: ...


class Gets(Protocol):
    """The API or the store: whatever has objects."""

    def get(self, type_: type[ConfigMap], namespace: str, name: str, /) -> ConfigMap | None: ...


def config_reader(source: Gets) -> Callable[[str], Mapping[str, str]]:
    """Reads the data of a ConfigMap, by `<namespace>/<name>` or by its name in knative-serving."""

    def read(name: str) -> Mapping[str, str]:
        namespace, _, bare = name.rpartition("/")
        found = source.get(ConfigMap, namespace or names.SYSTEM_NAMESPACE, bare)
        return found.data if found is not None else _NOTHING

    return read


class Caches(DatasetCaches, Warmer, Protocol):
    """What holds data of other machines."""

    @property
    def look_ahead_s(self) -> float:
        """How long before a scheduled scale-up its data is fetched; 0: not at all."""
        ...


def _ahead(api: Api, clock: Clock, caches: Caches, zone: tzinfo) -> list[Controller]:
    return [
        CronPrefetch(api, clock, caches, lambda: caches.look_ahead_s, zone),
        KedaPrefetch(api, clock, caches, lambda: caches.look_ahead_s),
        AppliedPrefetch(api, clock, caches, Revision),
        AppliedPrefetch(api, clock, caches, Deployment),
    ]


def _of_datasets(
    api: Api,
    clock: Clock,
    folders: DatasetFolders,
    caches: DatasetCaches | None,
    zone: tzinfo,
) -> list[Controller]:
    return [
        DatasetController(api, clock, folders, caches),
        DataLoadController(api, clock, folders, caches, zone),
    ]


class Plane:
    """Owner of the engine, the autoscaler and the routing table. `boot` is this boot's id.

    `gateway`: where clients reach the gateway; None: it can't be reached, so no Service says how.
    `volumes`: where claims get their folders; None: they wait for volumes that somebody makes.
    `datasets`: where datasets lead to their data; None: none is bound.
    `caches`: what holds data of other machines; None: none is fetched.
    `issue`: who makes certificates for hosts that bring none; None: the gateway offers no HTTPS.
    `zone`: what schedules that name none are in.
    `home`: the engine's folder, where OpenAI's files and batches are kept; None: there are none.
    `usage`, `gpu`: who measures the pods' processes and their share of a card; None: nobody does.
    `dialled`: the gateway's `host:port` for pods of this machine; None: not known, so that events
    go to URLs outside only. `reports`: who asks Kafka's adapters how they are; None: nobody.
    `images`: who pulls images ahead; None: image caches stay as they are."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        link: Link,
        *,
        boot: str,
        gateway: GatewayAddress | None = None,
        volumes: VolumeFolders | None = None,
        datasets: DatasetFolders | None = None,
        caches: Caches | None = None,
        usage: UsageSource | None = None,
        gpu: GpuSource | None = None,
        issue: Issue | None = None,
        zone: tzinfo = UTC,
        home: Path | None = None,
        dialled: str | None = None,
        reports: Reports | None = None,
        offsets: OffsetSource | None = None,
        images: Images | None = None,
    ) -> None:
        self._api, self._link = api, link
        config = ClusterConfig(config_reader(api))
        self.table = GatewayTable(send=link.send)
        if issue is not None:
            address = gateway.ip if gateway is not None else None
            self.table.set_certificate(DEFAULT, default_certificate(issue, address=address))
        endpoints = EndpointsController(api, self.table, config)
        services = ServicesController(api, self.table, gateway)
        draining = DrainingController(api, clock, self.table, (endpoints, services))
        routes = RoutesController(api, clock, self.table)
        self.autoscaler = Autoscaler(
            api,
            clock,
            config,
            boot=boot,
            poke=lambda key: self.engine.look_at(Autoscaler.name, key),
            gateway_answers=lambda: link.connected,
        )
        batches = None if home is None else OpenAiBatchController(api, self.table, home)
        traffic = Traffic()
        lags = GroupLags(api, offsets or BrokerOffsets())
        keda = KedaMetrics(api, clock, lags)
        self.metrics = Sources(api, clock, config, traffic, usage=usage, gpu=gpu, others=(keda,))
        self.engine = Engine(
            api,
            clock,
            [
                ServiceController(api, clock),
                ConfigurationController(api, clock),
                RevisionController(api, clock, config),
                RouteController(api, clock, config),
                LabelerController(api, clock),
                RevisionGcController(api, clock, config),
                DomainMappingController(api, clock, config),
                InferenceServiceController(api, clock, config),
                DeploymentController(api, clock),
                ReplicaSetController(api, clock),
                JobController(api, clock),
                CronJobController(api, clock, zone),
                KafkaSourceController(api, clock, dialled, reports),
                KafkaSinkController(api, clock, reports),
                ServiceEndpointsController(api),
                SchedulerController(api, clock),
                QuotaController(api),
                VolumeBinder(api, clock, volumes),
                ServiceAccountController(api),
                self.autoscaler,
                HpaController(api, clock, config, self.metrics),
                CronHpaController(api, clock, zone),
                ScaledObjectController(api, clock, keda),
                RevisionHpaController(api, clock, config),
                endpoints,
                services,
                draining,
                IngressesController(api, clock, self.table, gateway),
                VirtualServicesController(api, clock, self.table),
                routes,
                UnreadyController(api, self.table, config),
                *([] if images is None else [ImageCacheController(api, clock, images)]),
                *([] if batches is None else [batches]),
                *([] if datasets is None else _of_datasets(api, clock, datasets, caches, zone)),
                *([] if caches is None else _ahead(api, clock, caches, zone)),
                *([] if gateway is None else [BalancersController(api, gateway)]),
                *([] if issue is None else certificates_controllers(api, clock, self.table, issue)),
            ],
        )
        publisher = Publisher(self.table, draining, routes, poke=self.engine.look_at)
        link.listen(publisher.on_message)
        link.listen(self.autoscaler.on_message)
        if batches is not None:
            link.listen(batches.listener(self.engine.look_at))
        self._traffic = TrafficRecorder(api, clock)
        link.listen(self._traffic.on_message)
        link.listen(traffic.on_message)

    def look_at_image_caches(self) -> None:
        """An image came, or could not."""
        for cache in self._api.list(ImageCache):
            self.engine.look_at(ImageCacheController.name, cache.key)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.engine.run(), name="controllers")
            await self.engine.primed.wait()
            # The first table the gateway gets must be whole: what it lacks would be drained.
            tasks.create_task(self._link.run(self._snapshot), name="gateway link")
            tasks.create_task(self.autoscaler.run(), name="autoscaler")
            tasks.create_task(self._traffic.run(), name="traffic reports")

    def _snapshot(self) -> Snapshot:
        return self.table.snapshot(self.autoscaler.samples_since_s)
