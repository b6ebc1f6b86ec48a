"""KafkaSource and KafkaSink: defaults, and what is wrong with one.

Upstream finds most of it when it first connects; here what can be seen in the document is refused
when it is written. Source: eventing-kafka-broker control-plane/pkg/apis/sources/v1/kafka_{defaults,
validation}.go, eventing/v1alpha1/kafka_sink_{defaults,validation}.go; knative.dev/pkg duck/v1
destination.go; knative eventing duck/v1 delivery_types.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec.structs import replace

from tidegate.kit.iso_duration import BadIsoDuration, parse_iso_duration
from tidegate.model.admission.problems import (
    IMMUTABLE,
    Problems,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    one_of,
    required,
)
from tidegate.model.eventing import DeliverySpec, Destination
from tidegate.model.kafka import (
    KEY_TYPE_LABEL,
    KafkaNet,
    KafkaSink,
    KafkaSource,
    SecretValue,
)
from tidegate.model.kafka_settings import wrong_annotations

KEY_TYPES = ("string", "int", "float", "byte-array")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_EXTENSION = re.compile(r"[a-z0-9]+")
_GROUP = "knative-kafka-source-"


def default_source(source: KafkaSource, old: KafkaSource | None) -> KafkaSource:
    """The group's name holds the source's uid: made again, it reads as another group."""
    spec = source.spec
    group = spec.consumer_group or (old.spec.consumer_group if old is not None else None)
    return replace(
        source,
        spec=replace(
            spec,
            consumer_group=group or f"{_GROUP}{source.metadata.uid}",
            consumers=1 if spec.consumers is None else spec.consumers,
            initial_offset=spec.initial_offset or "latest",
            ordering=spec.ordering or "ordered",
        ),
    )


def check_source(source: KafkaSource) -> Problems:
    spec = source.spec
    found = _brokers("spec.bootstrapServers", spec.bootstrap_servers)
    if not spec.topics:
        found.append(required("spec.topics", "at least one"))
    for i, topic in enumerate(spec.topics):
        found += _topic(f"spec.topics[{i}]", topic)
    found += not_negative("spec.consumers", spec.consumers)
    found += one_of("spec.initialOffset", spec.initial_offset, ("earliest", "latest"))
    found += one_of("spec.ordering", spec.ordering, ("ordered", "unordered"))
    if spec.sink is None:
        found.append(required("spec.sink", "expected at least one of ref, uri"))
    else:
        found += _destination("spec.sink", spec.sink)
    if spec.delivery is not None:
        found += _delivery("spec.delivery", spec.delivery)
    if spec.net is not None:
        found += _net("spec.net", spec.net)
    for name in spec.ce_overrides.extensions if spec.ce_overrides else ():
        if not _EXTENSION.fullmatch(name):
            why = "an attribute of an event has lower-case letters and digits only"
            found.append(invalid(f"spec.ceOverrides.extensions[{name}]", name, why))
    key_type = source.metadata.labels.get(KEY_TYPE_LABEL)
    if key_type is not None and key_type not in KEY_TYPES:
        found.append(not_supported(f"metadata.labels[{KEY_TYPE_LABEL}]", key_type, KEY_TYPES))
    found += [
        invalid(f"metadata.annotations[{key}]", value, why)
        for key, value, why in wrong_annotations(source.metadata.annotations)
    ]
    return found


def check_source_change(source: KafkaSource, old: KafkaSource) -> Problems:
    """Another group would read everything anew, or nothing."""
    if source.spec.consumer_group == old.spec.consumer_group:
        return []
    return [invalid("spec.consumerGroup", source.spec.consumer_group, IMMUTABLE)]


def default_sink(sink: KafkaSink, old: KafkaSink | None) -> KafkaSink:
    mode = sink.spec.content_mode or "binary"
    return replace(sink, spec=replace(sink.spec, content_mode=mode))


def check_sink(sink: KafkaSink) -> Problems:
    spec = sink.spec
    found = _brokers("spec.bootstrapServers", spec.bootstrap_servers)
    found += _topic("spec.topic", spec.topic) if spec.topic else [required("spec.topic")]
    found += one_of("spec.contentMode", spec.content_mode, ("binary", "structured"))
    for field, number in (
        ("numPartitions", spec.num_partitions),
        ("replicationFactor", spec.replication_factor),
    ):
        if number is not None and number < 1:
            found.append(invalid(f"spec.{field}", number, "must be greater than 0"))
    secret = spec.auth.secret if spec.auth is not None else None
    if secret is not None and (secret.ref is None or not secret.ref.name):
        found.append(required("spec.auth.secret.ref.name"))
    return found


def check_sink_change(sink: KafkaSink, old: KafkaSink) -> Problems:
    new, was = sink.spec, old.spec
    return [
        invalid(f"spec.{field}", now, IMMUTABLE)
        for field, now, before in (
            ("topic", new.topic, was.topic),
            ("numPartitions", new.num_partitions, was.num_partitions),
            ("replicationFactor", new.replication_factor, was.replication_factor),
        )
        if now != before
    ]


def _brokers(path: str, servers: Sequence[str]) -> Problems:
    if not servers:
        return [required(path, "at least one host:port")]
    return [
        invalid(f"{path}[{i}]", server, "must be host:port, without a scheme")
        for i, server in enumerate(servers)
        if not _is_broker(server)
    ]


def _is_broker(server: str) -> bool:
    try:
        parsed = urlsplit(f"//{server}")
        return bool(parsed.hostname and parsed.port) and parsed.netloc == server
    except ValueError:
        return False


def _topic(path: str, topic: str) -> Problems:
    if _TOPIC.fullmatch(topic) and topic not in (".", ".."):
        return []
    why = "must be 1 to 249 letters, digits, dots, underscores and dashes"
    return [invalid(path, topic, why)]


def _destination(path: str, to: Destination) -> Problems:
    found: Problems = []
    if to.ref is None and not to.uri:
        return [required(path, "expected at least one of ref, uri")]
    if to.ref is not None:
        given = {"kind": to.ref.kind, "name": to.ref.name}
        found += [required(f"{path}.ref.{field}") for field, text in given.items() if not text]
        if not (to.ref.api_version or to.ref.group):
            found.append(required(f"{path}.ref.apiVersion"))
        if to.ref.address:
            found.append(forbidden(f"{path}.ref.address", "an object here has one address"))
    if to.uri:
        found += _uri(f"{path}.uri", to.uri, relative=to.ref is not None)
    return found


def _uri(path: str, uri: str, *, relative: bool) -> Problems:
    try:
        parsed = urlsplit(uri)
        port_is_one = parsed.port != 0
    except ValueError as why:
        return [invalid(path, uri, str(why))]
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        said = "must be plain ASCII without spaces: write others percent-encoded, as %20"
        return [invalid(path, uri, said)]
    if relative:
        if parsed.scheme or parsed.netloc:
            return [invalid(path, uri, "absolute URI is not allowed when ref is present")]
        return []
    if not parsed.scheme or not parsed.hostname or not port_is_one:
        return [invalid(path, uri, "relative URI is not allowed when ref is absent")]
    if parsed.scheme not in ("http", "https"):
        return [invalid(path, uri, "must be http:// or https://")]
    if parsed.username is not None:
        return [invalid(path, uri, "must hold no user: it would be written into the status")]
    return []


def _delivery(path: str, delivery: DeliverySpec) -> Problems:
    found = not_negative(f"{path}.retry", delivery.retry)
    found += one_of(f"{path}.backoffPolicy", delivery.backoff_policy, ("exponential", "linear"))
    for field, text in (
        ("backoffDelay", delivery.backoff_delay),
        ("timeout", delivery.timeout),
        ("retryAfterMax", delivery.retry_after_max),
    ):
        if text is None:
            continue
        try:
            seconds = parse_iso_duration(text)
        except BadIsoDuration:
            why = "must be an ISO 8601 duration, such as PT2S, PT0.3S or PT1M30S"
            found.append(invalid(f"{path}.{field}", text, why))
        else:
            if field == "timeout" and seconds <= 0:
                found.append(invalid(f"{path}.{field}", text, "must be more than 0"))
    if delivery.dead_letter_sink is not None:
        found += _destination(f"{path}.deadLetterSink", delivery.dead_letter_sink)
    return found


def _net(path: str, net: KafkaNet) -> Problems:
    found: Problems = []
    if net.sasl is not None:
        at, on = f"{path}.sasl", bool(net.sasl.enable)
        found += _secret(f"{at}.user", net.sasl.user, needed=on)
        found += _secret(f"{at}.password", net.sasl.password, needed=on)
        found += _secret(f"{at}.type", net.sasl.type, needed=False)
        for field, value in (
            ("tokenProvider", net.sasl.token_provider),
            ("roleARN", net.sasl.role_arn),
        ):
            if _is_set(value):
                why = "tokens of a cloud are not served here: give user and password"
                found.append(forbidden(f"{at}.{field}", why))
    if net.tls is not None:
        at, tls = f"{path}.tls", net.tls
        found += _secret(f"{at}.cert", tls.cert, needed=bool(tls.enable) and _is_set(tls.key))
        found += _secret(f"{at}.key", tls.key, needed=bool(tls.enable) and _is_set(tls.cert))
        found += _secret(f"{at}.caCert", tls.ca_cert, needed=False)
    return found


def _is_set(value: SecretValue | None) -> bool:
    return value is not None and value.secret_key_ref is not None


def _secret(path: str, value: SecretValue | None, *, needed: bool) -> Problems:
    ref = value.secret_key_ref if value is not None else None
    if ref is None:
        return [required(f"{path}.secretKeyRef")] if needed else []
    given = {"name": ref.name, "key": ref.key}
    return [required(f"{path}.secretKeyRef.{field}") for field, text in given.items() if not text]
