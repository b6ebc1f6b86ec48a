"""The objects that a KafkaSource gets: its adapters' Deployment, and what scales it. Pure.

Source: eventing-contrib kafka/source (names, labels), eventing-kafka-broker
control-plane/pkg/autoscaler/keda (the ScaledObject).
"""

from __future__ import annotations

from msgspec.structs import replace

from tidegate.controllers.kafka.destinations import Address
from tidegate.controllers.kafka.pods import as_json, config_text, deployment
from tidegate.controllers.kafka.secrets import Credentials
from tidegate.model.apps import Deployment
from tidegate.model.containers import EnvVar
from tidegate.model.kafka import KEY_TYPE_LABEL, SOURCES, KafkaSource
from tidegate.model.kafka_settings import (
    DOMAIN,
    MAX_IN_FLIGHT,
    SourceScaling,
    delivery_of,
)
from tidegate.model.keda import (
    AuthSecretTargetRef,
    KedaAuthenticationRef,
    KedaTargetRef,
    KedaTrigger,
    ScaledObject,
    ScaledObjectSpec,
    TriggerAuthentication,
    TriggerAuthenticationSpec,
)
from tidegate.model.labels import child_name
from tidegate.model.meta import ObjectMeta, OwnerReference, owner_reference

API = f"{SOURCES}/v1"
IMAGE = "tidegate/kafka-source"
_SASL = {
    "PLAIN": "plaintext",
    "SCRAM-SHA-256": "scram_sha256",
    "SCRAM-SHA-512": "scram_sha512",
}
_PARAMETERS = {
    "KAFKA_SASL_USER": "username",
    "KAFKA_SASL_PASSWORD": "password",
    "KAFKA_TLS_CA": "ca",
    "KAFKA_TLS_CERT": "cert",
    "KAFKA_TLS_KEY": "key",
}


def labels_of(source: KafkaSource) -> dict[str, str]:
    """Of its Deployment and pods; the selector of its scale."""
    return {
        "eventing.knative.dev/source": "kafka-source-controller",
        "eventing.knative.dev/SourceName": child_name(source.metadata.name, ""),
    }


def deployment_name(source: KafkaSource) -> str:
    return child_name(f"kafkasource-{source.metadata.name}-", source.metadata.uid or "")


def desired_deployment(
    source: KafkaSource,
    credentials: Credentials,
    *,
    sink: Address,
    dead_letter: Address | None,
    reply: Address | None,
) -> Deployment:
    """As many adapters as the source wants consumers."""
    spec, meta = source.spec, source.metadata
    config = _config(source, credentials, sink, dead_letter, reply)
    return deployment(
        deployment_name(source),
        meta.namespace or "",
        _owner(source),
        image=IMAGE,
        replicas=1 if spec.consumers is None else spec.consumers,
        labels=labels_of(source),
        env=(EnvVar(name="K_SOURCE", value=config), *credentials.env),
        secrets=credentials.digest,
    )


def source_name(source: KafkaSource) -> str:
    """What `ce-source` begins with; the topic follows behind a `#`."""
    return f"/apis/v1/namespaces/{source.metadata.namespace}/kafkasources/{source.metadata.name}"


def _config(
    source: KafkaSource,
    credentials: Credentials,
    sink: Address,
    dead_letter: Address | None,
    reply: Address | None,
) -> str:
    spec, annotations = source.spec, source.metadata.annotations
    delivery = delivery_of(source)
    domain, most = annotations.get(DOMAIN), annotations.get(MAX_IN_FLIGHT)
    return config_text(
        {
            "bootstrapServers": list(spec.bootstrap_servers),
            "topics": list(dict.fromkeys(spec.topics)),
            "consumerGroup": spec.consumer_group,
            "initialOffset": spec.initial_offset,
            "ordering": spec.ordering,
            "keyType": source.metadata.labels.get(KEY_TYPE_LABEL, "string"),
            "source": source_name(source),
            "sink": as_json(Address(sink.uri, sink.url, domain, sink.ca_certs) if domain else sink),
            "extensions": spec.ce_overrides.extensions if spec.ce_overrides else {},
            "delivery": {
                "retry": delivery.retries,
                "backoffPolicy": delivery.policy,
                "backoffDelayS": delivery.delay_s,
                "timeoutS": delivery.timeout_s,
                "retryAfterMaxS": delivery.retry_after_max_s,
                "deadLetterSink": as_json(dead_letter),
            },
            "maxInFlight": int(most) if most else None,
            "reply": as_json(reply),
            "net": credentials.net,
        }
    )


def _owner(source: KafkaSource) -> OwnerReference:
    return owner_reference("KafkaSource", API, source.metadata)


# --- scaling by lag


def scaled_object_name(source: KafkaSource) -> str:
    return f"so-{source.metadata.uid}"


def desired_scaled_object(
    source: KafkaSource, credentials: Credentials, scaling: SourceScaling
) -> ScaledObject:
    """What KEDA would be given: a trigger for each topic, the most consumers any of them asks for."""
    spec, meta = source.spec, source.metadata
    ref = KedaAuthenticationRef(name=scaled_object_name(source)) if credentials.refs else None
    more = {}
    if credentials.sasl:
        more["sasl"] = _SASL[credentials.sasl_type]
    if credentials.tls:
        more["tls"] = "enable"
    triggers = tuple(
        KedaTrigger(
            type="kafka",
            metadata={
                "bootstrapServers": ",".join(spec.bootstrap_servers),
                "consumerGroup": spec.consumer_group or "",
                "topic": topic,
                "lagThreshold": str(scaling.lag),
                "activationLagThreshold": str(scaling.activation),
                "offsetResetPolicy": spec.initial_offset or "latest",
                "allowIdleConsumers": "false",
                **more,
            },
            authentication_ref=ref,
        )
        for topic in dict.fromkeys(spec.topics)
    )
    return ScaledObject(
        metadata=ObjectMeta(
            name=scaled_object_name(source),
            namespace=meta.namespace,
            owner_references=(_owner(source),),
        ),
        spec=ScaledObjectSpec(
            scale_target_ref=KedaTargetRef(api_version=API, kind="KafkaSource", name=meta.name),
            triggers=triggers,
            polling_interval=scaling.polling_s,
            cooldown_period=scaling.cooldown_s,
            min_replica_count=scaling.low,
            max_replica_count=scaling.high,
        ),
    )


def desired_authentication(
    source: KafkaSource, credentials: Credentials
) -> TriggerAuthentication | None:
    """The source's own secrets, named for the reader of its lag; None: it needs none."""
    if not credentials.refs:
        return None
    return TriggerAuthentication(
        metadata=ObjectMeta(
            name=scaled_object_name(source),
            namespace=source.metadata.namespace,
            owner_references=(_owner(source),),
        ),
        spec=TriggerAuthenticationSpec(
            secret_target_ref=tuple(
                AuthSecretTargetRef(parameter=_PARAMETERS[name], name=ref.name, key=ref.key)
                for name, ref in credentials.refs
                if name in _PARAMETERS
            )
        ),
    )


def carry_scaled_object(existing: ScaledObject, desired: ScaledObject) -> ScaledObject:
    return replace(existing, spec=desired.spec)


def carry_authentication(
    existing: TriggerAuthentication, desired: TriggerAuthentication
) -> TriggerAuthentication:
    return replace(existing, spec=desired.spec)
