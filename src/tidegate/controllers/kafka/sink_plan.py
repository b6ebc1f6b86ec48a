"""The objects that a KafkaSink gets: the Deployment of its receiver, and a Service in front. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from tidegate.controllers.kafka.pods import PORT_NAME, config_text, deployment
from tidegate.controllers.kafka.secrets import Credentials
from tidegate.model.apps import Deployment
from tidegate.model.containers import EnvVar
from tidegate.model.core import Service, ServicePort, ServiceSpec
from tidegate.model.kafka import EVENTING, KafkaSink
from tidegate.model.labels import child_name
from tidegate.model.meta import ObjectMeta, OwnerReference, owner_reference
from tidegate.policy.config_domain import CLUSTER_DOMAIN

IMAGE = "tidegate/kafka-sink"
SINK_LABEL = "eventing.knative.dev/sinkName"
_HTTP = 80


def labels_of(sink: KafkaSink) -> dict[str, str]:
    """Of its Deployment and pods."""
    return {
        "eventing.knative.dev/sink": "kafka-sink-receiver",
        SINK_LABEL: child_name(sink.metadata.name, ""),
    }


def child(sink: KafkaSink) -> str:
    """The name of its Deployment and Service: a Service's may not begin with a digit."""
    return child_name(f"kafkasink-{sink.metadata.name}", "-receiver")


def url_of(sink: KafkaSink) -> str:
    """Its address: on a cluster one receiver serves all sinks, by path; here each has its own."""
    return f"http://{child(sink)}.{sink.metadata.namespace}.{CLUSTER_DOMAIN}"


def desired_deployment(sink: KafkaSink, credentials: Credentials) -> Deployment:
    spec = sink.spec
    config = config_text(
        {
            "bootstrapServers": list(spec.bootstrap_servers),
            "topic": spec.topic,
            "contentMode": spec.content_mode,
            "numPartitions": spec.num_partitions,
            "replicationFactor": spec.replication_factor,
            "net": credentials.net,
        }
    )
    return deployment(
        child(sink),
        sink.metadata.namespace or "",
        _owner(sink),
        image=IMAGE,
        replicas=1,
        labels=labels_of(sink),
        env=(EnvVar(name="K_SINK_CONFIG", value=config), *credentials.env),
        secrets=credentials.digest,
    )


def desired_service(sink: KafkaSink) -> Service:
    return Service(
        metadata=ObjectMeta(
            name=child(sink),
            namespace=sink.metadata.namespace,
            labels=labels_of(sink),
            owner_references=(_owner(sink),),
        ),
        spec=ServiceSpec(
            selector=labels_of(sink),
            ports=(ServicePort(name=PORT_NAME, port=_HTTP, target_port=PORT_NAME, protocol="TCP"),),
            type="ClusterIP",
        ),
    )


def carry_service(existing: Service, desired: Service) -> Service:
    return replace(existing, spec=replace(existing.spec, selector=desired.spec.selector))


def _owner(sink: KafkaSink) -> OwnerReference:
    return owner_reference("KafkaSink", f"{EVENTING}/v1alpha1", sink.metadata)
