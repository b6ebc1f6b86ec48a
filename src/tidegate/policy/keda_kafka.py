"""The triggers `kafka` and `apache-kafka`: how far a consumer group is behind on topics.

Source: keda pkg/scalers/{kafka,apache_kafka}_scaler.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.model.keda import KedaTrigger
from tidegate.policy.keda_metadata import BadTrigger, flag, needed, only, whole
from tidegate.scaling.kafka_lag import LagRule

_KNOWN = (
    "bootstrapServers",
    "consumerGroup",
    "topic",
    "lagThreshold",
    "activationLagThreshold",
    "offsetResetPolicy",
    "allowIdleConsumers",
    "scaleToZeroOnInvalidOffset",
    "excludePersistentLag",
    "limitToPartitionsWithLag",
    "ensureEvenDistributionOfPartitions",
    "partitionLimitation",
    "sasl",
    "tls",
    "version",  # the client asks the broker what it speaks
)
_FROM_ENV = ("bootstrapServersFromEnv", "consumerGroupFromEnv", "topicFromEnv")
#: KEDA's name of a mechanism -> Kafka's.
MECHANISMS: Mapping[str, str] = {
    "plaintext": "PLAIN",
    "scram_sha256": "SCRAM-SHA-256",
    "scram_sha512": "SCRAM-SHA-512",
}
_AVERAGE, _VALUE = "AverageValue", "Value"


@dataclass(frozen=True, slots=True)
class KafkaTrigger:
    """`topics` empty: all that the group has committed on. `partitions` None: all. `sasl` and `tls`:
    as the trigger's metadata says, None: nothing. `authentication`: a TriggerAuthentication."""

    servers: tuple[str, ...]
    group: str
    topics: tuple[str, ...]
    partitions: frozenset[int] | None
    rule: LagRule
    kind: str
    sasl: str | None
    tls: bool
    authentication: str | None


def read_kafka(trigger: KedaTrigger) -> KafkaTrigger:
    """Raises `BadTrigger`."""
    metadata = trigger.metadata
    for key in _FROM_ENV:
        if key in metadata:
            plain = key.removesuffix("FromEnv")
            raise BadTrigger(f"metadata.{key}", f"not honoured here: write the value as {plain}")
    only(metadata, _KNOWN)
    kind = trigger.metric_type or _AVERAGE
    if kind not in (_AVERAGE, _VALUE):
        raise BadTrigger("metricType", f'"{kind}": {_AVERAGE} or {_VALUE}')
    policy = metadata.get("offsetResetPolicy") or "latest"
    if policy not in ("earliest", "latest"):
        raise BadTrigger("metadata.offsetResetPolicy", f'"{policy}": earliest or latest')
    topics = _listed(metadata.get("topic", ""))
    if trigger.type == "kafka" and len(topics) > 1:
        raise BadTrigger("metadata.topic", "one topic: several are for type apache-kafka")
    rule = LagRule(
        threshold=whole(metadata, "lagThreshold", 10, least=1),
        activation=whole(metadata, "activationLagThreshold", 0, least=0),
        earliest=policy == "earliest",
        zero_on_invalid=flag(metadata, "scaleToZeroOnInvalidOffset"),
        allow_idle=flag(metadata, "allowIdleConsumers"),
        only_with_lag=flag(metadata, "limitToPartitionsWithLag"),
        even=flag(metadata, "ensureEvenDistributionOfPartitions"),
        exclude_persistent=flag(metadata, "excludePersistentLag"),
    )
    if rule.only_with_lag:
        at = "metadata.limitToPartitionsWithLag"
        if rule.allow_idle:
            raise BadTrigger(at, "allowIdleConsumers can not be set at the same time")
        if not topics:
            raise BadTrigger(at, "needs a topic")
        if rule.even:
            raise BadTrigger(
                at, "ensureEvenDistributionOfPartitions can not be set at the same time"
            )
    if rule.even and not topics:
        raise BadTrigger("metadata.ensureEvenDistributionOfPartitions", "needs a topic")
    return KafkaTrigger(
        servers=_listed(needed(metadata, "bootstrapServers")),
        group=needed(metadata, "consumerGroup"),
        topics=topics,
        partitions=_partitions(metadata.get("partitionLimitation", "")) if topics else None,
        rule=rule,
        kind=kind,
        sasl=_sasl(metadata),
        tls=_tls(metadata),
        authentication=_authentication(trigger),
    )


def kafka_name(metadata: Mapping[str, str]) -> str:
    """As KEDA names the metric: by the topic, or by the group where there is none."""
    topic = metadata.get("topic")
    return f"kafka-{topic}" if topic else f"kafka-{metadata.get('consumerGroup', '')}-topics"


def _sasl(metadata: Mapping[str, str]) -> str | None:
    said = metadata.get("sasl", "").strip()
    if said in ("", "none"):
        return None
    if said not in MECHANISMS:
        raise BadTrigger("metadata.sasl", f'"{said}": served here are {", ".join(MECHANISMS)}')
    return said


def _tls(metadata: Mapping[str, str]) -> bool:
    said = metadata.get("tls", "disable").strip()
    if said not in ("enable", "disable"):
        raise BadTrigger("metadata.tls", f'"{said}": enable or disable')
    return said == "enable"


def _authentication(trigger: KedaTrigger) -> str | None:
    ref = trigger.authentication_ref
    if ref is None:
        return None
    if ref.kind not in (None, "", "TriggerAuthentication"):
        why = f'"{ref.kind}": served here is TriggerAuthentication, of the same namespace'
        raise BadTrigger("authenticationRef.kind", why)
    if not ref.name:
        raise BadTrigger("authenticationRef.name", "required")
    return ref.name


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _partitions(text: str) -> frozenset[int] | None:
    """`1,2,4-6`; empty: all."""
    found: set[int] = set()
    for part in _listed(text):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise BadTrigger("metadata.partitionLimitation", f'"{text}": write it like 1,2,4-6')
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found) or None
