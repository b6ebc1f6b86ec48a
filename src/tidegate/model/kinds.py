"""The table of kinds: the one place that ties a struct to its names on the wire.

To add a kind: write its struct, add its line here, give it columns (`model.columns`) and
admission (`model.admission`).

To serve a kind in another version as well: a line in `VERSIONS`, made with `in_version`. The kind is
stored in one version only; what differs on the wire is a struct and two pure functions (`Form`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from tidegate.model import (
    apps,
    autoscaling,
    autoscaling_versions,
    core,
    domains,
    endpoints,
    fluid,
    fluid_runtimes,
    image_cache,
    ingresses,
    istio,
    kafka,
    kafka_versions,
    kserve,
    networking,
    serving,
    traffic,
)
from tidegate.model.accounts import ServiceAccount
from tidegate.model.cron_hpa import CronHorizontalPodAutoscaler
from tidegate.model.jobs import CronJob, Job
from tidegate.model.keda import ScaledObject, TriggerAuthentication
from tidegate.model.meta import Object
from tidegate.model.quotas import LimitRange, ResourceQuota
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass

ObjectT = TypeVar("ObjectT", bound=Object)
_ObjectType = type[Object]


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind is written in a version that it is not stored in.

    `up` makes the stored object of a document, `down` the document of a stored object; both are
    total: what a version has no field for is kept elsewhere in it (an annotation), so that
    up(down(x)) == x. `deprecated` is said with every answer; empty: nothing is.
    """

    type: type[Object]
    up: Callable[[Any], Object]
    down: Callable[[Any], Object]
    deprecated: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as the API serves it, in one version."""

    type: type[Object]
    group: str  # empty for core
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = True  # a status subresource: the main endpoint drops status changes
    has_spec: bool = True  # counts generations
    has_scale: bool = False
    form: Form | None = None  # None: this is the version that is stored

    @property
    def wire_type(self) -> _ObjectType:
        """What a document of this version is read into."""
        return self.type if self.form is None else self.form.type

    def lifted(self, document: Object) -> Object:
        """The object to store of a document that was read as `wire_type`."""
        return document if self.form is None else self.form.up(document)

    def lowered(self, obj: Object) -> Object:
        """A stored object as this version writes it: a `wire_type`."""
        return obj if self.form is None else self.form.down(obj)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As error messages name it: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """As Invalid messages name it: `Deployment.apps`, `Pod`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


_SERVING = "serving.knative.dev"
_KSERVE = "serving.kserve.io"
_KNATIVE = ("all", "knative", "serving")
_FLUID = ("fluid",)
_ISTIO = ("istio-io", "networking-istio-io")

KINDS: tuple[Kind, ...] = (
    Kind(
        core.Namespace, "", "v1", "Namespace", "namespaces", "namespace", ("ns",), namespaced=False
    ),
    Kind(core.Node, "", "v1", "Node", "nodes", "node", ("no",), namespaced=False),
    Kind(core.Pod, "", "v1", "Pod", "pods", "pod", ("po",), ("all",)),
    Kind(core.Service, "", "v1", "Service", "services", "service", ("svc",), ("all",)),
    Kind(
        core.ConfigMap,
        "",
        "v1",
        "ConfigMap",
        "configmaps",
        "configmap",
        ("cm",),
        has_status=False,
        has_spec=False,
    ),
    Kind(core.Secret, "", "v1", "Secret", "secrets", "secret", has_status=False, has_spec=False),
    Kind(
        ResourceQuota,
        "",
        "v1",
        "ResourceQuota",
        "resourcequotas",
        "resourcequota",
        ("quota",),
        has_spec=False,
    ),
    Kind(
        LimitRange,
        "",
        "v1",
        "LimitRange",
        "limitranges",
        "limitrange",
        ("limits",),
        has_status=False,
        has_spec=False,
    ),
    Kind(
        core.Event, "", "v1", "Event", "events", "event", ("ev",), has_status=False, has_spec=False
    ),
    Kind(
        PersistentVolume,
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        "persistentvolume",
        ("pv",),
        namespaced=False,
        has_spec=False,  # as Kubernetes: its objects carry no generation
    ),
    Kind(
        PersistentVolumeClaim,
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        ("pvc",),
        has_spec=False,
    ),
    Kind(
        ServiceAccount,
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        "serviceaccount",
        ("sa",),
        has_status=False,
        has_spec=False,
    ),
    Kind(
        StorageClass,
        "storage.k8s.io",
        "v1",
        "StorageClass",
        "storageclasses",
        "storageclass",
        ("sc",),
        namespaced=False,
        has_status=False,
        has_spec=False,
    ),
    Kind(
        apps.Deployment,
        "apps",
        "v1",
        "Deployment",
        "deployments",
        "deployment",
        ("deploy",),
        ("all",),
        has_scale=True,
    ),
    Kind(
        apps.ReplicaSet,
        "apps",
        "v1",
        "ReplicaSet",
        "replicasets",
        "replicaset",
        ("rs",),
        ("all",),
        has_scale=True,
    ),
    Kind(Job, "batch", "v1", "Job", "jobs", "job", categories=("all",)),
    Kind(CronJob, "batch", "v1", "CronJob", "cronjobs", "cronjob", ("cj",), ("all",)),
    Kind(
        autoscaling.HorizontalPodAutoscaler,
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        ("hpa",),
        ("all",),
    ),
    Kind(
        endpoints.Endpoints,
        "",
        "v1",
        "Endpoints",
        "endpoints",
        "endpoints",
        ("ep",),
        has_status=False,
        has_spec=False,
    ),
    Kind(
        endpoints.EndpointSlice,
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        "endpointslice",
        has_status=False,
        has_spec=False,
    ),
    # Before Knative's own Ingress: the first group has the name that people type.
    Kind(
        ingresses.Ingress,
        "networking.k8s.io",
        "v1",
        "Ingress",
        "ingresses",
        "ingress",
        ("ing",),
    ),
    Kind(
        ingresses.IngressClass,
        "networking.k8s.io",
        "v1",
        "IngressClass",
        "ingressclasses",
        "ingressclass",
        namespaced=False,
        has_status=False,
    ),
    Kind(
        istio.VirtualService,
        istio.GROUP,
        "v1",
        "VirtualService",
        "virtualservices",
        "virtualservice",
        ("vs",),
        _ISTIO,
    ),
    Kind(
        istio.DestinationRule,
        istio.GROUP,
        "v1",
        "DestinationRule",
        "destinationrules",
        "destinationrule",
        ("dr",),
        _ISTIO,
    ),
    Kind(istio.Gateway, istio.GROUP, "v1", "Gateway", "gateways", "gateway", ("gw",), _ISTIO),
    Kind(
        serving.Service,
        _SERVING,
        "v1",
        "Service",
        "services",
        "service",
        ("kservice", "ksvc"),
        _KNATIVE,
    ),
    Kind(
        serving.Configuration,
        _SERVING,
        "v1",
        "Configuration",
        "configurations",
        "configuration",
        ("config", "cfg"),
        _KNATIVE,
    ),
    Kind(serving.Revision, _SERVING, "v1", "Revision", "revisions", "revision", ("rev",), _KNATIVE),
    Kind(serving.Route, _SERVING, "v1", "Route", "routes", "route", ("rt",), _KNATIVE),
    Kind(
        domains.DomainMapping,
        _SERVING,
        "v1beta1",
        "DomainMapping",
        "domainmappings",
        "domainmapping",
        ("dm",),
        _KNATIVE,
    ),
    Kind(
        domains.ClusterDomainClaim,
        "networking.internal.knative.dev",
        "v1alpha1",
        "ClusterDomainClaim",
        "clusterdomainclaims",
        "clusterdomainclaim",
        ("cdc",),
        ("knative-internal", "networking"),
        namespaced=False,
    ),
    Kind(
        ScaledObject,
        "keda.sh",
        "v1alpha1",
        "ScaledObject",
        "scaledobjects",
        "scaledobject",
        ("so",),
    ),
    Kind(
        TriggerAuthentication,
        "keda.sh",
        "v1alpha1",
        "TriggerAuthentication",
        "triggerauthentications",
        "triggerauthentication",
        ("ta", "triggerauth"),
    ),
    Kind(
        kafka.KafkaSource,
        kafka.SOURCES,
        "v1",
        "KafkaSource",
        "kafkasources",
        "kafkasource",
        categories=("all", "knative", "eventing", "sources"),
        has_scale=True,
    ),
    Kind(
        kafka.KafkaSink,
        kafka.EVENTING,
        "v1alpha1",
        "KafkaSink",
        "kafkasinks",
        "kafkasink",
        categories=("all", "knative", "eventing"),
    ),
    Kind(
        CronHorizontalPodAutoscaler,
        "autoscaling.alibabacloud.com",
        "v1beta1",
        "CronHorizontalPodAutoscaler",
        "cronhorizontalpodautoscalers",
        "cronhorizontalpodautoscaler",
        ("cronhpa",),
    ),
    Kind(
        kserve.InferenceService,
        _KSERVE,
        "v1beta1",
        "InferenceService",
        "inferenceservices",
        "inferenceservice",
        ("isvc",),
    ),
    Kind(
        kserve.InferenceGraph,
        _KSERVE,
        "v1alpha1",
        "InferenceGraph",
        "inferencegraphs",
        "inferencegraph",
        ("ig",),
    ),
    Kind(
        kserve.TrainedModel,
        _KSERVE,
        "v1alpha1",
        "TrainedModel",
        "trainedmodels",
        "trainedmodel",
        ("tm",),
    ),
    Kind(
        kserve.LLMInferenceService,
        _KSERVE,
        "v1alpha1",
        "LLMInferenceService",
        "llminferenceservices",
        "llminferenceservice",
        ("llmisvc",),
    ),
    Kind(
        kserve.ServingRuntime,
        _KSERVE,
        "v1alpha1",
        "ServingRuntime",
        "servingruntimes",
        "servingruntime",
    ),
    Kind(
        kserve.ClusterServingRuntime,
        _KSERVE,
        "v1alpha1",
        "ClusterServingRuntime",
        "clusterservingruntimes",
        "clusterservingruntime",
        namespaced=False,
    ),
    Kind(
        networking.Ingress,
        "networking.internal.knative.dev",
        "v1alpha1",
        "Ingress",
        "ingresses",
        "ingress",
        ("kingress", "king"),
        ("knative-internal", "networking"),
    ),
    Kind(
        serving.PodAutoscaler,
        "autoscaling.internal.knative.dev",
        "v1alpha1",
        "PodAutoscaler",
        "podautoscalers",
        "podautoscaler",
        ("kpa", "pa"),
        ("knative-internal", "autoscaling"),
    ),
    Kind(
        fluid.Dataset,
        fluid.GROUP,
        "v1alpha1",
        "Dataset",
        "datasets",
        "dataset",
        ("dataset",),
        _FLUID,
    ),
    Kind(
        fluid_runtimes.JindoRuntime,
        fluid.GROUP,
        "v1alpha1",
        "JindoRuntime",
        "jindoruntimes",
        "jindoruntime",
        ("jindo",),
        _FLUID,
        has_scale=True,
    ),
    Kind(
        fluid_runtimes.AlluxioRuntime,
        fluid.GROUP,
        "v1alpha1",
        "AlluxioRuntime",
        "alluxioruntimes",
        "alluxioruntime",
        ("alluxio",),
        _FLUID,
        has_scale=True,
    ),
    Kind(
        fluid_runtimes.EFCRuntime,
        fluid.GROUP,
        "v1alpha1",
        "EFCRuntime",
        "efcruntimes",
        "efcruntime",
        ("efc",),
        _FLUID,
        has_scale=True,
    ),
    Kind(
        fluid.DataLoad,
        fluid.GROUP,
        "v1alpha1",
        "DataLoad",
        "dataloads",
        "dataload",
        ("load",),
        _FLUID,
    ),
    Kind(
        image_cache.ImageCache,
        image_cache.GROUP,
        "v1",
        "ImageCache",
        "imagecaches",
        "imagecache",
        ("ic",),
        namespaced=False,
    ),
    Kind(
        traffic.TrafficReport,
        "tidegate.dev",
        "v1alpha1",
        "TrafficReport",
        "trafficreports",
        "trafficreport",
        ("traffic",),
        has_spec=False,
    ),
)

BY_TYPE: Mapping[type[Object], Kind] = {kind.type: kind for kind in KINDS}


def in_version(
    type_: type[Object], version: str, form: Form | None = None, *, deprecated: str = ""
) -> Kind:
    """A stored kind served in another version. `form` None: written as it is stored."""
    same = Form(type_, lambda document: document, lambda obj: obj, deprecated)
    return replace(BY_TYPE[type_], version=version, form=form or same)


#: The other versions of kinds above, newest first.
VERSIONS: tuple[Kind, ...] = (
    *(
        in_version(type_, version)
        for type_ in (istio.VirtualService, istio.DestinationRule, istio.Gateway)
        for version in ("v1beta1", "v1alpha3")
    ),
    in_version(
        autoscaling.HorizontalPodAutoscaler,
        "v1",
        Form(
            autoscaling_versions.V1Autoscaler,
            autoscaling_versions.v1_up,
            autoscaling_versions.v1_down,
        ),
    ),
    in_version(
        autoscaling.HorizontalPodAutoscaler,
        "v2beta2",
        deprecated=autoscaling_versions.deprecated("v2beta2", "1.23", "1.26"),
    ),
    in_version(
        autoscaling.HorizontalPodAutoscaler,
        "v2beta1",
        Form(
            autoscaling_versions.V2beta1Autoscaler,
            autoscaling_versions.v2beta1_up,
            autoscaling_versions.v2beta1_down,
            autoscaling_versions.deprecated("v2beta1", "1.22", "1.25"),
        ),
    ),
    in_version(kafka.KafkaSource, "v1beta1"),
    in_version(
        kafka.KafkaSource,
        "v1alpha1",
        Form(
            kafka_versions.V1alpha1KafkaSource,
            kafka_versions.v1alpha1_up,
            kafka_versions.v1alpha1_down,
        ),
    ),
    in_version(kafka.KafkaSink, "v1"),
)

#: All that has a path.
SERVED: tuple[Kind, ...] = (*KINDS, *VERSIONS)
BY_GVK: Mapping[tuple[str, str], Kind] = {(kind.api_version, kind.kind): kind for kind in SERVED}
BY_PATH: Mapping[tuple[str, str, str], Kind] = {
    (kind.group, kind.version, kind.plural): kind for kind in SERVED
}


def kind_of(value: Object | type[Object]) -> Kind:
    """The table's line for an object or its type."""
    return BY_TYPE[value if isinstance(value, type) else type(value)]


_encoder = msgspec.json.Encoder()


@lru_cache(maxsize=128)
def _prefix(api_version: str, kind: str) -> bytes:
    return _encoder.encode({"apiVersion": api_version, "kind": kind})[:-1]


def encode(value: Object, kind: Kind | None = None) -> bytes:
    """The object as JSON, apiVersion and kind first. `kind` None: in the version it is stored in."""
    kind = kind or BY_TYPE[type(value)]
    body = _encoder.encode(kind.lowered(value))
    return _prefix(kind.api_version, kind.kind) + (b"}" if body == b"{}" else b"," + body[1:])


@lru_cache(maxsize=128)
def _decoder(type_: type[Object]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_)


def decode_stored(body: bytes, type_: type[ObjectT]) -> ObjectT:
    """An object that we stored ourselves (JSON without apiVersion and kind)."""
    value: ObjectT = _decoder(type_).decode(body)
    return value


def encode_stored(value: Object) -> bytes:
    """As `decode_stored` reads it."""
    return _encoder.encode(value)


def encode_item(value: Object, kind: Kind) -> bytes:
    """The object as JSON in that version, without apiVersion and kind."""
    return _encoder.encode(kind.lowered(value))


def render(value: Object) -> dict[str, Any]:
    """The object as plain JSON values, apiVersion and kind first."""
    kind = BY_TYPE[type(value)]
    return {"apiVersion": kind.api_version, "kind": kind.kind, **msgspec.to_builtins(value)}
