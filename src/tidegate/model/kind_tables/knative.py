"""Knative Serving, and Kafka's sources and sinks of Knative Eventing."""

from __future__ import annotations

from tidegate.model import domains, kafka, kafka_versions, networking, serving
from tidegate.model.kind import Form, Kind, in_version

_SERVING = "serving.knative.dev"
_KNATIVE = ("all", "knative", "serving")

_SOURCE = Kind(
    kafka.KafkaSource,
    kafka.SOURCES,
    "v1",
    "KafkaSource",
    "kafkasources",
    "kafkasource",
    categories=("all", "knative", "eventing", "sources"),
    has_scale=True,
)
_SINK = Kind(
    kafka.KafkaSink,
    kafka.EVENTING,
    "v1alpha1",
    "KafkaSink",
    "kafkasinks",
    "kafkasink",
    categories=("all", "knative", "eventing"),
)

KINDS: tuple[Kind, ...] = (
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
    _SOURCE,
    _SINK,
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
)

VERSIONS: tuple[Kind, ...] = (
    in_version(_SOURCE, "v1beta1"),
    in_version(
        _SOURCE,
        "v1alpha1",
        Form(
            kafka_versions.V1alpha1KafkaSource,
            kafka_versions.v1alpha1_up,
            kafka_versions.v1alpha1_down,
        ),
    ),
    in_version(_SINK, "v1"),
)
