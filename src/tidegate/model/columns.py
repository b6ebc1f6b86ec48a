"""What `kubectl get` prints of each kind: the columns of its Table.

To add a kind: write its columns in the file of its group and add its line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.model import (
    apps,
    autoscaling,
    autoscaling_columns,
    core,
    core_columns,
    domains,
    endpoints,
    fluid,
    fluid_columns,
    fluid_runtimes,
    image_cache,
    ingresses,
    istio,
    istio_columns,
    kafka,
    kafka_columns,
    knative_columns,
    kserve,
    kserve_columns,
    network_columns,
    networking,
    pods,
    serving,
    traffic,
)
from tidegate.model.accounts import ServiceAccount
from tidegate.model.ages import human_age
from tidegate.model.column import AGE, NAME, Column
from tidegate.model.job_columns import CRON_JOB, JOB
from tidegate.model.jobs import CronJob, Job
from tidegate.model.keda import AUTHENTICATION_COLUMNS as TRIGGER_AUTHENTICATION
from tidegate.model.keda import COLUMNS as SCALED_OBJECT
from tidegate.model.keda import ScaledObject, TriggerAuthentication
from tidegate.model.kinds import Kind
from tidegate.model.meta import Object
from tidegate.model.quota_columns import LIMIT_RANGE, RESOURCE_QUOTA
from tidegate.model.quotas import LimitRange, ResourceQuota
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from tidegate.model.storage_columns import (
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE_ACCOUNT,
    STORAGE_CLASS,
)

__all__ = ["Column", "columns_of", "human_age"]


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The kind's columns; Name and Age for kinds that have none of their own."""
    return _COLUMNS.get(kind.type, (NAME, AGE))


_COLUMNS: Mapping[type[Object], tuple[Column, ...]] = {
    pods.Pod: core_columns.POD,
    apps.Deployment: core_columns.DEPLOYMENT,
    apps.ReplicaSet: core_columns.REPLICA_SET,
    Job: JOB,
    CronJob: CRON_JOB,
    core.Service: core_columns.SERVICE,
    core.Node: core_columns.NODE,
    core.Event: core_columns.EVENT,
    core.ConfigMap: core_columns.CONFIG_MAP,
    core.Secret: core_columns.SECRET,
    core.Namespace: core_columns.NAMESPACE,
    ResourceQuota: RESOURCE_QUOTA,
    LimitRange: LIMIT_RANGE,
    PersistentVolume: PERSISTENT_VOLUME,
    PersistentVolumeClaim: PERSISTENT_VOLUME_CLAIM,
    StorageClass: STORAGE_CLASS,
    ServiceAccount: SERVICE_ACCOUNT,
    autoscaling.HorizontalPodAutoscaler: autoscaling_columns.AUTOSCALER,
    serving.Service: knative_columns.SERVICE,
    serving.Configuration: knative_columns.CONFIGURATION,
    serving.Revision: knative_columns.REVISION,
    serving.Route: knative_columns.ROUTE,
    domains.DomainMapping: knative_columns.DOMAIN_MAPPING,
    serving.PodAutoscaler: knative_columns.POD_AUTOSCALER,
    traffic.TrafficReport: knative_columns.TRAFFIC_REPORT,
    networking.Ingress: knative_columns.INGRESS,
    ScaledObject: SCALED_OBJECT,
    TriggerAuthentication: TRIGGER_AUTHENTICATION,
    kafka.KafkaSource: kafka_columns.SOURCE,
    kafka.KafkaSink: kafka_columns.SINK,
    fluid.Dataset: fluid_columns.DATASET,
    fluid_runtimes.JindoRuntime: fluid_columns.RUNTIME,
    fluid_runtimes.AlluxioRuntime: fluid_columns.ALLUXIO_RUNTIME,
    fluid_runtimes.EFCRuntime: fluid_columns.RUNTIME,
    fluid.DataLoad: fluid_columns.DATA_LOAD,
    image_cache.ImageCache: image_cache.COLUMNS,
    kserve.InferenceService: kserve_columns.INFERENCE_SERVICE,
    kserve.ServingRuntime: kserve_columns.SERVING_RUNTIME,
    kserve.ClusterServingRuntime: kserve_columns.SERVING_RUNTIME,
    endpoints.Endpoints: network_columns.ENDPOINTS,
    endpoints.EndpointSlice: network_columns.ENDPOINT_SLICE,
    ingresses.Ingress: network_columns.INGRESS,
    ingresses.IngressClass: network_columns.INGRESS_CLASS,
    istio.VirtualService: istio_columns.VIRTUAL_SERVICE,
    istio.DestinationRule: istio_columns.DESTINATION_RULE,
}
