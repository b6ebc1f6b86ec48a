"""sources.knative.dev KafkaSource and eventing.knative.dev KafkaSink.

A KafkaSource is stored as v1; v1beta1 is written alike, v1alpha1 in `model.kafka_versions`.

Source: knative-extensions/eventing-kafka-broker control-plane/pkg/apis/{sources,bindings}/v1,
control-plane/pkg/apis/eventing/v1alpha1.
"""

from __future__ import annotations

import msgspec

from tidegate.model.containers import KeySelector, LocalRef
from tidegate.model.eventing import DeliverySpec, Destination
from tidegate.model.meta import Object
from tidegate.model.serving import Addressable, ServingStatus
from tidegate.model.wire import Wire

SOURCES, EVENTING = "sources.knative.dev", "eventing.knative.dev"
KEY_TYPE_LABEL = "kafkasources.sources.knative.dev/key-type"


class SecretValue(Wire, frozen=True, kw_only=True):
    secret_key_ref: KeySelector | None = None


class KafkaSasl(Wire, frozen=True, kw_only=True):
    """`type`'s secret holds PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; absent: PLAIN. The last two are for
    Amazon's tokens, which are refused."""

    enable: bool | None = None
    user: SecretValue | None = None
    password: SecretValue | None = None
    type: SecretValue | None = None
    token_provider: SecretValue | None = None
    role_arn: SecretValue | None = msgspec.field(default=None, name="roleARN")


class KafkaTls(Wire, frozen=True, kw_only=True):
    """PEM texts. `ca_cert` absent: the machine's own authorities."""

    enable: bool | None = None
    cert: SecretValue | None = None
    key: SecretValue | None = None
    ca_cert: SecretValue | None = None


class KafkaNet(Wire, frozen=True, kw_only=True):
    sasl: KafkaSasl | None = None
    tls: KafkaTls | None = None


class CloudEventOverrides(Wire, frozen=True, kw_only=True):
    extensions: dict[str, str] = {}


class KafkaSourceSpec(Wire, frozen=True, kw_only=True):
    """`consumers` has one writer: the user, or the ScaledObject that names this source."""

    bootstrap_servers: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    consumer_group: str | None = None
    consumers: int | None = None
    initial_offset: str | None = None
    ordering: str | None = None
    delivery: DeliverySpec | None = None
    net: KafkaNet | None = None
    sink: Destination | None = None
    ce_overrides: CloudEventOverrides | None = None


class CloudEventAttributes(Wire, frozen=True, kw_only=True):
    type: str = ""
    source: str = ""


class Placement(Wire, frozen=True, kw_only=True):
    """Consumers in a pod: here each has a pod of its own."""

    pod_name: str = ""
    vreplicas: int = 0


class SourceAuth(Wire, frozen=True, kw_only=True):
    service_account_name: str | None = None


class KafkaSourceStatus(ServingStatus, frozen=True, kw_only=True):
    sink_uri: str | None = None
    sink_ca_certs: str | None = msgspec.field(default=None, name="sinkCACerts")
    sink_audience: str | None = None
    ce_attributes: tuple[CloudEventAttributes, ...] = ()
    consumers: int | None = None
    selector: str | None = None
    claims: str | None = None
    placements: tuple[Placement, ...] = ()
    max_allowed_v_replicas: int | None = msgspec.field(default=None, name="maxAllowedVReplicas")
    auth: SourceAuth | None = None


class KafkaSource(Object, frozen=True, kw_only=True):
    spec: KafkaSourceSpec = KafkaSourceSpec()
    status: KafkaSourceStatus | None = None


# --- KafkaSink


class KafkaAuthSecret(Wire, frozen=True, kw_only=True):
    """The secret's keys: protocol, sasl.mechanism, user, password, ca.crt, user.crt, user.key."""

    ref: LocalRef | None = None


class KafkaAuth(Wire, frozen=True, kw_only=True):
    secret: KafkaAuthSecret | None = None


class KafkaSinkSpec(Wire, frozen=True, kw_only=True):
    """With `num_partitions` and `replication_factor` a missing topic is made; without, it must be there."""

    topic: str = ""
    bootstrap_servers: tuple[str, ...] = ()
    num_partitions: int | None = None
    replication_factor: int | None = None
    content_mode: str | None = None
    auth: KafkaAuth | None = None


class KafkaSinkStatus(ServingStatus, frozen=True, kw_only=True):
    address: Addressable | None = None


class KafkaSink(Object, frozen=True, kw_only=True):
    spec: KafkaSinkSpec = KafkaSinkSpec()
    status: KafkaSinkStatus | None = None
