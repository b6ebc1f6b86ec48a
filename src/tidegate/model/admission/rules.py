"""The table of built-in kinds: how each is named, defaulted and checked.

To add a kind: write its functions in a file of its own and add its line here. The order of use is
`default`, `check` of the whole object, then `change` against the stored one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tidegate.model import (
    apps,
    autoscaling,
    core,
    endpoints,
    fluid,
    fluid_runtimes,
    ingresses,
    istio,
    kafka,
    labels,
)
from tidegate.model.admission import autoscalers, cluster, data_maps, pods, services, workloads
from tidegate.model.admission import endpoints as endpoint_rules
from tidegate.model.admission import fluid as fluid_rules
from tidegate.model.admission import ingresses as ingress_rules
from tidegate.model.admission import istio as istio_rules
from tidegate.model.admission import kafka as kafka_rules
from tidegate.model.admission import quotas as quota_rules
from tidegate.model.admission import storage as storage_rules
from tidegate.model.admission.cron_hpa import check_cron_hpa
from tidegate.model.admission.cron_jobs import check_cron_job, default_cron_job
from tidegate.model.admission.image_caches import check_image_cache, check_image_cache_change
from tidegate.model.admission.jobs import check_job, check_job_change, default_job
from tidegate.model.admission.metadata import NameRule, check_metadata, check_metadata_change
from tidegate.model.admission.pod_defaults import default_pod
from tidegate.model.admission.problems import Problems
from tidegate.model.cron_hpa import CronHorizontalPodAutoscaler
from tidegate.model.errors import Invalid
from tidegate.model.image_cache import ImageCache
from tidegate.model.jobs import CronJob, Job
from tidegate.model.kinds import kind_of
from tidegate.model.meta import Object
from tidegate.model.pods import Pod
from tidegate.model.quotas import LimitRange, ResourceQuota
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass

ObjectT = TypeVar("ObjectT", bound=Object)


def _as_is(obj: ObjectT, old: ObjectT | None) -> ObjectT:
    return obj


def _anything(obj: Object) -> Problems:
    return []


def _any_change(obj: Object, old: Object) -> Problems:
    return []


@dataclass(frozen=True, slots=True)
class Rules(Generic[ObjectT]):
    """`default` gets the stored object (None: it is new); the checks get defaulted objects."""

    default: Callable[[ObjectT, ObjectT | None], ObjectT] = _as_is
    check: Callable[[ObjectT], Problems] = _anything
    change: Callable[[ObjectT, ObjectT], Problems] = _any_change
    name: NameRule = labels.dns1123_subdomain


BUILT_IN: Mapping[type[Object], Rules[Any]] = {
    CronHorizontalPodAutoscaler: Rules(check=check_cron_hpa),
    Pod: Rules(default_pod, pods.check_pod, pods.check_pod_change),
    apps.Deployment: Rules(
        workloads.default_deployment, workloads.check_deployment, workloads.check_deployment_change
    ),
    apps.ReplicaSet: Rules(
        workloads.default_replica_set,
        workloads.check_replica_set,
        workloads.check_replica_set_change,
    ),
    Job: Rules(default_job, check_job, check_job_change),
    CronJob: Rules(default_cron_job, check_cron_job),
    autoscaling.HorizontalPodAutoscaler: Rules(
        autoscalers.default_autoscaler, autoscalers.check_autoscaler
    ),
    core.Service: Rules(
        services.default_service,
        services.check_service,
        services.check_service_change,
        name=labels.dns1035_label,
    ),
    core.ConfigMap: Rules(
        check=data_maps.check_config_map, change=data_maps.check_config_map_change
    ),
    core.Secret: Rules(
        data_maps.default_secret, data_maps.check_secret, data_maps.check_secret_change
    ),
    core.Namespace: Rules(cluster.default_namespace, name=labels.dns1123_label),
    core.Node: Rules(check=cluster.check_node),
    ResourceQuota: Rules(check=quota_rules.check_quota, change=quota_rules.check_quota_change),
    LimitRange: Rules(quota_rules.default_limit_range, quota_rules.check_limit_range),
    core.Event: Rules(check=cluster.check_event),
    PersistentVolume: Rules(
        storage_rules.default_volume, storage_rules.check_volume, storage_rules.check_volume_change
    ),
    PersistentVolumeClaim: Rules(
        storage_rules.default_claim, storage_rules.check_claim, storage_rules.check_claim_change
    ),
    StorageClass: Rules(
        storage_rules.default_class, storage_rules.check_class, storage_rules.check_class_change
    ),
    fluid.Dataset: Rules(
        fluid_rules.default_dataset, fluid_rules.check_dataset, fluid_rules.check_dataset_change
    ),
    fluid_runtimes.JindoRuntime: Rules(fluid_rules.default_runtime, fluid_rules.check_runtime),
    fluid_runtimes.AlluxioRuntime: Rules(fluid_rules.default_runtime, fluid_rules.check_runtime),
    fluid_runtimes.EFCRuntime: Rules(fluid_rules.default_runtime, fluid_rules.check_runtime),
    ImageCache: Rules(check=check_image_cache, change=check_image_cache_change),
    fluid.DataLoad: Rules(fluid_rules.default_load, fluid_rules.check_load),
    kafka.KafkaSource: Rules(
        kafka_rules.default_source, kafka_rules.check_source, kafka_rules.check_source_change
    ),
    kafka.KafkaSink: Rules(
        kafka_rules.default_sink, kafka_rules.check_sink, kafka_rules.check_sink_change
    ),
    endpoints.Endpoints: Rules(check=endpoint_rules.check_endpoints),
    endpoints.EndpointSlice: Rules(
        check=endpoint_rules.check_slice, change=endpoint_rules.check_slice_change
    ),
    ingresses.Ingress: Rules(check=ingress_rules.check_ingress),
    istio.VirtualService: Rules(check=istio_rules.check_virtual_service),
    istio.DestinationRule: Rules(check=istio_rules.check_destination_rule),
    istio.Gateway: Rules(check=istio_rules.check_gateway),
    ingresses.IngressClass: Rules(
        check=ingress_rules.check_ingress_class, change=ingress_rules.check_ingress_class_change
    ),
}


def admit_built_in(obj: ObjectT, old: ObjectT | None, *, status: bool = False) -> ObjectT:
    """The object with defaults. Raises `Invalid` with everything that is wrong.

    `status`: only the status is written, so only the metadata is looked at. A kind without a line
    in the table gets the checks that all kinds share.
    """
    rules: Rules[ObjectT] = BUILT_IN.get(type(obj), Rules())
    found: Problems = []
    if old is None:
        found += check_metadata(obj.metadata, rules.name)
    elif obj.metadata != old.metadata:
        found += check_metadata(obj.metadata, rules.name)
        found += check_metadata_change(obj.metadata, old.metadata)
    if not status:
        obj = rules.default(obj, old)
        found += rules.check(obj)
        if old is not None:
            found += rules.change(obj, old)
    if found:
        raise Invalid(kind_of(obj).qualified, obj.metadata.name, found)
    return obj
